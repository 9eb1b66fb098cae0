"""Functions of two parameters, built-in and user-defined, and the axes they are drawn over."""
