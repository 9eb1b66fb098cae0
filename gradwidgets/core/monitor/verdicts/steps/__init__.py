"""How a training steps: by whom, how far, by which sums, at which rate."""
