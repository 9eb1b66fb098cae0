"""Where the way back from the loss is cut: a pass that follows what depends on the layers that it does not reach."""

import math
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils import _pytree as pytree
from torch.utils.hooks import RemovableHandle

from gradwidgets.core.layers.causes.aside import set_aside
from gradwidgets.core.layers.causes.cut import ANEW, CUTTING, PARAMETER, WRAPPED, Cut
from gradwidgets.core.layers.passes.passes import FlowError, Subject
from gradwidgets.core.layers.passes.rows import Row
from gradwidgets.core.layers.weights.written import Parameters, are_replaced

_TORCH = os.path.dirname(torch.__file__)
_CHECKPOINT = os.path.join(_TORCH, "utils", "checkpoint.py")
_JOINS = ("add", "__add__", "__radd__", "add_", "__iadd__", "cat", "concat", "concatenate", "stack", "hstack", "vstack")
_ROWS = ("cat", "concat", "concatenate")
_OURS = str(Path(__file__).parents[3])
# They have a slope, and it is 0 nearly everywhere.
STEPS = ("round", "floor", "ceil", "trunc", "fix", "sign", "sgn", "heaviside", "floor_divide")
_PRODUCTS = ("linear", "matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "mv", "addmm", "einsum", "bilinear",
             *(f"conv{turned}{n}d" for n in (1, 2, 3) for turned in ("", "_transpose")))  # fmt: skip
_AS_ANOTHER = ("view_as", "reshape_as", "expand_as", "type_as", "to")
_EACH = ("broadcast_tensors", "meshgrid", "atleast_1d", "atleast_2d", "atleast_3d")  # one after the other, as it is
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
    followed = _Following(subject.model, rows)
    handles = list(followed.watched())
    try:
        with followed:
            loss = subject.loss()
    except FlowError:
        return {}
    finally:
        for one in handles:
            one.remove()
    cuts = {row.name: cut for row in rows if (cut := followed.cut(row, loss)) is not None}
    return set_aside(subject.model, cuts, followed.needed(rows, loss), followed.compared, followed.judged)


def stops_of(subject: Subject, rows: list[Row]) -> dict[str, Cut]:
    """Run the model forward once more, and see what keeps these layers' numbers from the loss without ending the way.

    Args:
        subject: A copy that may run.
        rows: Layers whose gradient is exactly 0.

    Returns:
        By the layer's name, what cuts off another way from it to the loss, or the function of steps on its way; without
        those of which nothing is seen.
    """
    followed = _Following(subject.model, rows)
    try:
        with followed:
            loss = subject.loss()
    except FlowError:
        return {}
    lost = sorted(followed.lost(loss), key=lambda pair: str(pair[1]))
    # Steps are on the way that is there, a cut on another one.
    return {name: cut for name, cut in lost if not cut.quiet and cut.operation not in CUTTING} | followed.steps


