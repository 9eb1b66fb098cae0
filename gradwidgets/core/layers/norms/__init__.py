"""Norms that leave nothing of what they are given, or normalise nothing."""
