"""What of a request's own words is believed: whom it comes from, and for which host it is."""
