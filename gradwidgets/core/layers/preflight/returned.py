"""Models that return no tensor: several values, None, a generator or a coroutine."""

import re
from collections.abc import Mapping

from torch import Tensor

from gradwidgets.core.layers.preflight.failure import Place, Raised, kind_of
from gradwidgets.core.layers.preflight.losses.call import shape
from gradwidgets.core.layers.preflight.reading import named_tensors

_RETURNS = {
    "NoneType": "The model returns None, and the loss takes a tensor: let its forward end with a return.",
    "generator": "The model returns a generator, and the loss takes a tensor: its forward has a yield, which makes it "
    "one; let it return.",
    "coroutine": "The model returns a coroutine, and the loss takes a tensor: its forward is an async def; make it a "
    "plain def.",
}


def of_several(raised: Raised, _: Place | None) -> list[str]:
    """An output of several values, where one tensor is expected."""
    output, kind = raised.output, type(raised.output).__name__
    if isinstance(output, Tensor) or not isinstance(raised.cause, (TypeError, AttributeError)):
        return []
    if not re.search(rf"(?<![\w.])'?{re.escape(kind)}'?(?!\w)", raised.text.replace(kind_of(output), kind)):
        return []
    held = [(name, one) for name, one in named_tensors(output, "output") if one.is_floating_point()]
    if not held:
        return []
    name = next((name for name, _ in held if "logits" in name), held[0][0])
    first = dict(held)[name]
    what = f"a {kind}" if isinstance(output, (Mapping, tuple, list)) else kind
    return [f"The model returns {what}, and the loss takes a tensor: hand it the one that is meant, "
            f"lambda output, targets: loss({name}, targets) for that of {shape(first)}."]  # fmt: skip


def of_nothing(raised: Raised, _: Place | None) -> list[str]:
    """A model that returns None, a generator or a coroutine."""
    kind = type(raised.output).__name__
    if kind not in _RETURNS or not re.search(rf"\b{kind}\b", raised.text):
        return []
    return [_RETURNS[kind]]


def of_exits(raised: Raised, _: Place | None) -> list[str]:
    """Code that exits the process."""
    if not isinstance(raised.cause, SystemExit):
        return []
    return ["It ends the process (sys.exit): let it raise an exception instead, which can be caught and read."]
