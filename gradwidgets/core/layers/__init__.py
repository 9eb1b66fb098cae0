"""Gradients layer by layer."""
