"""What is done to a service while traffic goes on: each drill is a function of a scene."""
