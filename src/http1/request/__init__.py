"""What a client asks: received, its head read, its body given to the application byte by byte."""
