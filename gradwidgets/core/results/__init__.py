"""The base class of results, findings, long work in slices, and the wording of numbers and errors."""
