"""What becomes of a loss as one number: its sum or mean, its terms, its bounds, and whether it moves at all."""
