"""The gradients of one step, and four ways to clip them."""
