"""Where descents end, and where they should: minima, targets, bottoms, what lies beyond the view."""
