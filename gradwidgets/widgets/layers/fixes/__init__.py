"""Fixes tried on a network of the layer panel: the view of them, what it shows, the trials."""
