"""A loss as a function of named numbers: its grid, its table, its verdict, and its comparison with another."""
