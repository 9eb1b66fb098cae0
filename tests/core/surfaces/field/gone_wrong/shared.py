"""Axes, numbers and expectations that several sections share."""

import math

import torch

from tests.core.surfaces.field.case import one_of

WIDE = {"a": (-4.0, 4.0), "b": (-4.0, 4.0)}
UNIT = {"x": (-1.0, 1.0), "y": (-1.0, 1.0)}
SHARES = torch.tensor([0.2, 0.3, 0.5])
LOG_SHARES = (math.log(0.4), math.log(0.6))  # the first two logits that give SHARES beside a third of 0

NOT_FINITE = one_of("non_finite", "singular")
IN_TRAINING = one_of("precision", "non_finite")
ASTRAY = one_of("off_target", "wrong_direction", "no_bottom", "unexpected_minimum")


def three(a, b):
    """Two logits beside a third that stays 0."""
    return torch.stack((a, b, a - a))


def in_dtype(numbers, like):
    return torch.tensor(numbers, dtype=like.dtype)
