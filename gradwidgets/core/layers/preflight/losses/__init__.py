"""Checks of the arguments and the functions of a loss."""
