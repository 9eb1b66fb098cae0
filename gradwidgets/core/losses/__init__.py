"""The user's loss of named numbers: calls, first and second derivatives, in any precision."""
