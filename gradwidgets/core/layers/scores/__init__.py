"""Scores before a softmax: hidden by a factor of 0, or divided by a temperature at which one entry has it all."""
