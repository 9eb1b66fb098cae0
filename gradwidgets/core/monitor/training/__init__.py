"""Facts about a training, collected while it runs: modes, optimizers, the loss and its graph, the first pass."""
