"""The layer panel's picture of a loss's curvature."""
