"""Recurrent modules, whose gradient is told at every step of the sequence."""
