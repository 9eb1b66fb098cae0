"""The kernel's main loop, its history and its outputs."""
