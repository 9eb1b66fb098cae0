"""What all results share; findings, long work in slices, and the wording of numbers and errors."""
