"""Calls of the user's model or function without side effects.

`Clone` copies a model with its loss so that the copy shares nothing with the original: analyses run on it. `Held`
records everything reachable from some objects, reports what has changed since and restores it; `Process` does the same
for torch's, NumPy's and Python's settings and random numbers. `Untouched` is a block of work with all three, which is
completed even if it is interrupted, and gives a `Certificate`.
"""
