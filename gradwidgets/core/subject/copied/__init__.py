"""Copies that share nothing with their originals."""
