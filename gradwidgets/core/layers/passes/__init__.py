"""One pass forward and backward, recorded: the calls, the graph, and numbers of layers and their units."""
