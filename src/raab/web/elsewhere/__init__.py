"""Applications elsewhere on the network, that requests are forwarded to."""
