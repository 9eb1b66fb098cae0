"""How a sample is taken of one step, and what else is looked at from step to step."""
