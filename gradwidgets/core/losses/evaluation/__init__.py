"""Calls of a loss at many points: in which form, and the loss and its gradient there."""
