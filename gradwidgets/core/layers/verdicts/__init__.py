"""What can be wrong with the flow of gradients, kind by kind."""
