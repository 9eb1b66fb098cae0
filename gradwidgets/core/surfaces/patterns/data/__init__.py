"""What is the matter with what a loss is given beside its parameters."""
