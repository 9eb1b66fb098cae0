"""Where a tensor is referred to, so that another one can stand in for it."""

import functools
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor

from gradwidgets.core.subject.held.parts import Attribute, Contents
from gradwidgets.core.subject.held.reached import Reached

Slot = tuple[Callable[[Tensor], object], Tensor]


def slots_of(roots: Iterable[object], tensors: Iterable[Tensor]) -> list[Slot]:
    """Every place among some objects that refers to one of the tensors: in attributes, dicts, lists and closures.

    Args:
        roots: Copies of somebody's objects, which nobody else has.
        tensors: What is looked for.

    Returns:
        What puts another tensor there, and the one that is there now. Tuples and sets are left out.
    """
    wanted = {id(tensor) for tensor in tensors}
    found: list[Slot] = []
    for part in Reached(*roots, outside=False).parts:
        if isinstance(part, Contents) and isinstance(part.held, (dict, list)):
            pairs = part.before.items() if isinstance(part.held, dict) else enumerate(part.before)
            found += [(_setter(part.held, key), one) for key, one in pairs if id(one) in wanted]
        elif isinstance(part, Attribute) and isinstance(part.before, Tensor) and id(part.before) in wanted:
            found.append((functools.partial(part.put, part.owner, part.key), part.before))
    return found


def _setter(container: dict[Any, Any] | list[Any], key: Any) -> Callable[[Tensor], object]:
    if isinstance(container, list):
        return functools.partial(list.__setitem__, container, key)
    kind = OrderedDict if isinstance(container, OrderedDict) else dict
    return functools.partial(kind.__setitem__, container, key)
