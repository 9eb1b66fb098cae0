"""Copies that share nothing with what they are copies of."""
