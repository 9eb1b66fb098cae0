"""Comparisons with the same answer everywhere, and pairs of comparisons of which one lacks an abs."""

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
class _Comparison:
    """A comparison of something that depends on the parameters.

    Attributes:
        name: torch's name for it.
        line: The line of the loss that makes it, in words.
        left: The left side.
        right: The right side.
        of: The tensor whose abs `left` is; None if it is not an abs.
        answer: The result.
    """

    name: str
    line: str
    left: Tensor
    right: object
    of: Tensor | None
    answer: Tensor


class _Comparing(FunctionMode):
    """Notes comparisons of something that depends on the parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.compared: list[_Comparison] = []
        self._of: list[tuple[object, Tensor]] = []

    def __torch_function__(self, func: Op, types: object, args: Args = (), kwargs: Kwargs | None = None) -> object:
        result, name = func(*args, **(kwargs or {})), getattr(func, "__name__", "").strip("_")
        if name in ("abs", "absolute"):
            self._of.append((result, args[0]))
        elif name in _COMPARISONS and len(args) == 2 and any(_has_gradient(one) for one in args):
            of = next((given for made, given in self._of if made is args[0]), None)
            self.compared.append(_Comparison(name, in_line(), args[0], args[1], of, result))
        return result

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Skip the backward pass: comparisons are made in the forward pass."""


def _has_gradient(value: object) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


def _comparisons_at(look: Look, point: Tensor) -> list[_Comparison]:
    watch = _Comparing()
    try:
        look.view.function.run_at(point, torch.float64, watch)
    except Exception:
        return []
    return watch.compared


def undecided(look: Look) -> str:
    """The first comparison of a loss with the same answer all over the view, in words; "" if there is none."""
    points = look.lattice.points[look.lattice.finite]
    chosen = points[torch.linspace(0, len(points) - 1, min(_POINTS, len(points)), dtype=torch.float64).long()]
    first = _comparisons_at(look, chosen[0])
    alike = {k: bool(one.answer.any()) for k, one in enumerate(first) if _is_uniform(one.answer)}
    for point in chosen[1:]:
        if not alike:
            return ""
        compared = _comparisons_at(look, point)
        if [one.name for one in compared] != [one.name for one in first]:
            return ""
        alike = {k: true for k, true in alike.items() if bool((compared[k].answer == true).all())}
    for k, true in alike.items():
        what = "the comparison of an abs" if first[k].of is not None else "the comparison"
        often = "true at every one" if true else "true at none"
        return f"; {what} ({first[k].name}){first[k].line}, is {often} of {len(chosen)} places all over the view"
    return ""


def _is_uniform(answer: Tensor) -> bool:
    return bool(answer.all()) or not bool(answer.any())


def without_abs(look: Look, point: Tensor, axis: int) -> str:
    """Two comparisons that are both false beside a point as one lacks the other's abs, in words; "" for none.

    Args:
        look: The loss.
        point: (P,), where it jumps.
        axis: The axis along which it jumps.
    """
    step = torch.zeros_like(point)
    step[axis] = _BESIDE * look.spans[axis]
    for side in (point - step, point + step):
        compared = _comparisons_at(look, side)
        for one in (one for one in compared if one.of is not None):
            for other in compared:
                if other.left is one.of and _is_same(one.right, other.right) and _leaves_out(one, other):
                    return f"; {_difference(one, other)}: on one side neither is true"
    return ""


def _difference(one: _Comparison, other: _Comparison) -> str:
    """Which of two comparisons is of the abs, in words."""
    if one.line == other.line:
        return f"of the comparisons{one.line}, one is of the abs and the other is not"
    return f"the comparison{one.line}, is of the abs, and the one{other.line}, is not"


def _is_same(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one is other or (one.shape == other.shape and bool((one == other).all()))
    return type(one) is type(other) and one == other


def _leaves_out(one: _Comparison, other: _Comparison) -> bool:
    """Whether one comparison is for small and one for large numbers, and both are false for some number below 0."""
    if {one.name[0], other.name[0]} != {"l", "g"} or one.answer.shape != other.answer.shape:
        return False
    return bool((~one.answer & ~other.answer & (other.left < 0)).any())
