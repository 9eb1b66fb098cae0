"""Where a backward pass failed: in which backward or hook, of which layer, at which line."""

import os
import re
from typing import Any

from torch.autograd.function import BackwardCFunction

from gradwidgets.core.layers.passes.calls import Calls
from gradwidgets.core.layers.preflight.failure import frames
from gradwidgets.core.subject.user_code import is_user_code

_NO_SLOPE = re.compile(r"derivative for (?:aten::)?(\w+) is not implemented")


def failed_at(error: BaseException, calls: Calls) -> str:
    """Return the place of an error in a backward pass, in brackets; "" if only torch's own code ran.

    Args:
        error: The exception that was raised.
        calls: The calls of the forward pass.
    """
    found = list(frames(error))
    # Any, since the class does not declare what it has of a node: name and number.
    nodes: list[Any] = [node for one in found if isinstance(node := one.f_locals.get("self"), BackwardCFunction)][-1:]
    parts = [f"in the backward of {node.name().removesuffix('Backward')}" for node in nodes]
    layers = [calls.of(node._sequence_nr()) for node in nodes]
    parts += [f"called in {call.name} ({type(call.module).__name__})" for call in layers if call is not None]
    lines = [one for one in found if is_user_code(one)][-1:]
    parts += [f"{os.path.basename(one.f_code.co_filename)}, line {one.f_lineno}" for one in lines]
    return (f" ({', '.join(parts)})" if parts else "") + _no_derivative(str(error))


def _no_derivative(text: str) -> str:
    """Return what to do about a function without a derivative in torch; "" for other errors."""
    found = _NO_SLOPE.search(text)
    if found is None:
        return ""
    return (
        f". torch knows no gradient of {found[1]}: if it is a step function, use a straight-through estimator, "
        f"x + ({found[1]}(x) − x).detach(), or a smooth function instead"
    )
