"""Clamps that are at a bound for all of their numbers, so that no gradient passes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gradwidgets.core.layers.causes.zeroed import Zeroed
from gradwidgets.core.losses.graph import variable_of
from gradwidgets.core.operations.watching import Args, Kwargs
from gradwidgets.core.results.wording import number
from gradwidgets.core.subject.user_code import place_of_call

_BOTH, _LOW, _HIGH = ("clamp", "clip", "hardtanh"), ("clamp_min",), ("clamp_max",)
_PAIRS = {"maximum": (True, False), "max": (True, False), "minimum": (False, True), "min": (False, True)}
_VIEWS = frozenset((
    "__getitem__", "view", "reshape", "permute", "transpose", "contiguous", "squeeze", "unsqueeze", "flatten", "clone",
    "float", "to", "select", "unbind", "chunk", "split",
))  # fmt: skip
_OF_WEIGHT = "Begin within the bounds, or keep it there by a sigmoid or softplus, which has a slope everywhere."
_OF_OUTPUT = (
    "Beyond its bounds a clamp passes no gradient: take what needs none, a loss of logits "
    "(binary_cross_entropy_with_logits, logsigmoid, log_softmax) or a small eps in the logarithm or root; or wider "
    "bounds. What got there by training got there by too large a step."
)


@dataclass(frozen=True, eq=False, repr=False)
class HeldClamp(Zeroed):
    """A clamp that is at a bound for all of its numbers, although a gradient arrives there.

    Attributes:
        behind: The names of the parameters that its numbers depend on.
        after: The layer, or the activation that is called as a function, that gave it these numbers.
        low: How many are below the lower bound.
        high: How many are above the upper one.
        bounds: The bounds; NaN for none, or for different ones.
    """

    behind: frozenset[str] = frozenset()
    after: str = ""
    low: int = 0
    high: int = 0
    bounds: tuple[float, float] = (torch.nan, torch.nan)

    def __str__(self) -> str:
        """Return a clause about the clamp."""
        sides = ((self.low, "below", self.bounds[0]), (self.high, "above", self.bounds[1]))
        parts = [
            f"{count:,} {word} {number(at)}" if at == at else f"{count:,} {word}" for count, word, at in sides if count
        ]
        many = f"all {self.low + self.high:,} numbers" if self.low + self.high > 1 else "the one number"
        at = f" ({self.place})" if self.place else ""
        held = f"{self.name}{at} is at its bound for {many} that it is given"
        return f"{held} ({', '.join(parts)}), and passes no gradient"


class HeldClamps:
    """Watches the clamps of a pass."""

    def __init__(self) -> None:
        self._made: dict[int, str] = {}
        self._held: dict[tuple[str, str], tuple[HeldClamp, list[Tensor], list[Tensor]]] = {}
        self._free: set[tuple[str, str]] = set()
        self._kept: list[object] = []  # kept alive, so that ids stay unique

    def made(self, by: str, result: object) -> None:
        """Record what gave a tensor."""
        if isinstance(result, Tensor):
            self._made[id(result)] = by
            self._kept.append(result)

    def see(self, name: str, args: Args, kwargs: Kwargs, result: object) -> None:
        """Check a call that was made."""
        plain, given = name.rstrip("_") if not name.startswith("__") else name, args[0] if args else None
        if not isinstance(given, Tensor) or not isinstance(result, Tensor):
            return
        if name in _VIEWS and id(given) in self._made:
            self.made(self._made[id(given)], result)
        if not given.requires_grad or not result.requires_grad or not given.numel():
            return
        bounds = _bounds(plain, args[1:], kwargs)
        if bounds is not None and not (_is(bounds[0], 0.0) and bounds[1] is None):  # a ReLU by another name
            self._note(plain, given, result, bounds)

    def _note(self, name: str, given: Tensor, result: Tensor, bounds: "_Bounds") -> None:
        low, high = _outside(given.detach(), bounds)
        place = place_of_call()
        if low + high < given.numel():
            self._free.add((name, place))
            return
        ends = tuple(float(one) if one is not None and _is_one(one) else torch.nan for one in bounds)
        cure = _OF_WEIGHT if given.grad_fn is None else _OF_OUTPUT
        one = HeldClamp(name, "", place, cure, after=self._made.get(id(given), ""), bounds=(ends[0], ends[1]))
        known, inputs, results = self._held.setdefault((name, place), (one, [], []))
        known = replace(known, low=known.low + low, high=known.high + high)
        self._held[name, place] = known, [*inputs, given], [*results, result]

    def found(self, loss: Tensor, names: Mapping[int, str]) -> list[HeldClamp]:
        """Return the clamps that are held in every call, and get a gradient.

        Args:
            loss: The loss.
            names: The names of the model's parameters, by id.
        """
        held = [one for key, one in self._held.items() if key not in self._free]
        results = [one for *_, some in held for one in some]
        if not held or not loss.requires_grad:
            return []
        gradients = torch.autograd.grad(loss, results, allow_unused=True)
        felt = {id(one) for one, g in zip(results, gradients, strict=True) if g is not None and bool(g.any())}
        return [
            replace(one, behind=_behind(inputs, names))
            for one, inputs, some in held
            if any(id(each) in felt for each in some)
        ]


_Bounds = tuple[Tensor | float | None, Tensor | float | None]


def _bounds(name: str, args: Args, kwargs: Kwargs) -> _Bounds | None:
    """Return the bounds of a clamp; None for another function."""
    first, second = (*args, None, None)[:2]
    if name in _BOTH:
        low, high = ("min_val", "max_val") if name == "hardtanh" else ("min", "max")
        return _plain(kwargs.get(low, first)), _plain(kwargs.get(high, second))
    if name in _LOW or name in _HIGH:
        bound = _plain(first if args else kwargs.get("min", kwargs.get("max")))
        return (bound, None) if name in _LOW else (None, bound)
    other = first if args else kwargs.get("other")
    if name in _PAIRS and isinstance(other, Tensor) and other.is_floating_point() and not other.requires_grad:
        return (other.detach(), None) if _PAIRS[name][0] else (None, other.detach())
    return None


def _plain(one: object) -> Tensor | float | None:
    return one.detach() if isinstance(one, Tensor) else float(one) if isinstance(one, (int, float)) else None


def _is(one: Tensor | float | None, other: float) -> bool:
    return one is not None and bool(one == other) if _is_one(one) else False


def _is_one(one: Tensor | float | None) -> bool:
    return not isinstance(one, Tensor) or one.numel() == 1


def _outside(values: Tensor, bounds: _Bounds) -> tuple[int, int]:
    low, high = bounds
    below = 0 if low is None else int((values < low).sum())
    return below, 0 if high is None else int((values > high).sum())


def _behind(tensors: Sequence[Tensor], names: Mapping[int, str]) -> frozenset[str]:
    """Return the names of the parameters that tensors depend on."""
    found = {names[id(one)] for one in tensors if id(one) in names}
    seen = {one.grad_fn for one in tensors if one.grad_fn is not None}
    waiting = list(seen)
    while waiting:
        for other, _ in waiting.pop().next_functions:
            if other is None or other in seen:
                continue
            seen.add(other)
            waiting.append(other)
            if hasattr(other, "variable") and id(variable_of(other)) in names:
                found.add(names[id(variable_of(other))])
    return frozenset(found)
