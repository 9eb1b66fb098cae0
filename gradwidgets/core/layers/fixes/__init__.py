"""Fixes for what the checks find: applied to copies or in place, tried, ranked and undone."""
