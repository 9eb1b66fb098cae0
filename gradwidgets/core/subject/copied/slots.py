"""References to a tensor, so that another one can be substituted."""

import functools
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torch import Tensor

from gradwidgets.core.subject.held.parts import Attribute, Contents
from gradwidgets.core.subject.held.reached import Reached

Put = Callable[[Any], object]
Slot = tuple[Put, Tensor]


def slots_of(roots: Iterable[object], tensors: Iterable[Tensor]) -> list[Slot]:
    """Find every reference to some tensors within objects: in attributes, dicts, lists, closures and defaults.

    Args:
        roots: Private copies of the user's objects.
        tensors: The tensors to look for, also inside tuples.

    Returns:
        For each reference, a setter and the current tensor. Sets are left out.
    """
    wanted = {id(tensor) for tensor in tensors}
    return [slot for put, held in _places(Reached(*roots, outside=False)) for slot in _slots_in(put, held, wanted)]


def _places(reached: Reached) -> Iterator[tuple[Put, object]]:
    """Yield a setter and the value of everything that can be set."""
    for part in reached.parts:
        if isinstance(part, Contents) and isinstance(part.held, (dict, list)):
            pairs = part.before.items() if isinstance(part.held, dict) else enumerate(part.before)
            yield from ((_setter(part.held, key), one) for key, one in pairs)
        elif isinstance(part, Attribute):
            yield functools.partial(part.put, part.owner, part.key), part.before
    for function in reached.functions:
        yield functools.partial(setattr, function, "__defaults__"), function.__defaults__
        named = function.__kwdefaults__ or {}
        yield from ((_setter(named, key), one) for key, one in named.items())


def _setter(container: dict[Any, Any] | list[Any], key: Any) -> Put:
    if isinstance(container, list):
        return functools.partial(list.__setitem__, container, key)
    kind = OrderedDict if isinstance(container, OrderedDict) else dict
    return functools.partial(kind.__setitem__, container, key)


def _slots_in(put: Put, held: object, wanted: set[int]) -> Iterator[Slot]:
    if isinstance(held, Tensor) and id(held) in wanted:
        yield put, held
    elif isinstance(held, tuple):
        row = _Row(put, held)
        for i, one in enumerate(held):
            yield from _slots_in(functools.partial(row.put, i), one, wanted)


class _Row:
    """A tuple, replaced as a whole when an entry is set; the original once its entries are restored."""

    def __init__(self, put: Put, held: tuple[object, ...]) -> None:
        self._put, self._held, self._now = put, held, list(held)

    def put(self, place: int, entry: object) -> None:
        self._now[place] = entry
        same = all(now is before for now, before in zip(self._now, self._held, strict=True))
        self._put(self._held if same else getattr(self._held, "_make", tuple)(self._now))
