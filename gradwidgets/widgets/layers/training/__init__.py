"""The layer panel's live view: trainings that it follows, and records of them."""
