"""Verdicts on the steps of a training: the optimizers, the sums of gradients, the sizes and the rates."""
