"""What too few digits make of a loss."""
