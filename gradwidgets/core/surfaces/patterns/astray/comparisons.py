"""Comparisons that decide nothing, and two of them, of which one lacks an abs, that leave a place to neither."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.operations.watching import Args, Kwargs, Op, in_line
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.surfaces.patterns.look import Look

_POINTS = 48  # of the view
_COMPARISONS = frozenset(("lt", "le", "gt", "ge", "less", "greater"))
_BESIDE = 1e-7  # of the view


@dataclass(frozen=True, eq=False)
class _Asked:
    """A comparison of what depends on the parameters.

    Attributes:
        name: torch's name for it.
        line: The line of the loss, in words.
        left: What is compared.
        right: With what.
        of: What `left` is the abs of; None where it is none.
        answer: What it says.
    """

    name: str
    line: str
    left: Tensor
    right: object
    of: Tensor | None
    answer: Tensor


class _Comparing(FunctionMode):
    """Notes comparisons of what depends on the parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[_Asked] = []
        self._of: list[tuple[object, Tensor]] = []

    def __torch_function__(self, func: Op, types: object, args: Args = (), kwargs: Kwargs | None = None) -> object:
        result, name = func(*args, **(kwargs or {})), getattr(func, "__name__", "").strip("_")
        if name in ("abs", "absolute"):
            self._of.append((result, args[0]))
        elif name in _COMPARISONS and len(args) == 2 and any(_is_led(one) for one in args):
            of = next((given for made, given in self._of if made is args[0]), None)
            self.asked.append(_Asked(name, in_line(), args[0], args[1], of, result))
        return result

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Nothing: comparisons are made on the way forward."""


def _is_led(value: object) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


def _asked_at(look: Look, point: Tensor) -> list[_Asked]:
    watch = _Comparing()
    try:
        look.view.function.run_at(point, torch.float64, watch)
    except Exception:
        return []
    return watch.asked


def undecided(look: Look) -> str:
    """The first comparison of a loss with the same answer all over the view, in words; "" where there is none."""
    points = look.lattice.points[look.lattice.finite]
    chosen = points[torch.linspace(0, len(points) - 1, min(_POINTS, len(points)), dtype=torch.float64).long()]
    first = _asked_at(look, chosen[0])
    alike = {k: bool(one.answer.any()) for k, one in enumerate(first) if _is_of_one_mind(one.answer)}
    for point in chosen[1:]:
        if not alike:
            return ""
        asked = _asked_at(look, point)
        if [one.name for one in asked] != [one.name for one in first]:
            return ""
        alike = {k: true for k, true in alike.items() if bool((asked[k].answer == true).all())}
    for k, true in alike.items():
        what = "the comparison of an abs" if first[k].of is not None else "the comparison"
        often = "true at every one" if true else "true at none"
        return f"; {what} ({first[k].name}){first[k].line}, is {often} of {len(chosen)} places all over the view"
    return ""


def _is_of_one_mind(answer: Tensor) -> bool:
    return bool(answer.all()) or not bool(answer.any())


def without_abs(look: Look, point: Tensor, axis: int) -> str:
    """Two comparisons beside a point, (P,), of which one lacks the abs of the other, and neither is true; "" for none.

    Args:
        look: What is known of the loss.
        point: Where it jumps.
        axis: Along which axis.
    """
    step = torch.zeros_like(point)
    step[axis] = _BESIDE * look.spans[axis]
    for side in (point - step, point + step):
        asked = _asked_at(look, side)
        for one in (one for one in asked if one.of is not None):
            for other in asked:
                if other.left is one.of and _is_same(one.right, other.right) and _leaves_out(one, other):
                    return f"; {_told(one, other)}: on one side neither is true"
    return ""


def _told(one: _Asked, other: _Asked) -> str:
    """Of two comparisons which is of the abs, in words."""
    if one.line == other.line:
        return f"of the comparisons{one.line}, one is of the abs and the other is not"
    return f"the comparison{one.line}, is of the abs, and the one{other.line}, is not"


def _is_same(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one is other or (one.shape == other.shape and bool((one == other).all()))
    return type(one) is type(other) and one == other


def _leaves_out(one: _Asked, other: _Asked) -> bool:
    """Whether, one asking for small and the other for large numbers, neither says yes to numbers below 0."""
    if {one.name[0], other.name[0]} != {"l", "g"} or one.answer.shape != other.answer.shape:
        return False
    return bool((~one.answer & ~other.answer & (other.left < 0)).any())
