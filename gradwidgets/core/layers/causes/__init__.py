"""Why layers get no gradient, or one that does not help."""
