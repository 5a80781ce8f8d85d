"""What runs on a server beside the app."""
