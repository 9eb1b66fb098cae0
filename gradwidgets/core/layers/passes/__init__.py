"""One pass forward and backward, watched: its calls, its graph, its layers and their units in numbers."""
