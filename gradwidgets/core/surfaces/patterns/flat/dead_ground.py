"""Ground on which a descent does not move though the loss is lower elsewhere: on the grid, and on the lattice."""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from gradwidgets.core.surfaces.patterns.flat.regions import components
from gradwidgets.core.surfaces.patterns.lattice import Lattice
from gradwidgets.core.surfaces.surface import SurfaceGrid

DEAD = 1e-3  # of the loss's distance from its lowest: ground that changes by less over a whole view is dead
STUCK = 1e-4  # the same for one parameter alone, from the lowest on its own line
SMALLEST_EXTENT = 3  # cells: less is a point, not a zone
ABOVE = 0.01  # of the height of the view: flat ground is dead only if it is at least so far above the lowest loss


class Facts(Protocol):
    """What is needed to find dead ground, see `Look`."""

    grid: SurfaceGrid
    names: tuple[str, ...]
    given: bool

    @property
    def lattice(self) -> Lattice:
        """See `Look`."""

    @property
    def finite(self) -> Tensor:
        """See `Look`."""

    @property
    def slope(self) -> Tensor:
        """See `Look`."""

    @property
    def spans(self) -> Tensor:
        """See `Look`."""

    @property
    def floor(self) -> float:
        """See `Look`."""

    @property
    def height(self) -> float:
        """See `Look`."""

    @property
    def flat(self) -> list[int]:
        """See `Look`."""

    @property
    def led(self) -> list[int]:
        """See `Look`."""

    @property
    def target(self) -> Tensor:
        """See `Look`."""

    def in_targets(self, points: Tensor) -> Tensor:
        """Which points, (N, P), lie in the target, (N,)."""


class DeadGround:
    """Where parameters get next to no gradient though the loss is lower elsewhere.

    Masks of the grid's shape are for pictures; shares of the view are measured at the points of the lattice.

    Args:
        facts: The surface, and what is known about it.
    """

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def _above(self, losses: Tensor, dims: Sequence[int]) -> Tensor:
        """How far losses, inf where not finite, lie above the lowest that a descent could reach.

        Args:
            losses: Losses with a dimension for each axis.
            dims: The dimension of each axis.
        """
        facts = self._facts
        if len(facts.led) in (0, len(facts.names)):
            return losses - facts.floor
        return losses - losses.amin([dims[axis] for axis in facts.led], keepdim=True)

    @cached_property
    def still(self) -> Tensor:
        """Where a descent hardly moves though the loss is not lowest, of the grid's shape."""
        facts = self._facts
        losses = torch.where(facts.finite, facts.grid.loss, math.inf)
        above = self._above(losses, [-1 - axis for axis in range(len(facts.names))])
        return facts.finite & (above > ABOVE * facts.height) & (facts.slope < DEAD * above)

    @cached_property
    def zones(self) -> list[Tensor]:
        """Dead ground of some extent outside a given target; masks of the grid's shape, the largest first."""
        return components(self.still & ~self._may_be_flat, SMALLEST_EXTENT)

    @cached_property
    def stuck(self) -> dict[str, Tensor]:
        """Parameter → a mask of where it alone gets no gradient though the loss is lower elsewhere along its axis."""
        facts = self._facts
        found = {}
        losses = torch.where(facts.finite, facts.grid.loss, math.inf)
        for axis, name in enumerate(facts.names if facts.grid.y is not None else ()):
            if axis in facts.flat or bool((facts.grid.gradient[..., axis][facts.finite] == 0).all()):
                continue  # no gradient anywhere is reported by another pattern
            above = losses - losses.amin(-1 - axis, keepdim=True)
            size = facts.grid.gradient[..., axis].abs() * facts.spans[axis]
            mask = facts.finite & (above > ABOVE * facts.height) & (size < STUCK * above)
            mask = _long_runs(mask & ~self._may_be_flat, -1 - axis) & ~self._whole
            if bool(mask.any()):
                found[name] = mask
        return found

    @property
    def mask(self) -> Tensor:
        """Where all parameters, or one, get no gradient though the loss is lower elsewhere; of the grid's shape."""
        return torch.stack([self._whole, *self.stuck.values()]).any(0)

    @property
    def _whole(self) -> Tensor:
        return torch.stack([torch.zeros_like(self.still), *self.zones]).any(0)

    @property
    def _may_be_flat(self) -> Tensor:
        """Where a loss may be flat whatever its height: in a given target."""
        facts = self._facts
        return facts.target if facts.given else torch.zeros_like(facts.finite)

    @cached_property
    def points(self) -> Tensor:
        """Which points of the lattice are dead for all parameters, (N,)."""
        facts = self._facts
        lattice, dims = facts.lattice, len(facts.names)
        losses = torch.where(lattice.finite, lattice.loss, math.inf).reshape([lattice.count] * dims)
        above = self._above(losses, range(dims)).flatten()
        size = (lattice.gradient * facts.spans).norm(dim=-1)
        dead = lattice.finite & (above > ABOVE * facts.height) & (size < DEAD * above)
        return dead & ~facts.in_targets(lattice.points) if facts.given else dead

    @cached_property
    def stuck_points(self) -> dict[str, Tensor]:
        """Parameter → which points of the lattice are dead for it alone, (N,); only parameters that have some."""
        facts = self._facts
        lattice, found = facts.lattice, {}
        losses = torch.where(lattice.finite, lattice.loss, math.inf)
        for axis, name in enumerate(facts.names if facts.grid.y is not None else ()):
            slopes = lattice.gradient[:, axis]
            if axis in facts.flat or bool((slopes[lattice.finite] == 0).all()):
                continue  # no gradient anywhere is reported by another pattern
            lines = losses.reshape(lattice.count, -1)
            above = (lines - lines.amin(axis, keepdim=True)).flatten()
            dead = lattice.finite & (above > ABOVE * facts.height) & (slopes.abs() * facts.spans[axis] < STUCK * above)
            dead &= ~self.points
            if facts.given:
                dead &= ~facts.in_targets(lattice.points)
            if bool(dead.any()):
                found[name] = dead
        return found


def _long_runs(mask: Tensor, dim: int) -> Tensor:
    """The parts of a mask, (H, W), in runs of `SMALLEST_EXTENT` or more along a dimension."""
    along = mask if dim in (-1, 1) else mask.T
    runs = torch.zeros_like(along)
    if along.shape[-1] >= SMALLEST_EXTENT:
        whole = along.unfold(-1, SMALLEST_EXTENT, 1).all(-1)
        for k in range(SMALLEST_EXTENT):
            runs[:, k : k + whole.shape[-1]] |= whole
    return runs if dim in (-1, 1) else runs.T
