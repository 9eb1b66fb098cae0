"""Fixes that are tried on a network of the layer panel: their view, what it shows, and the trials."""
