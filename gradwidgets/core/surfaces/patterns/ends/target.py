"""Where a loss should lead: a point, a box or a predicate."""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real

import torch
from torch import Tensor

from gradwidgets.core.objectives.axes import plain
from gradwidgets.core.results.wording import counted
from gradwidgets.core.surfaces.surface import SurfaceGrid

POINT = 0.02  # of the view: so far around it a target that is a point reaches
_OFF = 1e-4  # of the view: so far off a descent may end

Target = Sequence[float] | Mapping[str, object] | Callable[..., Tensor]


def target_mask(target: Target, grid: SurfaceGrid) -> Tensor:
    """Turn a target into a mask over a grid.

    Args:
        target: A point, a number for each axis in order or by name; a box, a pair (low, high) for each axis; or a
            predicate that takes tensors by the axes' names and returns a boolean one.
        grid: The surface.

    Raises:
        TypeError: It is none of the three.
        ValueError: Its numbers do not fit the axes, or it lies out of view.
    """
    points, names = grid.points, grid.names
    if callable(target):
        _check_takes(target, names)
        mask = target(**dict(zip(names, points.unbind(-1), strict=True)))
        if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.shape != grid.loss.shape:
            raise TypeError(
                f"target as a function takes {', '.join(names)} and returns a boolean tensor of their shape; it "
                f"returned {mask!r:.60}"
            )
    else:
        parts = parts_of(target, names)
        inside = []
        for i, part in enumerate(parts):
            values, side = points[..., i], grid.sides[i]
            cell = float(side[-1] - side[0]) / (len(side) - 1)
            low, high = part if isinstance(part, tuple) else (part - cell / 2, part + cell / 2)
            inside.append((values >= low - 1e-9 * cell) & (values <= high + 1e-9 * cell))
        mask = torch.stack(inside).all(0)
    if not mask.any():
        raise ValueError(f"target {target!r:.60} lies nowhere in view")
    return mask


def inside(target: Target, names: tuple[str, ...], points: Tensor, spans: Tensor, off: float = 0.0) -> Tensor:
    """Which points lie in a target, (N,).

    A box and a predicate are taken as they are given, but for what a descent's end is off by; a point, which no
    descent meets, reaches a fiftieth of the view either way.

    Args:
        target: As `target_mask` takes it.
        names: The axes.
        points: (N, P).
        spans: The widths of the view, (P,).
        off: How far off the points may be beside that, a share of the view.
    """
    reach = max(_OFF, off) * spans
    if callable(target):
        steps = torch.cartesian_prod(*[torch.tensor([0.0, -1.0, 1.0], dtype=torch.float64)] * len(names))
        near = (points[:, None] + steps.reshape(-1, len(names)) * reach).unbind(-1)
        return target(**dict(zip(names, near, strict=True))).any(-1)
    parts = parts_of(target, names)
    pairs = [part if isinstance(part, tuple) else (part, part) for part in parts]
    low, high = torch.tensor(pairs, dtype=torch.float64).unbind(-1)
    reach = torch.where(low == high, (POINT + off) * spans, reach)
    return ((points >= low - reach) & (points <= high + reach)).all(-1)


def parts_of(target: object, names: tuple[str, ...]) -> list[float | tuple[float, float]]:
    """A point's or a box's numbers, in the order of the axes.

    Raises:
        TypeError: It is neither a point nor a box.
        ValueError: Its numbers do not fit the axes.
    """
    target = plain(target)
    if isinstance(target, Mapping):
        if set(target) != set(names):
            got = ", ".join(map(str, target)) or "none"
            raise ValueError(f"target must name {', '.join(names)}; got {got}")
        parts = [target[name] for name in names]
    elif isinstance(target, Real):
        parts = [target]
    elif isinstance(target, str) or not isinstance(target, Iterable):
        raise TypeError(f"target must be a point, a box or a function; got {target!r:.60}")
    else:
        parts = list(target)
    if len(parts) != len(names):
        needed = f"{counted(len(names), 'part')}, one for {'each of ' * (len(names) > 1)}{', '.join(names)}"
        raise ValueError(f"target needs {needed}; got {target!r:.60}")
    return [_part(part) for part in parts]


def _part(part: object) -> float | tuple[float, float]:
    part = plain(part)
    if isinstance(part, Real) and not isinstance(part, bool):
        return _no_nan(part)
    try:
        low, high = map(float, part if isinstance(part, Iterable) else ())
    except (TypeError, ValueError):
        raise TypeError(f"target's parts are numbers or pairs (low, high); got {part!r:.60}") from None
    if not low <= high:
        raise ValueError(f"target's pairs are (low, high); got {part!r:.60}")
    return low, high


def _no_nan(part: Real) -> float:
    try:
        number = float(part)
    except OverflowError:
        number = math.inf
    if math.isnan(number):
        raise ValueError("target's parts must be numbers; one is NaN")
    return number


def _check_takes(target: Callable[..., Tensor], names: tuple[str, ...]) -> None:
    """Refuse a function that does not take the axes by their names."""
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(**dict.fromkeys(names))
    except TypeError as error:
        raise TypeError(f"target as a function takes {', '.join(names)} by name; this one does not: {error}") from None
