"""Divisors that a bound holds at a tiny number in part of the view, so that the gradient is far too large there."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.operations.divisors import turning
from gradwidgets.core.operations.remedies import SHARES
from gradwidgets.core.operations.watching import Args, Kwargs, Op, Watching
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent, place
from gradwidgets.core.surfaces.patterns.lattice import nearest_to_middle
from gradwidgets.core.surfaces.patterns.look import Look

STEEPER = 1e4  # times the gradient elsewhere
_USUAL = 0.1  # of the slopes are smaller than the usual slope
_SHARE = 0.01  # of the view
_AS_STEEP = 0.1  # of the median of steep slopes: a gentler one is not looked at
_SMALLER = 1e-3  # of the divisor elsewhere
_SAME = 1e-6  # of a divisor: it is held if it varies by less
_ASKED = 3  # points, of either kind
_BOUNDS = frozenset(("clamp", "clamp_min", "clip", "maximum", "where", "add", "fmax"))
_LARGER = (
    "So small a bound keeps the quotient finite, and its slope of no use: take a larger eps, not far below {0}, which "
    "it is divided by elsewhere, or one that is added before (under the root, for a norm)."
)
_BELOW = (
    "What is bounded there goes below 0: the quotient is another one then, whatever the eps. Make it of what is never "
    "below 0 (shares, squares, a softplus), or take a larger eps, not far below {0}, which it is divided by elsewhere."
)


@dataclass(frozen=True, eq=False)
class Divisor:
    """A divisor of a loss.

    Attributes:
        value: Its value.
        maker: The operation that made it; "" if that is not known.
        lowest: The lowest number that the maker was given.
        by: The operation that divides by it.
    """

    value: Tensor
    maker: str
    lowest: float
    by: str


def held_divisor(look: Look) -> Finding | None:
    """Ground on which a bound holds a divisor at a tiny number, so that the gradient is thousands of times larger."""
    if not look.known:
        return None
    lattice = look.lattice
    size = (lattice.gradient * look.spans).norm(dim=-1)
    sloping = lattice.finite & (size > 0)
    if not bool(sloping.any()):
        return None
    usual = float(size[sloping].quantile(_USUAL))
    steeper = sloping & (size > STEEPER * usual)
    if look.share(steeper) < _SHARE:
        return None
    # Right beside such ground the slope of the quotient is nearly as steep, because of the divisor itself.
    steep, others = steeper & (size > _AS_STEEP * size[steeper].median()), sloping & ~steeper
    held = _held(look.function, _some(lattice.points[steep]), _some(lattice.points[others]))
    if held is None:
        return None
    one, bound, elsewhere = held
    spot = nearest_to_middle(lattice.points[steep], look.spans)
    times = float(size[steep].median()) / float(size[others].median())
    below = f", and is given {number(one.lowest, 3)}" if one.lowest < 0 else ""
    message = (
        f"in {percent(look.share(steep))} of the view, for example at {place(look.names, spot)}, the gradient is "
        f"{number(times, 2)} times what it is elsewhere: {one.maker} holds the divisor of {one.by} at "
        f"{number(bound, 3)} there{below}; elsewhere that is {number(elsewhere, 3)}"
    )
    evidence = {"share": look.share(steep), "times": times, "threshold": STEEPER, "operation": one.by, "bound": bound}
    action = (_BELOW if below else _LARGER).format(number(elsewhere, 1))
    if turning(look.function, torch.tensor(spot, dtype=torch.float64)) == SHARES:
        action = SHARES
    return Finding("singular", "warning", message, evidence, spot, action)


def _some(points: Tensor) -> Tensor:
    return points[torch.linspace(0, len(points) - 1, min(len(points), _ASKED), dtype=torch.float64).long()]


def _held(function: LossFunction, steep: Tensor, others: Tensor) -> tuple[Divisor, float, float] | None:
    """The divisor that is held most, the number at which it is held, and its usual size elsewhere; None for none."""
    there, elsewhere = ([_divisors(function, point) for point in points] for points in (steep, others))
    if not elsewhere or len({len(log) for log in (*there, *elsewhere)}) != 1:
        return None
    found = [held for logs in zip(*there, *elsewhere, strict=True) if (held := _if_held(logs, len(steep))) is not None]
    return min(found, key=lambda held: held[1] / held[2], default=None)


def _if_held(logs: Sequence[Divisor], count: int) -> tuple[Divisor, float, float] | None:
    first = logs[0]
    if first.maker not in _BOUNDS or len({one.value.shape for one in logs}) != 1:
        return None
    values = torch.stack([one.value.abs() for one in logs])
    there, elsewhere = values[:count], values[count:].median(0).values
    same = (there - there[0]).abs().amax(0) <= _SAME * there[0]
    held = same & (there[0] > 0) & (there[0] < _SMALLER * elsewhere)
    if not bool(held.any()):
        return None
    return first, float(there[0][held].min()), float(elsewhere[held].median())


def _divisors(function: LossFunction, point: Tensor) -> list[Divisor]:
    watch = _Divisors()
    try:
        function.run_at(point, torch.float64, watch)
    except Exception:
        return []
    return watch.found


class _Divisors(Watching):
    """Notes divisors, and the operations that made them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Divisor] = []
        self._made: dict[int, tuple[str, float]] = {}  # address of a tensor → its operation, the lowest input

    def run(self, name: str, func: Op, args: Args, kwargs: Kwargs) -> object:
        divisor = args[0] if name == "reciprocal" else args[1] if name == "div" else None
        if isinstance(divisor, Tensor) and divisor.is_floating_point():
            maker = self._made.get(divisor.data_ptr(), ("", 0.0))
            self.found.append(Divisor(divisor.detach().double().clone(), *maker, name))
        result = func(*args, **kwargs)
        if isinstance(result, Tensor):
            given = [float(one.detach().min()) for one in args if isinstance(one, Tensor) and one.numel()]
            self._made.setdefault(result.data_ptr(), (name, min(given, default=0.0)))
        return result

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Skip the backward pass: only divisors of the forward pass count."""
