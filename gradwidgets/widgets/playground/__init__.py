"""OptimizerPlayground."""
