"""What a training is given: its inputs and its targets."""
