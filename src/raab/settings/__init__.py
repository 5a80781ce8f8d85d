"""Reading, checking and typing of settings. Knows YAML and the types, and nothing of what is made of them."""
