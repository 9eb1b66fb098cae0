"""Rows of scores that are completely masked, and the samples that they belong to."""

import math

from torch import Tensor

_FIRST = 5  # the most samples that a sentence names


def rows_masked(scores: Tensor, axis: int = -1) -> Tensor:
    """Return a mask of the rows along an axis that are all −inf."""
    return (scores == -math.inf).all(axis) if scores.ndim else scores == -math.inf


def samples_of(rows: Tensor, samples: int, axis: int = -1) -> tuple[int, ...]:
    """Return the samples that the marked rows belong to; () if it is not known.

    Args:
        rows: A mask of the rows, (samples, …), or (samples · heads, …) with each sample's heads together.
        samples: The number of samples.
        axis: The axis along which the rows ran; with 0 the samples are not known.
    """
    if not samples or axis == 0 or not rows.ndim or rows.shape[0] % samples:
        return ()
    return tuple(rows.reshape(samples, -1).any(1).nonzero().flatten().tolist())


def in_samples(samples: tuple[int, ...], of: int) -> str:
    """Return the first samples as the end of a clause; "" for none."""
    if not samples or len(samples) == of:
        return ", in every sample" if samples else ""
    first = ", ".join(map(str, samples[:_FIRST]))
    more = f" and {len(samples) - _FIRST} more" if len(samples) > _FIRST else ""
    return f"; sample{'s' * (len(samples) > 1)} {first}{more} of {of}"
