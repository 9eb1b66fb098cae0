"""Checks of position codes, and of codes that are looked up straight through."""
