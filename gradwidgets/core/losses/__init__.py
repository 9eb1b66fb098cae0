"""Somebody's loss of named numbers, called, with its first and second derivatives, in any precision."""
