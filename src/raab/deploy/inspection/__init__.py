"""What hosts are asked, and what is well with them; none of it changes a release."""
