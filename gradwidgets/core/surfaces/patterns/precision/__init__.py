"""What can go wrong with a loss in too few digits."""
