"""Which operation makes a loss not finite, wrong or without a gradient, and what to do about it."""
