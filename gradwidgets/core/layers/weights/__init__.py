"""Faults in what a model keeps between passes: parameters, states and plain tensors."""
