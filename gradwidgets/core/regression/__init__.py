"""Data, the four losses of a line fitted to it, the best fits, and maps of them."""
