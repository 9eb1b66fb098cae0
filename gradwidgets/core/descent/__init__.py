"""The descent loop, its outcome, stability, the parts of a step, and the run as a script."""
