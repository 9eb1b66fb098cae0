"""Functions of two parameters, ready-made and somebody's own, and the axes that they are drawn over."""
