"""Where the gradient is cut off: a pass that follows the tensors that depend on the layers without a gradient."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import resolve_name
from torch.utils import _pytree as pytree
from torch.utils.hooks import RemovableHandle

from gradwidgets.core.layers.causes.aside import set_aside
from gradwidgets.core.layers.causes.cut import ANEW, CUTTING, PARAMETER, WRAPPED, Cut
from gradwidgets.core.layers.passes.passes import FlowError, Subject
from gradwidgets.core.layers.passes.rows import Row
from gradwidgets.core.layers.weights.written import Parameters, are_replaced
from gradwidgets.core.operations.watching import Args, Kwargs, Op
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.subject.user_code import is_called_by_torch, is_in_checkpoint, place_of_call

_JOINS = ("add", "__add__", "__radd__", "add_", "__iadd__", "cat", "concat", "concatenate", "stack", "hstack", "vstack")
_ROWS = ("cat", "concat", "concatenate")
# Functions whose slope is 0 nearly everywhere.
STEPS = ("round", "floor", "ceil", "trunc", "fix", "sign", "sgn", "heaviside", "floor_divide")
_PRODUCTS = ("linear", "matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "mv", "addmm", "einsum", "bilinear",
             *(f"conv{turned}{n}d" for n in (1, 2, 3) for turned in ("", "_transpose")))  # fmt: skip
_AS_ANOTHER = ("view_as", "reshape_as", "expand_as", "type_as", "to")
_EACH = ("broadcast_tensors", "meshgrid", "atleast_1d", "atleast_2d", "atleast_3d")  # return every input separately
_LEAVING = ("item", "tolist", "numpy", "__float__", "__int__", "__index__", "__array__", "__bool__")


def cuts_of(subject: Subject, rows: list[Row]) -> dict[str, Cut]:
    """Run the model forward once more, and find where each of these layers is cut off from the loss.

    Args:
        subject: A copy of the model, which runs.
        rows: The layers whose weights get no gradient.

    Returns:
        The cuts by the layers' names, without layers whose cut is not known.
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
    """Run the model forward once more, and find what stops the gradient of these layers without ending the graph.

    Args:
        subject: A copy of the model, which runs.
        rows: The layers whose gradient is exactly 0.

    Returns:
        By the layers' names, the cut of another path to the loss, or the piecewise constant function on the path;
        without layers for which nothing is found.
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


class _Following(FunctionMode):
    """Follows the tensors that depend on some layers' weights through all functions of a pass.

    A layer is alive in a tensor that depends on it with a gradient, and lost in one that depends on it without.

    Attributes:
        compared: The lost layers that are compared with trained tensors.
        steps: The piecewise constant function that each layer's output passes, by the layer's name.
    """

    def __init__(self, model: nn.Module, rows: list[Row]) -> None:
        super().__init__()
        self._theirs = Parameters(model)
        self._rows = rows
        self._written: dict[str, Cut] = {}
        self._replaced: set[str] = set()
        self._memory: dict[int, frozenset[str]] = {}  # by a tensor's address, the layers that it depends on
        self._lost_memory: dict[int, frozenset[tuple[str, Cut]]] = {}
        self._alive: dict[int, frozenset[str]] = {}
        self._lost: dict[int, frozenset[tuple[str, Cut]]] = {}
        self._left: dict[str, list[tuple[Cut, object]]] = {}  # each with the plain number that was made
        self._detached: dict[str, Cut] = {}  # the uses of a detached copy may not be seen, for example in NumPy
        self._used: set[str] = set()
        self._chained: set[str] = set()  # lost layers that trained tensors depend on
        self.compared: set[str] = set()
        self.steps: dict[str, Cut] = {}
        self._stepped: dict[int, frozenset[str]] = {}  # tensors made by piecewise constant functions, with the layers
        # The later cuts after a layer's cut, if the layer is used again in between: these explain the missing gradient.
        self._passed: dict[tuple[str, Cut], set[Cut]] = {}
        self._own = {id(one) for row in rows for one in row.own.values()}
        self._fed: dict[int, set[str]] = {}  # the lost layers in a parameter's inputs, by the parameter's id
        self._reached: set[int] = set()  # parameters that have other inputs as well
        self._among: set[int] = set()  # tensors of which some rows depend on lost layers, and others are data
        self._kept: list[object] = []  # kept alive, so that ids and addresses stay unique
        for row in rows:
            for one in row.own.values():
                self._alive[id(one)] = self._alive.get(id(one), frozenset()) | {row.name}

    def __torch_function__(self, func: Op, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        kwargs = kwargs or {}
        given = _tensors(_taken(func, args, kwargs))
        alive = _all_of(self._alive, given)
        lost = self._rewrapped(given).union(*[self._lost.get(id(one), ()) for one in given])
        result = func(*args, **kwargs)
        if (alive or lost) and self._write(func, args, alive.union(name for name, _ in lost)):
            return result
        if getattr(func, "__name__", "") == "__setitem__":  # it returns None, and writes to its first argument
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
        """Return the layers that parameters made in the pass depend on, with the cuts that making them is."""
        made = [one for one in given if isinstance(one, nn.Parameter) and one not in self._theirs]
        return frozenset(
            (layer, Cut("cut", PARAMETER, place_of_call()))
            for one in made
            for layer in self._memory.get(one.data_ptr(), ())
        )

    def watched(self) -> Iterator[RemovableHandle]:
        """Yield hooks that notice calls with other tensors in place of a layer's parameters."""
        for row in self._rows:
            yield row.module.register_forward_pre_hook(partial(self._begins, row))

    def _begins(self, row: Row, module: nn.Module, _: object) -> None:
        if are_replaced(module, row.own.items()):
            self._replaced.add(row.name)

    def _write(self, func: Op, args: Args, layers: frozenset[str]) -> bool:
        """Record layers that are written into a parameter of another layer, and return whether it is a parameter."""
        name = getattr(func, "__name__", "")
        into = self._theirs.written(name, args)
        if not into:
            return False
        cut = Cut("written", name, place_of_call(), not torch.is_grad_enabled(), into=into)
        own = {row.name for row in self._rows if into in row.names}
        self._written |= {layer: cut for layer in layers - own if layer not in self._written}
        return True

    def _meet(self, func: Op, given: list[Tensor], result: object, lost: set[str]) -> None:
        """Record which lost layers trained tensors depend on, or are compared with."""
        trained = [one for one in given if one.requires_grad and id(one) not in self._alive]
        mine = _all_of(self._alive, [one for one in given if id(one) in self._own])
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
            else:  # the lost layers are compared in other summands
                bare = [self._lost.get(id(one), ()) for one in given if not one.requires_grad]
                self._chained |= {name for some in bare for name, _ in some}

    def _is_among(self, func: Op, given: list[Tensor], args: Args, kwargs: Kwargs) -> bool:
        """Whether rows that depend on lost layers are concatenated with rows of data, here or before."""
        if any(id(one) in self._among for one in given):
            return True
        name = getattr(func, "__name__", "")
        rows = name == "vstack" or (name in _ROWS and not (kwargs.get("dim", args[1] if len(args) > 1 else 0)))
        data = [one for one in given if not one.requires_grad and not self._lost.get(id(one)) and one.ndim > 1]
        return rows and bool(data) and not any(one.requires_grad for one in given)

    def _choose(self, given: list[Tensor]) -> None:
        """Record that indices into values of the same layer are not its cut, if the values have a cut of their own."""
        indices = [one for one in given if not one.is_floating_point() and self._lost.get(id(one))]
        for layer, cut in [pair for one in indices for pair in self._lost[id(one)]]:
            values = [self._lost.get(id(one), ()) for one in given if one.is_floating_point()]
            later = {other for some in values for name, other in some if name == layer and other != cut}
            self._passed.setdefault((layer, cut), set()).update(later)

    def _step(self, func: Op, given: list[Tensor], result: object) -> None:
        """Follow results of piecewise constant functions up to a product, that is, to a later layer."""
        stepped = _all_of(self._stepped, given)
        if not stepped:
            return
        if getattr(func, "__name__", "") in _PRODUCTS:
            self.steps |= {name: replace(self.steps[name], within=True) for name in stepped}
        for one in _tensors(result):
            self._stepped[id(one)] = stepped
        self._kept.append(result)

    @property
    def judged(self) -> set[str]:
        """The lost layers whose outputs are inputs of weights, if all these weights have other inputs as well."""
        through = {name for names in self._fed.values() for name in names}
        return through.difference(*[names for one, names in self._fed.items() if one not in self._reached])

    def needed(self, rows: list[Row], loss: Tensor) -> set[str]:
        """Return the layers that trained tensors depend on, or for which that is not known."""
        fed = [names for one, names in self._fed.items() if one not in self._reached]
        known = {name for name, _ in self._lost.get(id(loss), ())}
        return self._chained.union({row.name for row in rows} - known, *fed)

    def lost(self, loss: Tensor) -> frozenset[tuple[str, Cut]]:
        """Return the layers that the loss depends on without a gradient, each with its cut."""
        known = self._lost.get(id(loss), frozenset())
        if known or loss.grad_fn is not None or not loss.requires_grad:
            return known
        place = loss.data_ptr()
        wrapped = frozenset((layer, Cut("cut", WRAPPED)) for layer in self._memory.get(place, ()))
        return wrapped or self._lost_memory.get(place, frozenset())

    def cut(self, row: Row, loss: Tensor) -> Cut | None:
        """Return the cut of a layer; None if it is not cut off."""
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

    def _note(self, func: Op, result: object, alive: frozenset[str], lost: frozenset[tuple[str, Cut]]) -> None:
        """Record the layers that the result of a call depends on, with and without a gradient."""
        name = (resolve_name(func) or getattr(func, "__name__", "")).rsplit(".", 1)
        plain = getattr(func, "__name__", name[-1])
        if plain == "__get__":
            plain = name[0].rsplit(".", 1)[-1]
        gave = _tensors(result)
        self._used |= alive if gave and plain not in ("grad_fn", "requires_grad", "shape", "size") else set()
        # Values that torch itself checks in an `if`, for example arguments of a distribution, are not on a path.
        if not gave and plain in _LEAVING and not (plain == "__bool__" and is_called_by_torch()):
            for layer in alive:
                self._left.setdefault(layer, []).append((Cut("left", plain, place_of_call()), result))
            for layer, before in sorted(lost, key=lambda pair: str(pair[1]), reverse=True):
                if layer not in alive:
                    self._left.setdefault(layer, []).append((before, result))
        for layer in alive if plain.strip("_") in STEPS else ():
            self.steps.setdefault(layer, Cut("steps", plain.strip("_"), place_of_call()))
            for one in gave:
                self._stepped[id(one)] = self._stepped.get(id(one), frozenset()) | {layer}
        cuts = alive and plain not in _EACH and any(not one.requires_grad or plain == ANEW for one in gave)
        cut = _cut(plain) if cuts else None
        if cut is not None:
            self._cut_off(cut, alive, lost)
        for one in gave:
            if one.requires_grad and plain != ANEW:
                self._alive[id(one)] = self._alive.get(id(one), frozenset()) | alive
                if alive and one.layout is torch.strided and not one.is_nested:
                    self._memory[one.data_ptr()] = alive
                self._lost[id(one)] = self._lost.get(id(one), frozenset()) | lost
            else:
                self._alive.pop(id(one), None)
                self._lost[id(one)] = lost if cut is None else lost | {(layer, cut) for layer in alive}
                if not one.ndim and self._lost[id(one)]:  # a loss may be a new tensor of it, made by no function
                    self._lost_memory[one.data_ptr()] = self._lost[id(one)]

    def _cut_off(self, cut: Cut, alive: frozenset[str], lost: frozenset[tuple[str, Cut]]) -> None:
        """Record a cut of layers, and earlier cuts of the same layers."""
        if cut.operation in CUTTING:
            for layer in alive:
                self._detached.setdefault(layer, cut)
        for layer, before in lost:
            if layer in alive and before != cut:
                self._passed.setdefault((layer, before), set()).add(cut)


