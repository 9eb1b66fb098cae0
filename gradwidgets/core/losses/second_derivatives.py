"""Second derivatives of a loss, by autograd if that is correct, else by differences of gradients."""

import contextlib

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_call import LossError
from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.results.slices import Slices

STEP = 1e-5  # of an axis' width, to each side
_FINEST = 1e-7  # of the point's own size
_FINER = 8.0
_APART = 1e-2  # relative: autograd and differences disagree
_ALIKE = 1e-3


def differences_of_gradients(function: LossFunction, points: Tensor, step: Tensor) -> Slices[tuple[Tensor, Tensor]]:
    """Gradients (K, P) and Hessians (K, P, P) at points (K, P), by central differences of gradients.

    Args:
        function: The loss function.
        points: The points, (K, P).
        step: The step to each side along each axis, (P,), or for each point, (K, P).

    Returns:
        The gradients and the Hessians; an entry of a Hessian that is not finite becomes 0.
    """
    dims = points.shape[1]
    step = step.expand(points.shape)
    shifts = torch.diag_embed(step).unbind(1)
    places = torch.cat([points, *(points + shift for shift in shifts), *(points - shift for shift in shifts)])
    values = yield from function.valuing(places)
    parts = values.gradient.double().reshape(1 + 2 * dims, len(points), dims)
    rows = [(parts[1 + i] - parts[1 + dims + i]) / (2 * step[:, i, None]) for i in range(dims)]
    hessian = torch.stack(rows, dim=1)
    hessian = (hessian + hessian.mT) / 2
    return parts[0], torch.nan_to_num(hessian, nan=0.0, posinf=0.0, neginf=0.0)


def hessians_at(
    function: LossFunction, points: Tensor, spans: Tensor, differences: Tensor | None = None
) -> Slices[Tensor]:
    """Hessians at points (K, P): (K, P, P).

    Autograd's, unless there are none or they are not the derivatives of the gradient: a custom backward may silently
    drop the graph, and the rest then looks like a zero.

    Args:
        function: The loss function.
        points: The points, (K, P).
        spans: The axes' widths, (P,).
        differences: The result of `differences_of_gradients`, if already known.

    Returns:
        The Hessians; NaN where neither autograd nor differences give a value.
    """
    points = points.double()
    # Not below the resolution of the point's own size, else all differences in a tiny view would be zero.
    step = torch.maximum(STEP * spans, _FINEST * points.abs())
    if differences is None or bool((step > STEP * spans).any()):
        _, differences = yield from differences_of_gradients(function, points, step)
    exact = yield from _by_autograd(function, points)
    usable = exact.isfinite().all(-1).all(-1)
    apart = ~usable | ~_close(exact, differences, _APART)
    if not bool(apart.any()):
        return exact
    # At a kink the differences are wrong: then they change with the step.
    _, finer = yield from differences_of_gradients(function, points[apart], step[apart] / _FINER)
    steady = apart.clone()
    steady[apart] = _close(finer, differences[apart], _ALIKE)
    unknown = torch.full_like(exact, float("nan"))
    fallback = torch.where(usable[:, None, None], exact, unknown)
    return torch.where(steady[:, None, None], differences, fallback)


def _by_autograd(function: LossFunction, points: Tensor) -> Slices[Tensor]:
    try:
        return function.hessians(points).double()
    except LossError:
        found = torch.full((len(points), points.shape[1], points.shape[1]), float("nan"), dtype=torch.float64)
        for i, point in enumerate(points):
            with contextlib.suppress(LossError):
                found[i] = function.hessian(point)
            yield (i + 1) / len(points)
        return found


def _close(one: Tensor, other: Tensor, tolerance: float) -> Tensor:
    """Whether matrices (K, P, P) are equal up to a fraction of their largest entry, (K,)."""
    size = torch.maximum(one.abs(), other.abs()).amax((-1, -2))
    return (one - other).abs().amax((-1, -2)) <= tolerance * size
