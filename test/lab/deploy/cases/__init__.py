"""What a deploy says, case by case: a table that is run on a lab host, and that a page of docs/ is printed from."""
