"""`fab host`: one host more or less for a service that the others serve meanwhile."""
