"""What treats the samples of a batch together, or by their place in it."""
