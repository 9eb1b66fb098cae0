"""Which operation makes a loss jump, in words, and what to do about it."""

from dataclasses import dataclass
from itertools import zip_longest

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.operations.watching import Args, Kwargs, Op, Watching, in_line

_BESIDE = 1e-7  # of the view's width: how far away on both sides
_TIMES = 1e3  # a result that jumps moves so many times as far as its input
_LEAST = 1e-4  # of a result's size: a smaller change is no jump
_CHOOSING = frozenset(("index", "masked_select", "nonzero"))  # a mask decides the size of their results
_COMPARISONS = frozenset(("gt", "lt", "ge", "le", "eq", "ne"))
_MEET = "Make the pieces meet: look at the constant that joins them, and at the place where they are joined."
_SOFT = "Take what has a slope in its place: a sigmoid of the distance to the limit, or relu of it."
_STRAIGHT = "Leave the rounding out of the training, or take a straight-through form: x + ({0}(x) - x).detach()."
_TURN = (
    "An angle has a cut, where one turn ends: take the difference as atan2(sin(a − b), cos(a − b)), which is the short "
    "way round, or 1 − cos(a − b) as the loss."
)


@dataclass(frozen=True)
class Jumping:
    """What makes a jump.

    Attributes:
        operation: torch's name for it, "if" for a branch of Python's.
        sentence: What it does, in words.
        action: What to do.
        line: The line of the loss that calls it, in words; "" if it is not known.
    """

    operation: str
    sentence: str
    action: str
    line: str = ""


_KNOWN = {
    "atan2": ("atan2 turns over there, from π to −π", _TURN),
    "angle": ("angle turns over there, from π to −π", _TURN),
    "remainder": (
        "{0} begins again there",
        "Put what is folded back around 0: remainder(d + p/2, p) − p/2, p the period; for an angle take 1 − cos(d).",
    ),
    "div": (
        "the divisor of div changes its sign there",
        "For an angle take atan2(y, x) in place of atan(y / x); else keep the divisor on one side of 0.",
    ),
    "own size": (
        "numerator and divisor of div come to 0 together there, and of a number by its own size only the sign is left",
        "Add an eps of the size that counts to the divisor, x / (|x| + eps), which leads over the step; or leave out "
        "what divides by its own size: a sign has no slope.",
    ),
    "sign": ("sign turns over there", "Take tanh in its place, or what it is the sign of."),
    "where": ("torch.where changes from one piece to another there, and they do not meet", _MEET),
    "comparison": ("a comparison changes its answer there", _SOFT),
    "round": ("{0} goes to the next whole number there", _STRAIGHT),
    "choice": ("{0} chooses another one there", "Take a soft choice: softmax weights, logsumexp, a sum over all."),
    "mask": (
        "a comparison takes another number of items there",
        "Weigh them softly in place of that, by a sigmoid of the distance to the limit; or take a fixed number of them "
        "(topk), or divide by a fixed count.",
    ),
    "if": ("an if of Python's takes another branch there, and the two do not meet", _MEET),
}
_ALIKE = {
    "fmod": "remainder", "frac": "remainder", "reciprocal": "div", "sgn": "sign", "heaviside": "comparison",
    "bucketize": "comparison",
    "searchsorted": "comparison", "floor": "round", "ceil": "round", "trunc": "round", "to_copy": "round",
    "floor_divide": "round", "argmax": "choice", "argmin": "choice", "sort": "choice", "topk": "choice",
    "index": "choice", "gather": "choice",
} | dict.fromkeys(_COMPARISONS, "comparison")  # fmt: skip
_CALLED = {"to_copy": "the cast to whole numbers", "floor_divide": "//"}


