"""Divisors that become 0: whether they change their sign there, or only touch 0."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.operations.remedies import ANGLE, SHARES, TURNS
from gradwidgets.core.operations.watching import Args, Kwargs, Op, Watching

_BESIDE = 1e-3  # of the view: how far away on both sides
_ALIKE = 10.0  # the divisor on one side is at most so many times as large as on the other
_BOUNDING = ("clamp", "clamp_min", "maximum")
_ROOTS = ("sqrt", "norm", "linalg_vector_norm", "std", "pow")


def divisor_turns(function: LossFunction, point: Tensor, bounds: Tensor) -> bool:
    """Whether a divisor changes its sign at a point, within the view.

    Args:
        function: The loss.
        point: (P,), where the loss is singular.
        bounds: The view's lower and upper ends, (P, 2): a divisor is not looked at beyond them.
    """
    spans = bounds[:, 1] - bounds[:, 0]
    for way in torch.eye(len(point), dtype=torch.float64) * spans * _BESIDE:
        sides = [point + side * way for side in (-1, 0, 1)]
        if any(bool(((side < bounds[:, 0]) | (side > bounds[:, 1])).any()) for side in sides):
            continue
        logs = [_seen_at(function, side).divisors for side in sides]
        if len({len(log) for log in logs}) != 1:
            continue
        for left, here, right in zip(*logs, strict=True):
            if left.shape == right.shape == here.shape and bool(_through_zero(left, here, right).any()):
                return True
    return False


def zero_of(function: LossFunction, point: Tensor) -> str:
    """What made a divisor 0 at a point, (P,), if a special cure is known: "sign" or "root", else ""."""
    watch = _seen_at(function, point)
    if not any(bool((divisor == 0).any()) for divisor in watch.divisors):
        return ""
    return "sign" if watch.signs else "root" if watch.roots else ""


def turning(function: LossFunction, point: Tensor) -> str:
    """What to do about a divisor that changes its sign at a point, (P,)."""
    seen = _seen_at(function, point).of_quotients
    return ANGLE if "atan" in seen else SHARES if {"scores", "labels"} <= seen else TURNS


def _through_zero(left: Tensor, here: Tensor, right: Tensor) -> Tensor:
    near = here.abs() < 0.1 * torch.minimum(left.abs(), right.abs())
    return near & (left * right < 0) & (left.abs() < _ALIKE * right.abs()) & (right.abs() < _ALIKE * left.abs())


@dataclass(eq=False)
class _Seen:
    """The divisors of the forward pass, and whether signs and roots of 0 are in them.

    Attributes:
        divisors: All divisors, in order.
        signs: Whether one is computed from a sign of 0.
        roots: Whether one is computed from a root of 0.
        of_quotients: "atan" if a quotient is given to atan; "scores" if a divisor sums numbers that are partly below 0,
            and "labels" if one sums data of 0 and 1.
    """

    divisors: list[Tensor] = field(default_factory=list)
    signs: bool = False
    roots: bool = False
    of_quotients: set[str] = field(default_factory=set)


def _seen_at(function: LossFunction, point: Tensor) -> _Seen:
    watch = _Divisors()
    try:
        function.run_at(point, torch.float64, watch)
    except Exception:
        return _Seen()
    return watch.seen


class _Divisors(Watching):
    """Notes the divisors of the forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = _Seen()
        self._quotients: set[int] = set()  # addresses of quotients
        self._sums: dict[int, set[str]] = {}  # address of a sum → the kinds of numbers in it
        self._made_of: dict[int, set[str]] = {}  # address of a tensor with zeros → "root", "sign": what made them

    def run(self, name: str, func: Op, args: Args, kwargs: Kwargs) -> object:
        inverse = name == "reciprocal" or (name == "pow" and isinstance(args[1], int | float) and args[1] < 0)
        divisor = args[0] if inverse else args[1] if name == "div" else None
        if not self.node and isinstance(divisor, Tensor) and divisor.is_floating_point():
            self._note(divisor)
        result = func(*args, **kwargs)
        if not self.node and isinstance(result, Tensor):
            self._follow(name, args, result)
        return result

    def _note(self, divisor: Tensor) -> None:
        self.seen.divisors.append(divisor.detach().double().clone())
        made_of = self._made_of.get(divisor.data_ptr(), set())
        self.seen.signs |= "sign" in made_of
        self.seen.roots |= "root" in made_of

    def _follow(self, name: str, args: Args, result: Tensor) -> None:
        self._follow_quotients(name, [part for part in args if isinstance(part, Tensor)], result)
        if not result.is_floating_point() or not bool((result == 0).any()):
            return
        given = [part for part in args if isinstance(part, Tensor)]
        made_of = set().union(*(self._made_of.get(part.data_ptr(), set()) for part in given))
        made_of |= {"sign"} if name in ("sign", "sgn") else {"root"} if _is_root(name, args) else set()
        self._made_of.setdefault(result.data_ptr(), set()).update(made_of)

    def _follow_quotients(self, name: str, given: list[Tensor], result: Tensor) -> None:
        if name == "div":
            self._quotients.add(result.data_ptr())
            self.seen.of_quotients |= self._sums.get(given[-1].data_ptr(), set())
        elif name == "atan" and given[0].data_ptr() in self._quotients:
            self.seen.of_quotients.add("atan")
        elif name == "sum" and given[0].numel() > 1:
            self._sums[result.data_ptr()] = _kind_of(given[0])
        elif name in ("add", "mul", *_BOUNDING):
            kinds = [self._sums.get(one.data_ptr(), set()) for one in given]
            if any(kinds):
                self._sums[result.data_ptr()] = set().union(*kinds)

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Skip the backward pass: only divisors of the forward pass count."""


def _kind_of(summed: Tensor) -> set[str]:
    if summed.requires_grad:
        return {"scores"} if bool((summed < 0).any()) else set()
    return {"labels"} if bool(((summed == 0) | (summed == 1)).all()) else set()


def _is_root(name: str, args: Args) -> bool:
    return name in _ROOTS and (name != "pow" or (isinstance(args[1], int | float) and 0 < args[1] < 1))
