"""Checks for operations that treat the samples of a batch together, or by their place in it."""
