"""Flat and dead ground: where it lies, and what is said of it."""
