"""Normalisations that leave nothing of their input, or do not normalise it."""
