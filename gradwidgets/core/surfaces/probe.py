"""A table of a loss and its gradients at a few representative inputs."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_call import LossError
from gradwidgets.core.losses.loss_function import LossFunction, as_function
from gradwidgets.core.objectives.axes import check_loss_axes, plain
from gradwidgets.core.objectives.objective import Objective
from gradwidgets.core.results.result import Result
from gradwidgets.core.results.slices import Slices, finish
from gradwidgets.core.subject.home import at_home

SMALL = 0.01  # of an axis: how far from zero, or from the middle, the "small" input lies
_SEARCHED = 17  # points along an axis from which the lowest is refined
_SCALES, _SCALES_SLOW = 10, 2  # lengths of a step along an axis, each half the one before; all pairs in one call
_OFFSETS = 41  # points along a parameter at which a loss is checked for steps
_FINEST = 2.0**-59  # of the first step: where the refinement ends
_REFINED, _REFINED_SLOW = 60, 3  # calls at most; fewer and smaller ones for a loss that is called point by point


@dataclass(frozen=True, eq=False, repr=False)
class ProbeRow(Result):
    """A loss and one of its partial derivatives at one input.

    Attributes:
        component: The name of the loss, or of the part of it.
        parameter: The parameter that the gradient is for.
        input_name: What kind of input: "zero", "small", "converged", "degenerate", or the user's own name.
        inputs: Parameter name → value.
        loss: The loss there.
        gradient: ∂loss/∂parameter there; NaN where there is no gradient path.
        flag: What needs attention: "zero gradient", "non-finite loss", "non-finite gradient", "no gradient path",
            "vanishes in float32", "loss not finite in float32", "gradient not finite in float32"; in a report
            "overflows in float32" and "out of all proportion" too; "" if nothing does.
    """

    component: str
    parameter: str
    input_name: str
    inputs: dict[str, float]
    loss: float
    gradient: float
    flag: str


@at_home
def probe(
    loss: Callable[..., Tensor] | Objective | Mapping[str, Callable[..., Tensor]],
    axes: Mapping[str, tuple[float, float]],
    *,
    fixed: Mapping[str, object] | None = None,
    probes: Mapping[str, object] | None = None,
) -> list[ProbeRow]:
    """Check a loss at representative inputs.

    Args:
        loss: As in `sample_surface`, or several by name, its components.
        axes: Its one or two parameters, name → (low, high).
        fixed: Its other parameters.
        probes: Further inputs, name → a number for each axis, in order or by name, such as where training begins.
            One with the name of a usual input replaces that input.

    Returns:
        A row for each component, input and parameter. The usual inputs are zero (if in view), small (near zero),
        converged (the lowest point found in view, refined), and degenerate (the corners of the view).

    Raises:
        TypeError: As in `sample_surface`, or a probe is not made of numbers.
        ValueError: As in `sample_surface`, or a probe does not have one finite number for each axis.
        LossError: The loss cannot be evaluated at all; a ValueError.
    """
    parts = loss if isinstance(loss, Mapping) else {None: loss}
    return [
        row
        for name, part in parts.items()
        for row in finish(probing(as_function(part, axes, fixed), axes, probes, component=name))
    ]


@at_home
def probing(
    function: LossFunction,
    axes: Mapping[str, tuple[float, float]],
    probes: Mapping[str, object] | None = None,
    *,
    component: str | None = None,
    lowest: tuple[float, ...] | None = None,
) -> Slices[list[ProbeRow]]:
    """`probe` for one loss function, in slices.

    Args:
        function: The loss.
        axes: As in `probe`.
        probes: As in `probe`.
        component: The component's name; the loss's own name if None.
        lowest: A low point to refine, if one is known.
    """
    checked = check_loss_axes(axes)
    low, high = (torch.tensor([bounds[i] for bounds in checked.values()], dtype=torch.float64) for i in (0, 1))
    own = as_points(probes, function.parameters)
    converged = yield from _lowest(function, low, high, lowest)
    ended = yield from function.valuing(converged[None], gradient=False)
    # If the loss is finite nowhere, nothing has converged.
    lowest_found = {"converged": converged} if bool(ended.loss.isfinite().all()) else {}
    inputs = [
        (name, point)
        for name, place in {**own, **usual_inputs(low, high), **lowest_found, **own}.items()
        for point in (place if place.ndim == 2 else place[None])
    ]
    rows = []
    for some in [[one] for one in inputs] if function.slow else [inputs]:
        names, points = zip(*some, strict=True)
        rows += _rows(function, component or function.name, names, torch.stack(points))
        yield 0.9
    return rows


def _is_finite(number: Real) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def as_points(probes: Mapping[str, object] | None, parameters: tuple[str, ...]) -> dict[str, Tensor]:
    """Probes by name as points, (P,) each.

    Raises:
        TypeError: They are not a mapping, or one is not made of numbers.
        ValueError: One does not have one finite number for each axis.
    """
    if probes is not None and not isinstance(probes, Mapping):
        raise TypeError(f"probes must be name → a number for each axis; got {probes!r:.60}")
    if wrong := [name for name in probes or () if not isinstance(name, str)]:
        raise TypeError(f"the names in probes must be strings; got {wrong[0]!r:.60}")
    return {name: as_inputs(name, value, parameters) for name, value in (probes or {}).items()}


def as_inputs(name: str, value: object, parameters: tuple[str, ...]) -> Tensor:
    """A probe as a point, (P,)."""
    value = plain(value)
    if isinstance(value, Mapping):
        if set(value) != set(parameters):
            raise ValueError(f"probes[{name!r}] must name {', '.join(parameters)}; got {', '.join(map(str, value))}")
        parts = [value[parameter] for parameter in parameters]
    elif isinstance(value, Real):
        parts = [value]
    else:
        try:
            parts = list(value)  # type: ignore[call-overload]  # it raises TypeError if it cannot be iterated
        except TypeError:
            raise TypeError(f"probes[{name!r}] must be a number for each axis; got {value!r:.60}") from None
    parts = list(map(plain, parts))
    if len(parts) != len(parameters):
        needed = ", ".join(parameters)
        raise ValueError(f"probes[{name!r}] needs {len(parameters)} numbers, for {needed}; got {value!r:.60}")
    if not all(isinstance(part, Real) and not isinstance(part, bool) for part in parts):
        raise TypeError(f"probes[{name!r}] must be numbers; got {value!r:.60}")
    if not all(map(_is_finite, parts)):
        raise ValueError(f"probes[{name!r}] must be finite numbers; got {value!r:.60}")
    return torch.tensor([float(part) for part in parts], dtype=torch.float64)


def usual_inputs(low: Tensor, high: Tensor) -> dict[str, Tensor]:
    """The inputs that every table has, by name: a point, (P,), or several, (N, P)."""
    inside = (low <= 0) & (high >= 0)
    zero = torch.where(inside, 0.0, (low + high) / 2)
    small = torch.minimum(zero + SMALL * (high - low), high)
    corners = torch.cartesian_prod(*torch.stack([low, high], dim=1)).reshape(-1, len(low))
    usual = {"small": small, "degenerate": corners}
    return {"zero": zero, **usual} if bool(inside.all()) else usual


def _lowest(function: LossFunction, low: Tensor, high: Tensor, known: tuple[float, ...] | None) -> Slices[Tensor]:
    """The lowest point in view: the best of a coarse grid, then of ever finer ones about it, many in one call."""
    width, dims = high - low, len(low)
    if known is None:
        sides = [torch.linspace(0, 1, _SEARCHED, dtype=torch.float64)] * dims
        shares = torch.cartesian_prod(*sides).reshape(-1, dims)
        best = yield from _best(function, low + shares * width, low + width / 2)
        reach = 1.0 / (_SEARCHED - 1)
    else:
        best, reach = torch.tensor(known, dtype=torch.float64), 0.02
    slow = function.slow
    sizes = 0.5 ** torch.arange(_SCALES_SLOW if slow else _SCALES, dtype=torch.float64)
    steps = torch.cartesian_prod(*[torch.cat([-sizes, torch.zeros(1), sizes])] * dims).reshape(-1, dims)
    finest, widest = reach * _FINEST, reach
    for _ in range(_REFINED_SLOW if slow else _REFINED):
        around = torch.minimum(torch.maximum(best + reach * width * steps, low), high)
        better = yield from _best(function, around, best)
        # Follow a slope with steps as long as the one that led lowest; close in where the middle is lowest.
        step = float(((better - best).abs() / width).max())
        if slow:
            reach = reach if step >= 0.99 * reach else reach / 2
        else:
            reach = min(2 * step, widest) if step > 0 else reach * float(sizes[-1])
        best = better
        if reach < finest:
            break
    return (yield from _best(function, torch.stack([best, torch.where(best.abs() < 1e-9 * width, 0.0, best)]), None))


def _best(function: LossFunction, points: Tensor, middle: Tensor | None) -> Slices[Tensor]:
    values = yield from function.valuing(points, gradient=False)
    losses = torch.nan_to_num(values.loss.double(), nan=math.inf, posinf=math.inf)
    # Among equals the one nearest to the middle, which is where a refinement began.
    order = (points - (points.mean(0) if middle is None else middle)).norm(dim=-1)
    ties = losses == losses.min()
    return points[torch.where(ties, order, torch.full_like(order, math.inf)).argmin()]


def _rows(function: LossFunction, component: str, input_names: Sequence[str], points: Tensor) -> list[ProbeRow]:
    """The rows for N inputs, (N, P), computed together."""
    try:
        values = function.values(points)
    except LossError:
        nan = torch.full(points.shape, math.nan, dtype=torch.float64)
        losses, gradients, reached = nan[:, 0].tolist(), nan.tolist(), (True,) * points.shape[1]
    else:
        losses, gradients, reached = values.loss.tolist(), values.gradient.tolist(), values.reached
    loss_too, single = _in_float32(function, points) or (None, None)
    zero = [
        (k, i)
        for k, gradient in enumerate(gradients)
        for i, slope in enumerate(gradient)
        if slope == 0 and reached[i] and math.isfinite(losses[k])
    ]
    stepping = {place for place, steps in zip(zero, _steps(function, points, zero), strict=True) if steps}
    rows = []
    for k, (input_name, point, loss) in enumerate(zip(input_names, points.tolist(), losses, strict=True)):
        inputs = dict(zip(function.parameters, point, strict=True))
        for i, name in enumerate(function.parameters):
            slope = gradients[k][i]
            # Where the loss is lowest, the rest of its gradient is rounding.
            low = None if single is None or input_name == "converged" else single[k][i]
            flag = _flag(loss, slope, reached[i], low, (k, i) in stepping)
            if flag in ("", "vanishes in float32", "zero gradient") and loss_too is not None and single is not None:
                flag = _lost_in_float32(loss, slope, loss_too[k], single[k][i]) or flag
            rows.append(ProbeRow(component, name, input_name, inputs, loss, slope if reached[i] else math.nan, flag))
    return rows


def _in_float32(function: LossFunction, points: Tensor) -> tuple[list[float], list[list[float]]] | None:
    """The losses and the gradients in float32; None if they are in float32 already, or cannot be computed."""
    if function.dtype == torch.float32:
        return None
    try:
        values = function.values(points, torch.float32)
    except LossError:
        return None
    return values.loss.tolist(), values.gradient.tolist()


def _lost_in_float32(loss: float, slope: float, single_loss: float, single: float) -> str:
    """The flag for a loss or a slope that is not finite in float32 though float32 could hold it; "" for none."""
    if not max(abs(loss), abs(slope)) <= torch.finfo(torch.float32).max:
        return ""
    if not math.isfinite(single_loss):
        return "loss not finite in float32"
    return "" if math.isfinite(single) else "gradient not finite in float32"


def _flag(loss: float, slope: float, reached: bool, single: float | None, steps: bool) -> str:
    if not math.isfinite(loss):
        return "non-finite loss"
    if not reached:
        return "no gradient path"
    if not math.isfinite(slope):
        return "non-finite gradient"
    if slope == 0:
        return "no gradient path" if steps else "zero gradient"
    if single is not None and abs(single) < torch.finfo(torch.float32).tiny:
        return "vanishes in float32"
    return ""


def _steps(function: LossFunction, points: Tensor, which: list[tuple[int, int]]) -> list[bool]:
    """Whether the loss is a staircase along a parameter: its slope is zero everywhere, yet its value changes.

    Args:
        function: The loss.
        points: (N, P).
        which: The points and parameters to check, by index.
    """
    if not which or function.costly:
        return [False] * len(which)
    offsets = torch.linspace(-1, 1, _OFFSETS, dtype=torch.float64) * 1.037
    # On a single line a slope may be zero by symmetry.
    aside = torch.tensor([0.0, 0.173, -0.291], dtype=torch.float64)
    lines, many = [], len(aside) * _OFFSETS
    for k, i in which:
        scale = points[k].abs().clamp_min(1.0)
        places = (points[k] + aside[:, None] * scale).repeat_interleave(_OFFSETS, 0)
        places[:, i] = points[k, i] + scale[i] * offsets.repeat(len(aside))
        lines.append(places)
    try:
        values = function.values(torch.cat(lines))
    except LossError:
        return [False] * len(which)
    losses, gradients = values.loss.split(many), values.gradient.split(many)
    return [_is_stepped(loss, slopes[:, i]) for loss, slopes, (_, i) in zip(losses, gradients, which, strict=True)]


def _is_stepped(losses: Tensor, slopes: Tensor) -> bool:
    """Whether slopes are zero all along several lines though the loss changes along the first."""
    first = losses[:_OFFSETS]
    first = first[first.isfinite()]
    return bool((first != first[:1]).any()) and bool((slopes[losses.isfinite()] == 0).all())
