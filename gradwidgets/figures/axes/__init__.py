"""Axes, their limits, ticks and scales."""
