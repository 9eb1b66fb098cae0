"""Remedies: what they change, tried on copies, ranked, applied and taken back."""
