"""The inputs, targets and outputs of a training."""
