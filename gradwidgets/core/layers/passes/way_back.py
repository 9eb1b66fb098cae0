"""Where a pass backward failed: in whose backward or hook, of which layer, at which line."""

import os
import re

from torch.autograd.function import BackwardCFunction

from gradwidgets.core.layers.causes.following import is_theirs
from gradwidgets.core.layers.passes.calls import Calls
from gradwidgets.core.layers.preflight.failure import frames

_NO_SLOPE = re.compile(r"derivative for (?:aten::)?(\w+) is not implemented")


def failed_at(error: BaseException, calls: Calls) -> str:
    """The place of an error of a pass backward, in brackets; "" where only torch's own code ran.

    Args:
        error: As it was raised.
        calls: Of the pass forward.
    """
    found = list(frames(error))
    nodes = [node for one in found if isinstance(node := one.f_locals.get("self"), BackwardCFunction)][-1:]
    parts = [f"in the backward of {node.name().removesuffix('Backward')}" for node in nodes]
    layers = [calls.of(node._sequence_nr()) for node in nodes]
    parts += [f"called in {call.name} ({type(call.module).__name__})" for call in layers if call is not None]
    lines = [one for one in found if is_theirs(one)][-1:]
    parts += [f"{os.path.basename(one.f_code.co_filename)}, line {one.f_lineno}" for one in lines]
    return (f" ({', '.join(parts)})" if parts else "") + _unknown(str(error))


def _unknown(text: str) -> str:
    """What to do about a function of which torch has no gradient."""
    found = _NO_SLOPE.search(text)
    if found is None:
        return ""
    return (
        f". torch knows no gradient of {found[1]}: where it goes in steps, go straight through, "
        f"x + ({found[1]}(x) − x).detach(), or take a smooth function in its place"
    )
