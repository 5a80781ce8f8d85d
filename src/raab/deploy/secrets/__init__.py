"""`fab secrets`: what a service keeps from everybody else, brought to its hosts. No value is in a word of a command, nor shown."""
