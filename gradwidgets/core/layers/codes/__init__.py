"""Codes of places, and codes that are looked up, straight through."""
