"""The Lanczos method: extreme eigenvalues and the spectral density of a matrix given only by its products."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.results.slices import Slices

_CHECK_EVERY = 5  # steps between two checks of the tridiagonal matrix
_REORTHOGONALIZE_BELOW = 0.7  # of a vector's length


@dataclass(frozen=True, eq=False)
class Ritz:
    """What the Krylov space of one start vector reveals about a symmetric matrix.

    Attributes:
        values: Ritz values, ascending, (m,).
        bounds: For each, the distance bound to the nearest eigenvalue: the norm of its residual, (m,).
        weights: The share of the start vector along each, (m,), sums to 1; with `values`, the Gauss quadrature of the
            start vector's spectral measure.
        converged: Whether `enough` was satisfied.
    """

    values: Tensor
    bounds: Tensor
    weights: Tensor
    converged: bool


def lanczos(
    product: Callable[[Tensor], Tensor], start: Tensor, steps: int, enough: Callable[[Ritz], bool]
) -> Slices[Ritz]:
    """The Lanczos iteration with full reorthogonalization (Golub and Van Loan, Matrix Computations, chapter 10).

    Args:
        product: v ↦ Av, (P,) → (P,).
        start: Any vector, (P,).
        steps: The maximum number of steps; their Lanczos vectors are kept, steps · P numbers.
        enough: Whether to stop with these Ritz values.

    Yields:
        The fraction of `steps` done, after each one.

    Returns:
        The Ritz values. An eigenvalue appears once, whatever its multiplicity. Not finite if a product is not.
    """
    steps = min(steps, len(start))
    basis = torch.empty(steps, len(start), dtype=start.dtype, device=start.device)
    basis[0] = start / start.norm()
    diagonal: list[float] = []
    beside: list[float] = []
    largest = 0.0
    for k in range(steps):
        vector = product(basis[k])
        diagonal.append(float(vector @ basis[k]))
        if not math.isfinite(diagonal[-1]):
            return _ritz(diagonal, beside, math.nan)
        before = float(vector.norm())
        known = basis[: k + 1]
        vector = vector - known.T @ (known @ vector)
        if float(vector.norm()) < _REORTHOGONALIZE_BELOW * before:
            vector = vector - known.T @ (known @ vector)
        length = float(vector.norm())
        largest = max(largest, before)
        exhausted = length <= 100 * torch.finfo(start.dtype).eps * largest
        if exhausted or k + 1 == steps or (k + 1) % _CHECK_EVERY == 0:
            ritz = _ritz(diagonal, beside, 0.0 if exhausted else length)
            if exhausted or k + 1 == steps or enough(ritz):
                return Ritz(ritz.values, ritz.bounds, ritz.weights, exhausted or enough(ritz))
        yield (k + 1) / steps
        basis[k + 1] = vector / length
        beside.append(length)
    raise AssertionError("steps is at least 1")


def _ritz(diagonal: list[float], beside: list[float], last: float) -> Ritz:
    if not all(map(math.isfinite, diagonal)):
        nothing = torch.full((len(diagonal),), math.nan, dtype=torch.float64)
        return Ritz(nothing, nothing, nothing, False)
    matrix = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    if beside:
        side = torch.diag(torch.tensor(beside, dtype=torch.float64), 1)
        matrix = matrix + side + side.T
    values, vectors = torch.linalg.eigh(matrix)
    return Ritz(values, (last * vectors[-1]).abs(), vectors[0] ** 2, False)
