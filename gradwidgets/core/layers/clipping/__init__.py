"""The gradients of one training step, and four ways to clip them."""
