"""Checks for axes that are mistaken for one another: samples, steps, classes."""
