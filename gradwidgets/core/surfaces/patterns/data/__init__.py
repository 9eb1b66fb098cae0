"""What can be wrong with the data of a loss, and how it uses them."""
