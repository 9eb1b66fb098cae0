"""The layer panel's picture of a training run."""
