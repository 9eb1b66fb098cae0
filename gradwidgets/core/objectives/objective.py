"""The base class of objectives: real functions of two parameters, which an optimizer descends."""

from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor

from gradwidgets.core.objectives.points import as_points
from gradwidgets.core.results.slices import Slices

T = TypeVar("T")


class Objective:
    """A function f of two parameters, with what is needed to draw it.

    A subclass writes `__call__` with torch operations; `value_and_gradient` and `hessian` then come from
    autograd, and may be overridden where they are known in closed form.

    Attributes:
        name: The function's name.
        parameters: The names of the two parameters, in the order of a point's last dimension.
        view: Name → (low, high) of a region worth looking at; the first is drawn horizontally.
        start: A point from which the descent is worth watching, inside the view.
        minima: The known minimizers, the best first; () if there are none or none are known.
        smooth: Whether the curvature says anything about the step. False for L1, which is flat except at its kinks.
        constants: The function's own constants by name.
    """

    name: str
    parameters: tuple[str, str]
    view: dict[str, tuple[float, float]]
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...] = ()
    smooth: bool = True
    constants: dict[str, float] = {}  # noqa: RUF012  replaced, never changed

    def __call__(self, points: object) -> Tensor:
        """Evaluate f at `points`.

        Args:
            points: Shape (..., 2). Python numbers are taken as float64.

        Returns:
            Shape (...), in the points' dtype and on their device.
        """
        raise NotImplementedError

    def value_and_gradient(self, points: object) -> tuple[Tensor, Tensor]:
        """Evaluate f and ∇f at `points`, by one backward pass of the sum over all of them.

        Args:
            points: Shape (..., 2).

        Returns:
            Values (...) and gradients (..., 2), detached.
        """
        with torch.inference_mode(False), torch.enable_grad():
            leaf = as_points(points).detach().clone().requires_grad_()
            values = self(leaf)
            (gradients,) = torch.autograd.grad(values.sum(), leaf)
        return values.detach(), gradients

    def watched(self, work: Slices[T]) -> Slices[T]:
        """The same work, which calls this often; what a user's function changes meanwhile is restored."""
        return work

    def hessian(self, point: object) -> Tensor:
        """The matrix of second derivatives at one point.

        Args:
            point: Shape (2,).

        Returns:
            Shape (2, 2), symmetric.
        """
        with torch.inference_mode(False), torch.enable_grad():
            leaf = as_single_point(point).detach().clone().requires_grad_()
            (gradient,) = torch.autograd.grad(self(leaf), leaf, create_graph=True)
            rows = [torch.autograd.grad(entry, leaf, retain_graph=True)[0] for entry in gradient]
        matrix = torch.stack(rows).detach()
        return (matrix + matrix.T) / 2

    @cached_property
    def hessian_at_minimum(self) -> tuple[tuple[float, float], tuple[float, float]] | None:
        """The Hessian at the first known minimum as plain floats, computed once; None without a minimum."""
        if not self.minima:
            return None
        first, second = self.hessian(self.minima[0]).tolist()
        return tuple(first), tuple(second)

    def source(self) -> str:
        """Python source that defines this function as `objective(point)`, for a script that imports torch."""
        raise NotImplementedError

    def __repr__(self) -> str:
        """The name and the constants."""
        constants = "".join(f", {name}={value:g}" for name, value in self.constants.items())
        return f"<{type(self).__name__} {self.name}{constants}>"


def as_single_point(point: object) -> Tensor:
    """One point of shape (2,); anything else is a ValueError."""
    tensor = as_points(point, "point")
    if tensor.shape != (2,):
        raise ValueError(f"point must be a single point of shape (2,); got shape {tuple(tensor.shape)}")
    return tensor
