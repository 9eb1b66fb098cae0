"""Building blocks of all pictures: style, layout, marks and moving artists."""
