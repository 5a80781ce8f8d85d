"""What will be done, decided from what is wanted and what is there. Law: pure, and so is all that it imports."""
