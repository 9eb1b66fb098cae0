"""The pass whose loss is not finite, repeated on a copy to find the operation that makes it so."""

import inspect
import math
from collections.abc import Sequence

from torch import Tensor, nn
from torch.utils.weak import TensorWeakRef

from gradwidgets.core.layers.origin import origin_of
from gradwidgets.core.layers.passes.passes import Subject
from gradwidgets.core.layers.preflight.reading import named_tensors
from gradwidgets.core.monitor.facts import BadPassFacts
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
    """The arguments of a model's last call: small ones are held until the next call, large ones by weak references."""

    def __init__(self) -> None:
        self._held: list[object] | None = None
        self._names: tuple[str, ...] = ()

    def note(self, arguments: Sequence[object], keywords: dict[str, object]) -> None:
        """Take the arguments of a call."""
        every = (*arguments, *keywords.values())
        known = all(isinstance(one, (Tensor, *_PLAIN)) for one in every)
        self._held = [_held(one) if isinstance(one, Tensor) else one for one in every] if known else None
        self._names = tuple(keywords)

    def forget(self) -> None:
        """Let go of the arguments."""
        self._held = None

    @at_home
    def blame(self, model: nn.Module) -> BadPassFacts | None:
        """Find what makes the outputs of that call not finite.

        Returns:
            The "operation", what happened ("why"), and what to do ("cure"); None where the outputs are finite; empty
            where weights or inputs are not finite, or where the cause cannot be found.
        """
        inputs = self._inputs(model)
        subject = None if inputs is None else Subject.of(model, inputs, None, _sum)
        if subject is None or not subject.small:
            return {}
        found, _ = subject.looked_at(origin_of)
        if found is None:
            return None
        if found.operation == "data" or found.which != "loss":
            return {}
        return {"operation": found.operation, "why": found.sentence, "cure": found.action}

    def _inputs(self, model: nn.Module) -> object:
        """The arguments as a batch: one value, a tuple or a dict of named ones; None where some are gone."""
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


def quotient(loss: object) -> BadPassFacts:
    """Find in the graph of a loss that is not finite, though the outputs are, a division as its last operation.

    Returns:
        The same as `LastCall.blame`; empty where the last operation is neither a division nor a mean of no number.
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
    """A loss that is not finite where any output is not."""
    total = sum(one.sum() for _, one in named_tensors(output, "output") if one.is_floating_point())
    if not isinstance(total, Tensor):
        raise TypeError("no output is a tensor of floating-point numbers")
    return total