def _all_of(known: Mapping[int, frozenset[str]], tensors: Iterable[Tensor]) -> frozenset[str]:
    """Return all layers that are known for tensors, by their ids."""
    none: frozenset[str] = frozenset()
    return none.union(*[known.get(id(one), none) for one in tensors])


def _cut(operation: str) -> Cut:
    """Return the cut by a function of this name that is called now."""
    quiet = not torch.is_grad_enabled()
    how = "checkpoint" if quiet and is_in_checkpoint() else "cut"
    return Cut(how, operation, place_of_call(), quiet)


def _taken(func: Op, args: Args, kwargs: Kwargs) -> Args:
    """Return the arguments of a function whose numbers it uses, and not only their shape or dtype."""
    name = getattr(func, "__name__", "")
    if name.endswith("_like") or name.startswith("new_"):
        return ()
    return args[:1] if name in _AS_ANOTHER else (args, kwargs)


def _tensors(values: object) -> list[Tensor]:
    return [one for one in pytree.tree_leaves(values) if isinstance(one, Tensor)]


def _nearest(left: list[tuple[Cut, object]], loss: Tensor) -> Cut | None:
    """Return the place where the plain number was made that the loss is computed from, of several places."""
    value = float(loss.detach())
    same = [cut for cut, made in left if _is_number(made, value)]
    numbers = [cut for cut, made in left if not isinstance(made, bool)]
    return next((some[-1] for some in (same, numbers, [cut for cut, _ in left]) if some), None)


def _is_number(made: Any, value: float) -> bool:
    """Whether a value is this number, or an array of it alone."""
    made = made.item() if getattr(made, "size", 0) == 1 else made
    return isinstance(made, float) and (made == value or (math.isnan(made) and math.isnan(value)))
