"""What a training is like, told while it runs: its modes, optimizers, loss, graph and first pass."""
