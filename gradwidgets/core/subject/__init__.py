"""Somebody else's model or function, called without a trace left.

`Clone` copies a model with its loss so that nothing of the copy is the original's: analyses run on it. `Held` keeps all
that can be reached from some objects, tells what has changed since and puts it back; `Process` does the same for
torch's, NumPy's and Python's settings and random numbers. `Untouched` is a block of work with all three, which ends
whole even if it is interrupted, and gives a `Certificate`.
"""
