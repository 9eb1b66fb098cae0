"""What happens to one part of a model and not to the others: gradients that are kept, groups of other rates."""
