"""Matplotlib artists that are created once and then changed by `update`. No pyplot, no widgets, no computation."""
