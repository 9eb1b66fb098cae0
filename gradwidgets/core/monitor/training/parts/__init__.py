"""Facts about one part of a model, one group or some steps: gradients that are kept, rates, optimizers in turn."""
