"""A loss and its gradient at points, as computed."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Values:
    """A loss and its gradient at N points.

    Attributes:
        loss: The losses, (N,).
        gradient: The gradients, (N, P); zero for a parameter without a gradient path, or if none was requested.
        reached: For each of the P parameters, whether any gradient path leads to it.
        failed: Error message → the number of points whose call raised it; their loss and gradient are NaN.
        first_failure: The first point whose call raised, (P,), or None.
    """

    loss: Tensor
    gradient: Tensor
    reached: tuple[bool, ...]
    failed: Mapping[str, int]
    first_failure: tuple[float, ...] | None = None
