"""Verdicts on the course of a training: rates, sums, odd batches, gradients that vanish, answers that are alike."""
