"""A loss at the points of a lattice, and what is computed of points and slopes."""

from torch import Tensor

from gradwidgets.core.surfaces.patterns.in_view import finite


class Lattice:
    """A loss at points, (N, P), `count` along each axis; the last axis varies fastest.

    Attributes:
        finite: Where loss and gradient are finite, (N,).
    """

    def __init__(self, points: Tensor, loss: Tensor, gradient: Tensor, count: int) -> None:
        self.points, self.loss, self.gradient, self.count = points, loss.double(), gradient.double(), count
        self.finite = finite(self.loss, self.gradient)


def nearest_to_middle(points: Tensor, spans: Tensor) -> tuple[float, ...]:
    """The one of points, (N, P), that is nearest to their mean."""
    nearest = ((points - points.mean(0)) / spans).norm(dim=-1).argmin()
    return tuple(points[nearest].tolist())


def steep_of(slopes: Tensor) -> float:
    """A steep slope among slopes, (N,): one in a hundred is steeper."""
    if not len(slopes):
        return 0.0
    return float(slopes.kthvalue(max(1, round(0.99 * len(slopes)))).values) or float(slopes.max())
