"""Verdicts on a training by its record."""
