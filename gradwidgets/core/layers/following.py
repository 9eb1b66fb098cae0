"""Where the way back from the loss is cut: a pass that follows what depends on the layers that it does not reach."""

import os
import sys

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.cut import Cut
from gradwidgets.core.layers.passes import FlowError, Subject
from gradwidgets.core.layers.rows import Row

_TORCH = os.path.dirname(torch.__file__)
_CUTTING = ("detach", "detach_", "data")
_OURS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_LEAVING = ("item", "tolist", "numpy", "__float__", "__int__", "__index__", "__array__", "__bool__")


def cuts_of(subject: Subject, rows: list[Row]) -> dict[str, Cut]:
    """Run the model forward once more and see where each of these layers is lost.

    Args:
        subject: A copy that may run.
        rows: Layers of its model whose weights get no gradient.

    Returns:
        By the layer's name; without those of which nothing can be told.
    """
    if not rows:
        return {}
    followed = _Following(rows)
    try:
        with followed:
            loss = subject.loss()
    except FlowError:
        return {}
    return {row.name: cut for row in rows if (cut := followed.cut(row, loss)) is not None}


class _Following(TorchFunctionMode):
    """Follows what depends on some layers' weights through all functions of a pass."""

    def __init__(self, rows: list[Row]) -> None:
        super().__init__()
        self._alive: dict[int, frozenset[str]] = {}
        self._lost: dict[int, frozenset[tuple[str, Cut]]] = {}
        self._left: dict[str, Cut] = {}
        self._detached: dict[str, Cut] = {}  # what is done with such a copy need not be seen, in numpy say
        self._used: set[str] = set()
        self._kept: list[object] = []  # memory that is used again would be taken for what lay there before
        for row in rows:
            for one in row.own.values():
                self._alive[id(one)] = self._alive.get(id(one), frozenset()) | {row.name}

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        given = _tensors((args, kwargs))
        alive = frozenset().union(*[self._alive.get(id(one), ()) for one in given])
        lost = frozenset().union(*[self._lost.get(id(one), ()) for one in given])
        result = func(*args, **kwargs)
        if alive or lost:
            self._kept.append((given, result))
            self._note(func, result, alive, lost)
        return result

    def cut(self, row: Row, loss: Tensor) -> Cut | None:
        """Where a layer is lost; None where it is not."""
        if row.name in self._alive.get(id(loss), ()):
            return None
        for name, cut in sorted(self._lost.get(id(loss), ()), key=lambda pair: str(pair[1])):
            if name == row.name:
                return cut
        for known in (self._left, self._detached):
            if row.name in known:
                return known[row.name]
        return Cut("unused" if row.name in self._used else "missed")

    def _note(self, func, result: object, alive: frozenset[str], lost: frozenset[tuple[str, Cut]]) -> None:
        name = (resolve_name(func) or getattr(func, "__name__", "")).rsplit(".", 1)
        plain = getattr(func, "__name__", name[-1])
        if plain == "__get__":
            plain = name[0].rsplit(".", 1)[-1]
        gave = _tensors(result)
        self._used |= alive if gave and plain not in ("grad_fn", "requires_grad", "shape", "size") else set()
        if not gave and plain in _LEAVING:
            for layer in alive:
                self._left.setdefault(layer, Cut("left", plain, _place()))
            for layer, cut in sorted(lost, key=lambda pair: str(pair[1])):
                self._left.setdefault(layer, cut)
        cuts = alive and any(not one.requires_grad for one in gave)
        cut = Cut("cut", plain, _place(), not torch.is_grad_enabled()) if cuts else None
        for layer in alive if cut and plain in _CUTTING else ():
            self._detached.setdefault(layer, cut)
        for one in gave:
            if one.requires_grad:
                self._alive[id(one)] = self._alive.get(id(one), frozenset()) | alive
                self._lost[id(one)] = self._lost.get(id(one), frozenset()) | lost
            else:
                self._alive.pop(id(one), None)
                self._lost[id(one)] = lost | {(layer, cut) for layer in alive}


def _tensors(values: object) -> list[Tensor]:
    return [one for one in pytree.tree_leaves(values) if isinstance(one, Tensor)]


def _place() -> str:
    """File and line of what is neither torch's nor ours."""
    frame = sys._getframe(1)
    while frame and (frame.f_code.co_filename.startswith((_TORCH, _OURS)) or frame.f_code.co_name == "__exit__"):
        frame = frame.f_back
    return f"{os.path.basename(frame.f_code.co_filename)}, line {frame.f_lineno}" if frame else ""
