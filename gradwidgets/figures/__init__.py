"""Matplotlib artists that are made once and then changed by `update`. No pyplot, no widgets, no arithmetic."""
