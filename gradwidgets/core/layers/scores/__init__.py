"""Checks of the scores before a softmax, and of the weights that it gives."""
