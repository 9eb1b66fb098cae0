"""What a loss is given, and what it makes of that."""
