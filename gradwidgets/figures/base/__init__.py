"""What all pictures are made of: style, layout, marks, what moves."""
