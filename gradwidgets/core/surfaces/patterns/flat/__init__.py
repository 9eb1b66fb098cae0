"""Flat and dead ground: where it is, and the findings on it."""
