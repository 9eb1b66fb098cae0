"""What every result can do; findings, long work in slices, numbers and refusals in words."""
