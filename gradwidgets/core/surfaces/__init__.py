"""A loss as a function of named numbers: its grid, its table, its verdict, beside another."""