class _Following(TorchFunctionMode):
    """Follows what depends on some layers' weights through all functions of a pass."""

    def __init__(self, model: nn.Module, rows: list[Row]) -> None:
        super().__init__()
        self._theirs = Parameters(model)
        self._rows = rows
        self._written: dict[str, Cut] = {}
        self._replaced: set[str] = set()
        self._memory: dict[int, frozenset[str]] = {}  # by where numbers lie, what they depend on
        self._lost_memory: dict[int, frozenset[tuple[str, Cut]]] = {}
        self._alive: dict[int, frozenset[str]] = {}
        self._lost: dict[int, frozenset[tuple[str, Cut]]] = {}
        self._left: dict[str, list[tuple[Cut, object]]] = {}  # each with what was left with
        self._detached: dict[str, Cut] = {}  # what is done with such a copy need not be seen, in numpy say
        self._used: set[str] = set()
        # Layers that stand in the way of what is trained, and those that meet it in a comparison.
        self._chained: set[str] = set()
        self.compared: set[str] = set()
        self.steps: dict[str, Cut] = {}
        self._stepped: dict[int, frozenset[str]] = {}  # what is made of functions of steps
        # Of a layer that is used again behind a cut, that cut is not what stands in the way if another follows: which.
        self._passed: dict[tuple[str, Cut], set[Cut]] = {}
        self._own = {id(one) for row in rows for one in row.own.values()}
        self._fed: dict[int, set[str]] = {}
        self._reached: set[int] = set()  # parameters that something else comes to as well
        self._among: set[int] = set()  # what holds rows of the lost among rows of data
        self._kept: list[object] = []  # memory that is used again would be taken for what lay there before
        for row in rows:
            for one in row.own.values():
                self._alive[id(one)] = self._alive.get(id(one), frozenset()) | {row.name}

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        given = _tensors(_taken(func, args, kwargs))
        alive = frozenset().union(*[self._alive.get(id(one), ()) for one in given])
        lost = frozenset().union(*[self._lost.get(id(one), ()) for one in given])
        lost |= self._rewrapped(given)
        result = func(*args, **kwargs)
        if (alive or lost) and self._write(func, args, alive.union(name for name, _ in lost)):
            return result
        if getattr(func, "__name__", "") == "__setitem__":  # it gives nothing, and writes to its first argument
            result = args[0]
        self._step(func, given, result)
        if alive or lost:
            self._choose(given)
            self._kept.append((given, result))
            self._note(func, result, alive, lost)
        if lost and self._is_among(func, given, args, kwargs):
            self._among.update(id(one) for one in _tensors(result))
        self._meet(func, given, result, {name for name, _ in lost})
        return result

    def _rewrapped(self, given: list[Tensor]) -> frozenset[tuple[str, Cut]]:
        """What a parameter that is made in the pass takes over from what it is made of, and cuts off."""
        made = [one for one in given if isinstance(one, nn.Parameter) and one not in self._theirs]
        return frozenset(
            (layer, Cut("cut", PARAMETER, place_of_call()))
            for one in made
            for layer in self._memory.get(one.data_ptr(), ())
        )

    def watched(self) -> Iterator[RemovableHandle]:
        """Hooks that see at which calls other tensors stand in the place of a layer's parameters."""
        for row in self._rows:
            yield row.module.register_forward_pre_hook(partial(self._begins, row))

    def _begins(self, row: Row, module: nn.Module, _: object) -> None:
        if are_replaced(module, row.own.items()):
            self._replaced.add(row.name)

    def _write(self, func, args: tuple, layers: frozenset[str]) -> bool:
        """See what is written into a parameter of another layer, and say whether it is into one."""
        name = getattr(func, "__name__", "")
        into = self._theirs.written(name, args)
        if not into:
            return False
        cut = Cut("written", name, place_of_call(), not torch.is_grad_enabled(), into=into)
        own = {row.name for row in self._rows if into in row.names}
        self._written |= {layer: cut for layer in layers - own if layer not in self._written}
        return True

    def _meet(self, func, given: list[Tensor], result: object, lost: set[str]) -> None:
        """See who of the lost is needed by what is trained, and who of the others takes from it."""
        trained = [one for one in given if one.requires_grad and id(one) not in self._alive]
        mine = frozenset().union(*[self._alive[id(one)] for one in given if id(one) in self._own])
        if mine and any(not isinstance(one, nn.Parameter) for one in trained):
            self._chained |= mine
        if not any(one.requires_grad for one in _tensors(result)):
            return
        weights = [id(one) for one in trained if isinstance(one, nn.Parameter) and one.numel() > 1]
        if not lost:
            self._reached.update(weights)
            return
        if any(id(one) in self._among for one in given):
            self._reached.update(weights)
        for one in weights:
            self._fed.setdefault(one, set()).update(lost)
        if any(not isinstance(one, nn.Parameter) and one.numel() > 1 for one in trained):
            if getattr(func, "__name__", "") not in _JOINS:
                self.compared |= lost
            else:  # of what was compared already, something else is added up
                bare = [self._lost.get(id(one), ()) for one in given if not one.requires_grad]
                self._chained |= {name for some in bare for name, _ in some}

    def _is_among(self, func, given: list[Tensor], args: tuple, kwargs: dict) -> bool:
        """Whether rows of the lost are put below rows that nobody makes, or came from such."""
        if any(id(one) in self._among for one in given):
            return True
        name = getattr(func, "__name__", "")
        rows = name == "vstack" or (name in _ROWS and not (kwargs.get("dim", args[1] if len(args) > 1 else 0)))
        data = [one for one in given if not one.requires_grad and not self._lost.get(id(one)) and one.ndim > 1]
        return rows and bool(data) and not any(one.requires_grad for one in given)

    def _choose(self, given: list[Tensor]) -> None:
        """Of indices into what the same layer gives, and is cut off by itself, no choice of them stands in the way."""
        indices = [one for one in given if not one.is_floating_point() and self._lost.get(id(one))]
        for layer, cut in [pair for one in indices for pair in self._lost[id(one)]]:
            values = [self._lost.get(id(one), ()) for one in given if one.is_floating_point()]
            later = {other for some in values for name, other in some if name == layer and other != cut}
            self._passed.setdefault((layer, cut), set()).update(later)

    def _step(self, func, given: list[Tensor], result: object) -> None:
        """Follow what is made of functions of steps up to a product, which says that more of the network follows."""
        stepped = frozenset().union(*[self._stepped.get(id(one), ()) for one in given])
        if not stepped:
            return
        if getattr(func, "__name__", "") in _PRODUCTS:
            self.steps |= {name: replace(self.steps[name], within=True) for name in stepped}
        for one in _tensors(result):
            self._stepped[id(one)] = stepped
        self._kept.append(result)

    @property
    def judged(self) -> set[str]:
        """The layers whose outputs go through weights, and none of these but takes from something else as well."""
        through = {name for names in self._fed.values() for name in names}
        return through.difference(*[names for one, names in self._fed.items() if one not in self._reached])

    def needed(self, rows: list[Row], loss: Tensor) -> set[str]:
        """The layers that stand in the way of what is trained, or of which that is not known."""
        fed = [names for one, names in self._fed.items() if one not in self._reached]
        known = {name for name, _ in self._lost.get(id(loss), ())}
        return self._chained.union({row.name for row in rows} - known, *fed)

    def lost(self, loss: Tensor) -> frozenset[tuple[str, Cut]]:
        """Layers that the loss depends on without a gradient, and what cuts them off."""
        known = self._lost.get(id(loss), frozenset())
        if known or loss.grad_fn is not None or not loss.requires_grad:
            return known
        place = loss.data_ptr()
        anew = frozenset((layer, Cut("cut", WRAPPED)) for layer in self._memory.get(place, ()))
        return anew or self._lost_memory.get(place, frozenset())

    def cut(self, row: Row, loss: Tensor) -> Cut | None:
        """Where a layer is lost; None where it is not."""
        if row.name in self._alive.get(id(loss), ()):
            return None
        if row.name in self._written:
            return self._written[row.name]
        found = {cut for name, cut in self.lost(loss) if name == row.name}
        if found:
            return min(found, key=lambda cut: (bool(self._passed.get((row.name, cut), set()) & found), str(cut)))
        left = _nearest(self._left.get(row.name, []), loss)
        if left is not None or row.name in self._detached:
            return left or self._detached[row.name]
        missed = "replaced" if row.name in self._replaced else "missed"
        return Cut("unused" if row.name in self._used else missed)

    def _note(self, func, result: object, alive: frozenset[str], lost: frozenset[tuple[str, Cut]]) -> None:
        name = (resolve_name(func) or getattr(func, "__name__", "")).rsplit(".", 1)
        plain = getattr(func, "__name__", name[-1])
        if plain == "__get__":
            plain = name[0].rsplit(".", 1)[-1]
        gave = _tensors(result)
        self._used |= alive if gave and plain not in ("grad_fn", "requires_grad", "shape", "size") else set()
        # What torch itself asks in an `if`, of a distribution's arguments say, is on nobody's way to the loss.
        if not gave and plain in _LEAVING and not (plain == "__bool__" and _is_asked_by_torch()):
            for layer in alive:
                self._left.setdefault(layer, []).append((Cut("left", plain, place_of_call()), result))
            for layer, cut in sorted(lost, key=lambda pair: str(pair[1]), reverse=True):
                if layer not in alive:
                    self._left.setdefault(layer, []).append((cut, result))
        for layer in alive if plain.strip("_") in STEPS else ():
            self.steps.setdefault(layer, Cut("steps", plain.strip("_"), place_of_call()))
            for one in gave:
                self._stepped[id(one)] = self._stepped.get(id(one), frozenset()) | {layer}
        cuts = alive and plain not in _EACH and any(not one.requires_grad or plain == ANEW for one in gave)
        cut = _cut(plain) if cuts else None
        for layer in alive if cut and plain in CUTTING else ():
            self._detached.setdefault(layer, cut)
        for pair in lost if cut else ():
            if pair[0] in alive and pair[1] != cut:
                self._passed.setdefault(pair, set()).add(cut)
        for one in gave:
            if one.requires_grad and plain != ANEW:
                self._alive[id(one)] = self._alive.get(id(one), frozenset()) | alive
                if alive and one.layout is torch.strided and not one.is_nested:
                    self._memory[one.data_ptr()] = alive
                self._lost[id(one)] = self._lost.get(id(one), frozenset()) | lost
            else:
                self._alive.pop(id(one), None)
                self._lost[id(one)] = lost | {(layer, cut) for layer in alive if cut}
                if not one.ndim and self._lost[id(one)]:  # a loss may be made anew of it, which no function shows
                    self._lost_memory[one.data_ptr()] = self._lost[id(one)]


