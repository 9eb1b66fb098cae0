"""What can be wrong with a training, told from its record."""
