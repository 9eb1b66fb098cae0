"""What stands behind the question mark of each group of controls: two sentences and the formula, one file a widget."""
