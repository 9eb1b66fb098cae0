"""The gradient on its way from the loss: lost, faded, never come."""
