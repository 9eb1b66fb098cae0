"""The names in the code of a model or of its loss, read without running it."""

from collections.abc import Callable, Collection, Set
from types import CodeType

from torch import nn

_DEEP = 4  # the most nested calls of functions that are read


def mentions(
    model: nn.Module, loss_fn: Callable[..., object] | None, wanted: Set[str], but: Collection[str] = ()
) -> bool:
    """Whether the code contains one of some names, itself or in a function that it calls.

    Args:
        model: The model.
        loss_fn: The loss function; None to read the model alone.
        wanted: The names, of functions and attributes.
        but: Methods of the model's classes that are not read.
    """
    kinds = {type(one) for one in model.modules()}
    kinds = {one for one in kinds if not one.__module__.startswith("torch.")}
    own = [[one for name, one in vars(kind).items() if name not in but] for kind in kinds]
    held = [vars(one).values() for one in model.modules()]
    waiting = [(one, 0) for some in (*own, *held, [loss_fn]) for one in some]
    met: set[object] = set()
    while waiting:
        one, deep = waiting.pop()
        code = getattr(one, "__code__", None)
        if not isinstance(code, CodeType) or code in met or deep > _DEEP:
            continue
        met.add(code)
        names = _names(code)
        if names & wanted:
            return True
        near = getattr(one, "__globals__", {})
        cells = [getattr(cell, "cell_contents", None) for cell in getattr(one, "__closure__", None) or ()]
        waiting += [(other, deep + 1) for other in (*[near[name] for name in names if name in near], *cells)]
    return False


def _names(code: CodeType) -> set[str]:
    inner = [one for one in code.co_consts if isinstance(one, CodeType)]
    return set(code.co_names).union(*[_names(one) for one in inner])
