"""Which term of a loss falls where the loss falls without end, and the slope of each term."""

import bisect
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.operations.watching import HANDED_ON, Args, Kwargs, Op, Watching

_MISSING = 1e-3  # of the steepest slope: how much the sum of slopes may miss
_SHARE = 0.5  # of the whole fall: a term must have more of it to be named
_SIGNED = {"add": (1.0, 1.0), "sub": (1.0, -1.0), "rsub": (-1.0, 1.0), "neg": (-1.0,)}
_KEEPS = HANDED_ON | {"mean", "sum", "permute", "transpose", "t", "reshape", "unsafe_view"}


@dataclass(frozen=True)
class Term:
    """A term of a loss.

    Attributes:
        operation: torch's name for the operation that computes it; "" for a parameter itself.
        of: The names of the parameters in it.
        subtracted: Whether it has a minus sign in the loss.
        averaged: Whether that minus sign is before a mean, or a sum, of it.
    """

    operation: str
    of: tuple[str, ...]
    subtracted: bool
    averaged: bool = False

    @property
    def name(self) -> str:
        """The term in words, such as "exp of x"."""
        what = " and ".join(self.of)
        return f"{self.operation} of {what}" if self.operation else what

    @property
    def sentence(self) -> str:
        """What falls, in words."""
        return f"it is {self.name} that {'grows there, and is subtracted' if self.subtracted else 'falls there'}"


@dataclass(frozen=True, eq=False)
class _Operation:
    name: str
    given: list[Tensor]
    factor: float
    result: Tensor


@dataclass(frozen=True, eq=False)
class _Summand:
    name: str
    of: frozenset[int]
    factor: float
    value: Tensor
    averaged: bool


class _Terms(Watching):
    """Splits a loss into the terms whose sum it is."""

    def __init__(self) -> None:
        super().__init__()
        self.terms: list[_Summand] = []
        self._operations: list[_Operation] = []
        self._leaves: dict[int, int] = {}
        self._makers: dict[int, list[int]] = {}  # address of a result → indices of its operations, in order
        self._known: dict[int, frozenset[int]] = {}  # index of an operation → the parameters in its result

    def run(self, name: str, func: Op, args: Args, kwargs: Kwargs) -> object:
        """Run an operation and remember its inputs and its result."""
        result = func(*args, **kwargs)
        parts = tree_leaves((args, kwargs.get("tensors")))
        numbers = [float(part) for part in parts if isinstance(part, int | float) and not isinstance(part, bool)]
        factor = numbers[0] if name in ("mul", "div") and numbers else 1.0
        given = [part for part in parts if isinstance(part, Tensor)]
        if isinstance(result, Tensor) and not self.node:
            self._makers.setdefault(result.data_ptr(), []).append(len(self._operations))
            self._operations.append(
                _Operation(name, given, (1 / factor if factor else 0.0) if name == "div" else factor, result)
            )
        return result

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Split the value into terms; no backward pass is needed."""
        self._leaves = {leaf.data_ptr(): k for k, leaf in enumerate(leaves)}
        self.terms = list(self._split(value, 1.0, len(self._operations), False))

    def _maker(self, tensor: Tensor, before: int) -> int | None:
        makers = self._makers.get(tensor.data_ptr(), [])
        return makers[k - 1] if (k := bisect.bisect_left(makers, before)) else None

    def _split(self, tensor: Tensor, factor: float, before: int, averaged: bool) -> Iterator[_Summand]:
        k = self._maker(tensor, before)
        made = None if k is None else self._operations[k]
        if k is not None and made is not None and (made.name in _SIGNED or made.name in _KEEPS or _is_scaled(made)):
            averaged |= made.name in ("mean", "sum") and factor < 0
            for sign, part in zip((*_SIGNED.get(made.name, ()), *[1.0] * len(made.given)), made.given, strict=False):
                yield from self._split(part, factor * sign * made.factor, k, averaged)
            return
        of = self._parameters(tensor, before)
        if of:
            value = tensor.detach().double().mean()
            yield _Summand("" if made is None else made.name, of, factor, value, averaged)

    def _parameters(self, tensor: Tensor, before: int) -> frozenset[int]:
        if tensor.data_ptr() in self._leaves:
            return frozenset((self._leaves[tensor.data_ptr()],))
        k = self._maker(tensor, before)
        if k is None:
            return frozenset()
        if k not in self._known:
            self._known[k] = frozenset().union(*(self._parameters(part, k) for part in self._operations[k].given))
        return self._known[k]


def _is_scaled(made: _Operation) -> bool:
    return made.name in ("mul", "div") and len(made.given) == 1


def falling_term(function: LossFunction, near: Tensor, far: Tensor) -> Term | None:
    """The term that falls most from one point to another, (P,) both; None if no single term does, or none is seen."""
    terms = _changes(function, near, far)
    all_of_it = sum(-change for _, change in terms if change < 0)
    if not terms or not -min(change for _, change in terms) > _SHARE * all_of_it:
        return None
    return min(terms, key=lambda one: one[1])[0]


def slopes_of_terms(function: LossFunction, point: Tensor, axis: int, step: float) -> list[tuple[Term, float]]:
    """The terms that contain a parameter, each with its slope along that parameter, the steepest first.

    Args:
        function: The loss.
        point: (P,), where the slopes are taken.
        axis: The parameter.
        step: How far the parameter is moved to either side.

    Returns:
        Terms and slopes; none if they do not add up to the loss's own slope.
    """
    way = torch.zeros_like(point)
    way[axis] = step
    ends = torch.stack([point - way, point + way])
    terms = [(term, change / (2 * step)) for term, change in _changes(function, *ends)]
    whole = float(function.values(ends).loss.double().diff()) / (2 * step)
    if abs(sum(slope for _, slope in terms) - whole) > _MISSING * max((abs(slope) for _, slope in terms), default=0.0):
        return []
    own = [(term, slope) for term, slope in terms if function.parameters[axis] in term.of]
    return sorted(own, key=lambda one: -abs(one[1]))


def _changes(function: LossFunction, near: Tensor, far: Tensor) -> list[tuple[Term, float]]:
    """All terms of a loss with their changes from one point to another, (P,) both; none if the terms differ."""
    watches = [_Terms(), _Terms()]
    try:
        for point, watch in zip((near, far), watches, strict=True):
            function.run_at(point, torch.float64, watch)
    except Exception:
        return []
    before, after = (watch.terms for watch in watches)
    if [one.name for one in before] != [one.name for one in after]:
        return []
    names = [tuple(function.parameters[k] for k in sorted(one.of)) for one in before]
    return [
        (Term(one.name, of, one.factor < 0, one.averaged), float(one.factor * (two.value - one.value)))
        for one, two, of in zip(before, after, names, strict=True)
    ]
