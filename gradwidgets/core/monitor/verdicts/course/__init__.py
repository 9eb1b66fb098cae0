"""The course of a training: sums, odd batches, gradients that are gone, answers that are alike."""
