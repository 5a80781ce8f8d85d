"""What raab's own Flask application has of its own. Nothing else in raab.web needs Flask, which no other project has to have."""
