"""Rows of scores that are masked wholly, and of which samples they are."""

import math

from torch import Tensor

_FIRST = 5  # samples that a sentence names


def rows_masked(scores: Tensor, axis: int = -1) -> Tensor:
    """Which rows along an axis are all −inf."""
    return (scores == -math.inf).all(axis) if scores.ndim else scores == -math.inf


def samples_of(rows: Tensor, samples: int, axis: int = -1) -> tuple[int, ...]:
    """Of which samples some rows are; () where that cannot be told.

    Args:
        rows: Which they are, (samples, …), or (samples · heads, …) where each sample's heads stand together.
        samples: How many there are.
        axis: Along which they were, so that it is none of them.
    """
    if not samples or axis == 0 or not rows.ndim or rows.shape[0] % samples:
        return ()
    return tuple(rows.reshape(samples, -1).any(1).nonzero().flatten().tolist())


def in_samples(samples: tuple[int, ...], of: int) -> str:
    """The first of some samples, as the end of a clause; "" for none."""
    if not samples or len(samples) == of:
        return ", in every sample" if samples else ""
    first = ", ".join(map(str, samples[:_FIRST]))
    more = f" and {len(samples) - _FIRST} more" if len(samples) > _FIRST else ""
    return f"; sample{'s' * (len(samples) > 1)} {first}{more} of {of}"
