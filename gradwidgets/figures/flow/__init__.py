"""The layer panel's pictures of a network's gradient flow."""
