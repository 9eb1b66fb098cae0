"""Losses that are asked about other outputs than the one they got: where they are highest, and for a single point."""
