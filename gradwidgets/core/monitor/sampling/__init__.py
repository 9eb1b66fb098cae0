"""Taking samples of single steps, and following a training from step to step."""
