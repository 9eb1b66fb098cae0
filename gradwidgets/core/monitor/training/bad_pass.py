"""The pass whose loss is not finite, made once more on a copy, for the operation that makes it so."""

import inspect
import math
from collections.abc import Sequence

from torch import Tensor, nn
from torch.utils.weak import TensorWeakRef

from gradwidgets.core.layers.origin import origin_of
from gradwidgets.core.layers.passes.passes import Subject
from gradwidgets.core.layers.preflight.reading import named_tensors
from gradwidgets.core.subject.home import at_home

_SMALL = 1 << 16  # numbers
_ONE_TO_ONE = ("MulBackward0", "NegBackward0", "ToCopyBackward0", "SqueezeBackward0", "ViewBackward0", "CloneBackward0")
_DIVISOR = (
    "Hold the divisor away from 0 (mask.sum().clamp(min=1), or + eps), or leave a batch out whose divisor is 0, before "
    "backward()."
)
_OF_NONE = (
    "Leave a batch out in which nothing is chosen, before backward(); or take the sum, divided by "
    "max(1, how many there are)."
)
_PLAIN = (bool, int, float, str, type(None))


class LastCall:
    """What a model was called with last: what is small is held until the next call, else what others hold."""

    def __init__(self) -> None:
        self._held: list[object] | None = None
        self._names: tuple[str, ...] = ()

    def note(self, arguments: Sequence[object], keywords: dict[str, object]) -> None:
        """It is called with these."""
        every = (*arguments, *keywords.values())
        known = all(isinstance(one, (Tensor, *_PLAIN)) for one in every)
        self._held = [_held(one) if isinstance(one, Tensor) else one for one in every] if known else None
        self._names = tuple(keywords)

    def forget(self) -> None:
        """Let go of it."""
        self._held = None

    @at_home
    def blame(self, model: nn.Module) -> dict[str, str]:
        """What makes outputs of that call not finite: the "operation", what happened ("why"), and what to do ("cure").

        Returns:
            All three; "outputs" where these are finite; empty where weights or inputs are not, or it cannot be told.
        """
        inputs = self._inputs(model)
        subject = None if inputs is None else Subject.of(model, inputs, None, _sum)
        if subject is None or not subject.small:
            return {}
        found, _ = subject.looked_at(origin_of)
        if found is None:
            return {"outputs": "finite"}
        if found.operation == "data" or found.which != "loss":
            return {}
        return {"operation": found.operation, "why": found.sentence, "cure": found.action}

    def _inputs(self, model: nn.Module) -> object:
        """As a batch: one value, a tuple of positional or a dict of named arguments; None where some are gone."""
        held = self._held or []
        every = [one() if isinstance(one, TensorWeakRef) else one for one in held]
        lost = any(one is None and isinstance(ref, TensorWeakRef) for one, ref in zip(every, held, strict=True))
        if not every or lost:
            return None
        if not self._names:
            return every[0] if len(every) == 1 else tuple(every)
        first = len(every) - len(self._names)
        named = dict(zip(self._names, every[first:], strict=True))
        return dict(inspect.signature(model.forward).bind(*every[:first], **named).arguments)


def quotient(loss: object) -> dict[str, str]:
    """Of a loss that is not finite though the outputs are: that it is a quotient, by its graph.

    Returns:
        As `LastCall.blame`; empty where its last operation is neither a division nor a mean of nothing.
    """
    node = loss.grad_fn if isinstance(loss, Tensor) else None
    while node is not None and type(node).__name__ in _ONE_TO_ONE:
        before = [one for one, _ in node.next_functions if one is not None]
        node = before[0] if len(before) == 1 else None
    name, value = type(node).__name__, float(loss.detach()) if isinstance(loss, Tensor) else math.nan
    if name.startswith("MeanBackward") and getattr(node, "_saved_self_sym_numel", 1) == 0:
        why = "the outputs are finite, and the loss is the mean of no number at all (a mask that chose none?): 0 / 0"
        return {"operation": "mean", "why": why, "cure": _OF_NONE}
    if not name.startswith("DivBackward"):
        return {}
    how = "0 / 0" if math.isnan(value) else "a number divided by 0"
    why = f"the outputs are finite, and the last operation of the loss is a division: {how}, as where a mask is all 0"
    return {"operation": "division", "why": why, "cure": _DIVISOR}


def _held(tensor: Tensor) -> Tensor | TensorWeakRef:
    small = type(tensor) is Tensor and tensor.numel() <= _SMALL
    return tensor.detach() if small else TensorWeakRef(tensor)


def _sum(output: object, targets: object) -> Tensor:
    """Not finite where any output is not."""
    return sum(one.sum() for _, one in named_tensors(output, "output") if one.is_floating_point())
