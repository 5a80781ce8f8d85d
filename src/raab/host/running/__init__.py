"""A command in the surroundings of a service, and who has asked for it: at this terminal, or at the other end of a connection. Standard
library only."""