def jumping_at(function: LossFunction, point: Tensor, spans: Tensor) -> Jumping | None:
    """The first operation that jumps at a point, (P,), on the axis along which the loss jumps most.

    Args:
        function: The loss.
        point: (P,).
        spans: The widths of the view, (P,).
    """
    steps = torch.diag(_BESIDE * spans)
    try:
        below, above = (function.values(point + sign * steps).loss.double() for sign in (-1, 1))
        axis = int((above - below).abs().nan_to_num(0).argmax())
        logs = [_Results(), _Results()]
        for sign, log in zip((-1, 1), logs, strict=True):
            function.run_at(point + sign * steps[axis], torch.float64, log)
    except Exception:
        return None
    return _first_jump(*(log.seen for log in logs))


@dataclass(frozen=True, eq=False)
class _Result:
    name: str
    given: list[Tensor]
    made: Tensor
    line: str


class _Results(Watching):
    """Notes the inputs and the result of every operation in the forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[_Result] = []

    def run(self, name: str, func: Op, args: Args, kwargs: Kwargs) -> object:
        result = func(*args, **kwargs)
        made = [part for part in tree_leaves(result) if isinstance(part, Tensor)]
        if made and not self.node:
            given = [part.detach().clone() for part in tree_leaves((args, kwargs)) if isinstance(part, Tensor)]
            self.seen.append(_Result(name, given, made[0].detach().clone(), in_line()))
        return result

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Skip the backward pass: a jump shows in the forward pass."""


def _first_jump(below: list[_Result], above: list[_Result]) -> Jumping | None:
    """The first operation whose result moves far though its inputs do not."""
    compared = at = ""
    for one, other in zip_longest(below, above):
        if one is None or other is None or one.name != other.name:
            return _jumping("if", "if")
        if one.made.shape != other.made.shape:
            chosen = compared and (one.name in _CHOOSING or _are_of_other_shapes(one, other))
            return _jumping("mask", one.name, at) if chosen else _jumping("if", "if")
        if one.made.dtype == torch.bool:
            turned = not compared and not torch.equal(one.made, other.made)
            compared, at = (one.name, one.line) if turned else (compared, at)
        elif one.name == "where" and compared and _moves(one, other):
            return _jumping("where", "where", one.line)
        elif _moves(one, other):
            chosen = any(part.dtype == torch.bool for part in one.given)
            name, line = (compared, at) if compared and chosen else (one.name, one.line)
            kind = _ALIKE.get(name, name)
            kind = "own size" if kind == "div" and not _divisor_changes_sign(one, other) else kind
            return _jumping(kind, name, line) if kind in _KNOWN else None
    return _jumping("comparison", compared, at) if compared else None


def _are_of_other_shapes(one: _Result, other: _Result) -> bool:
    """Whether an operation is given other numbers of items, which were chosen outside of torch, by NumPy say."""
    return [part.shape for part in one.given] != [part.shape for part in other.given]


def _divisor_changes_sign(one: _Result, other: _Result) -> bool:
    """Whether the divisor changes its sign where the result jumps."""
    jumped = (one.made - other.made).abs() > _LEAST * torch.maximum(one.made.abs(), other.made.abs())
    turned = one.given[-1] * other.given[-1] < 0
    return bool((jumped & turned).any())


def _moves(one: _Result, other: _Result) -> bool:
    far = _gap(one.made, other.made)
    floats = [pair for pair in zip(one.given, other.given, strict=True) if pair[0].is_floating_point()]
    nearest = max((_gap(*pair) for pair in floats), default=0.0)
    size = float(one.made.double().abs().max()) if one.made.numel() else 0.0
    return far > _TIMES * nearest and far > _LEAST * size


def _gap(one: Tensor, other: Tensor) -> float:
    if one.shape != other.shape or not one.numel() or one.is_complex():
        return 0.0
    return float((one.double() - other.double()).abs().max())


def _jumping(kind: str, name: str, line: str = "") -> Jumping:
    sentence, action = _KNOWN[kind]
    used = f"torch.{name}" if name in ("round", "floor", "ceil", "trunc") else "torch.round"
    action = action.format(used) if kind == "round" else action
    return Jumping(name, sentence.format(_CALLED.get(name, name)), action, line)
