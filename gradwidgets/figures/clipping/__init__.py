"""The layer panel's picture of clipping."""