def _cut(operation: str) -> Cut:
    """What a function of this name cuts where it is called now."""
    quiet = not torch.is_grad_enabled()
    how = "checkpoint" if quiet and _is_in_checkpoint() else "cut"
    return Cut(how, operation, place_of_call(), quiet)


def _is_in_checkpoint() -> bool:
    """Whether a reentrant checkpoint runs what it will run again on the way back."""
    frame = sys._getframe(1)
    while frame and not (frame.f_code.co_filename == _CHECKPOINT and frame.f_code.co_name == "forward"):
        frame = frame.f_back
    return frame is not None


def _taken(func, args: tuple, kwargs: dict) -> tuple:
    """Of what a function is given, that whose numbers it takes, and not only the shape or the kind."""
    name = getattr(func, "__name__", "")
    if name.endswith("_like") or name.startswith("new_"):
        return ()
    return args[:1] if name in _AS_ANOTHER else (args, kwargs)


def _tensors(values: object) -> list[Tensor]:
    return [one for one in pytree.tree_leaves(values) if isinstance(one, Tensor)]


def _nearest(left: list[tuple[Cut, object]], loss: Tensor) -> Cut | None:
    """Of the places where plain numbers were made, each with what was made, the one that led to the loss."""
    value = float(loss.detach())
    same = [cut for cut, made in left if _is_number(made, value)]
    numbers = [cut for cut, made in left if not isinstance(made, bool)]
    return next((some[-1] for some in (same, numbers, [cut for cut, _ in left]) if some), None)


def _is_number(made: object, value: float) -> bool:
    """Whether what was made is this number, by itself or alone in an array."""
    made = made.item() if getattr(made, "size", 0) == 1 else made
    return isinstance(made, float) and (made == value or (math.isnan(made) and math.isnan(value)))


def _is_asked_by_torch() -> bool:
    """Whether it is torch's own code that calls a function now."""
    frame = sys._getframe(1)
    while frame and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
    return bool(frame) and frame.f_code.co_filename.startswith(_TORCH)


def is_theirs(frame: FrameType) -> bool:
    """Whether it is neither torch's code that runs in a frame nor ours."""
    return not (frame.f_code.co_filename.startswith((_TORCH, _OURS)) or frame.f_code.co_name == "__exit__")


def place_of_call() -> str:
    """File and line of what is neither torch's nor ours."""
    frame = sys._getframe(1)
    while frame and not is_theirs(frame):
        frame = frame.f_back
    return f"{os.path.basename(frame.f_code.co_filename)}, line {frame.f_lineno}" if frame else ""
