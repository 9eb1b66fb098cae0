"""Checks of a loss's value: its sum or mean, its terms, its bounds, and whether it depends on the output."""
