"""The loop of a descent, what became of it, what is stable, one step taken apart, the run as a script."""
