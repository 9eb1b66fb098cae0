"""Traits, controls, the canvas and the kernel's loop: what makes a result a widget."""
