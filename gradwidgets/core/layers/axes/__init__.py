"""Axes that are taken for one another: samples, steps, classes."""
