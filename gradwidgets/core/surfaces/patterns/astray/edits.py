"""A loss with one of its operations changed a little: a sign, an order, an argument."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_data import data_tensors
from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.operations.watching import Args, Kwargs, Op, in_line
from gradwidgets.core.results.wording import number
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.surfaces.patterns.astray.exchanges import EXCHANGING, Pairs, exchanges, scalars_of
from gradwidgets.core.surfaces.patterns.astray.slips import MAKING, SLIPPING, Made, slips

Change = Callable[..., object]

MOST = 60  # changes
_WITHOUT_END = 200_000  # operations: with more of them a changed loss does not end
_ADD, _SUB, _RSUB = frozenset(("add", "radd")), frozenset(("sub", "subtract")), frozenset(("rsub",))
_PRODUCTS, _SQUARES = frozenset(("mul", "multiply", "rmul")), frozenset(("pow", "square"))
_SHAPING = frozenset(("reshape", "view"))
_TWO = frozenset((
    "kl_div", "poisson_nll_loss", "gaussian_nll_loss", "binary_cross_entropy", "cross_entropy", "margin_ranking_loss",
))  # fmt: skip
_OTHERS: dict[str, Change] = {"minimum": torch.maximum, "maximum": torch.minimum, "min": torch.max, "max": torch.min}
_REDUCED: dict[str, Change] = {"mean": torch.sum, "sum": torch.mean}
_WEIGHTS = ("pos_weight", "weight")
_WEIGHED = frozenset(("cross_entropy", "nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits"))
_KNOWN = frozenset((
    *_ADD, *_SUB, *_RSUB, *_SHAPING, *_TWO, *_OTHERS, *_REDUCED, *_WEIGHED, *_PRODUCTS, *_SQUARES, "neg", "negative",
    "exp", *SLIPPING, *EXCHANGING,
))  # fmt: skip
_NOUNS = {
    "mul": "product", "div": "quotient", "truediv": "quotient", "sub": "difference", "rsub": "difference",
    "add": "sum", "pow": "power", "neg": "negative",
}  # fmt: skip
_HANDED_ON = frozenset(("clone", "detach", "to", "double", "float", "full_like"))


@dataclass(frozen=True, eq=False)
class Edit:
    """A change of one operation of a loss.

    Attributes:
        places: The numbers of the operations in the order of those that may be changed, from 0: all that look the same.
        change: What is called in its place, with its function and arguments.
        words: The change in words, to follow "with".
        back: Whether the change takes the earlier operations, see `Made`, as its first argument.
    """

    places: tuple[int, ...]
    change: Change
    words: str
    back: bool = False


@dataclass(eq=False)
class Left:
    """How many more operations all calls of a changed loss may run together."""

    count: int = _WITHOUT_END


def _name(func: object) -> str:
    return getattr(func, "__name__", "").strip("_")


class Edited(FunctionMode):
    """A mode in which one operation is changed.

    Args:
        edit: The change.
        left: How many operations all modes with this change may run together: a changed loop may have no end.

    Raises:
        RuntimeError: There were too many operations.
    """

    def __init__(self, edit: Edit, left: "Left") -> None:
        super().__init__()
        self._edit, self._left, self._count = edit, left, -1
        self._made = Made()

    def __torch_function__(self, func: Op, types: object, args: Args = (), kwargs: Kwargs | None = None) -> object:
        self._count += _name(func) in _KNOWN
        self._left.count -= 1
        if self._left.count < 0:
            raise RuntimeError("a changed loss does not come to an end")
        if self._count in self._edit.places and _name(func) in _KNOWN:
            return self._edit.change(*[self._made] * self._edit.back, func, *args, **(kwargs or {}))
        result = func(*args, **(kwargs or {}))
        if self._edit.back and _name(func) in MAKING:
            self._made.note(_name(func), args, result)
        return result


def edits_of(function: LossFunction, point: Tensor) -> list[Edit]:
    """The changes of a loss that are worth trying, the simplest first.

    Args:
        function: The loss.
        point: (P,), any point at which it can be called.
    """
    listing = _Listing(function)
    try:
        function.run_at(point, torch.float64, listing)
    except Exception:
        return []
    swapped = [Edit(places, change, words) for places, change, words in listing.pairs.swapped()]
    return [*listing.found, *swapped, *listing.exchanged, *listing.slips, *listing.other_forms][:MOST]


class _Listing(FunctionMode):
    """Lists the changes to try."""

    def __init__(self, function: LossFunction) -> None:
        super().__init__()
        self.found: list[Edit] = []
        self.other_forms: list[Edit] = []
        self.slips: list[Edit] = []
        self.exchanged: list[Edit] = []
        self.pairs, self._scalars = Pairs(), scalars_of(dict(function.fixed))
        self._names, self._count, self._made = _Names(function), -1, Made()

    def __torch_function__(self, func: Op, types: object, args: Args = (), kwargs: Kwargs | None = None) -> object:
        name = _name(func)
        self._count += name in _KNOWN
        place = self._count
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.is_floating_point():
            known = _changes(name, args, kwargs or {}, self._names) if name in _KNOWN else ()
            for change, words in known:
                self._add(self.found, Edit((place,), change, words + in_line()))
            for change, words in _factor_changes(name, args, self._names) if name in _KNOWN else ():
                self._add(self.other_forms, Edit((place,), change, words + in_line()))
            for change, words in exchanges(name, args, self._names, self._scalars) if name in _KNOWN else ():
                self._add(self.exchanged, Edit((place,), change, words + in_line()))
            self._names.note(name, args, result)
        for change, words, back in slips(name, args, self._names, self._made):
            self._add(self.slips, Edit((place,), change, words + in_line(), back))
        self.pairs.note(name, place, args, self._names)
        if name in MAKING:
            self._made.note(name, args, result)
        return result

    def _add(self, found: list[Edit], edit: Edit) -> None:
        """Add a change; an operation on the same names in the same line joins the one that is known."""
        same = next((k for k, one in enumerate(found) if one.words == edit.words), None)
        if same is None or "the " in edit.words.partition(", in ")[0]:
            found.append(edit)
        else:
            found[same] = replace(found[same], places=(*found[same].places, *edit.places))

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Skip the backward pass: operations are listed in the forward pass."""


class _Names:
    """The names of numbers and tensors."""

    def __init__(self, function: LossFunction) -> None:
        self._free = list(function.parameters)
        self._data = [(name, one.detach().double()) for name, one in data_tensors(function)]
        numbers = {name: value for name, value in function.fixed.items() if type(value) is float}
        self._data += [(name, torch.tensor(value, dtype=torch.float64)) for name, value in numbers.items()]
        self._made: list[tuple[Tensor, str]] = []

    def note(self, name: str, args: Args, result: Tensor) -> None:
        """Remember which operation made a tensor; the first clones are those of the parameters, in order."""
        if name == "clone" and self._free and args[0].requires_grad and args[0].is_leaf:
            self._made.append((result, self._free.pop(0)))
        elif name not in _HANDED_ON:
            self._made.append((result, f"the {_NOUNS.get(name, name)}"))

    def of(self, value: object) -> str:
        """The name of an operand."""
        if not isinstance(value, Tensor):
            return number(float(value)) if isinstance(value, int | float) else "x"
        made = next((name for one, name in reversed(self._made) if one is value), "")
        return made or next((name for name, one in self._data if _is_same(one, value)), "x")


def _is_same(data: Tensor, value: Tensor) -> bool:
    value = value.detach().double()
    alike = data.shape == value.shape or data.ndim == 0
    return alike and bool((data == value).all())


def _changes(name: str, args: Args, kwargs: Kwargs, names: _Names) -> Iterator[tuple[Change, str]]:
    if len(args) == 2 and not kwargs and name in _ADD | _SUB | _RSUB:
        yield from _sum_changes(name, *args, names)
    elif name in ("neg", "negative"):
        yield lambda func, x: x.clone(), f"no minus before {names.of(args[0])}"
    elif name == "exp":
        yield lambda func, x: torch.exp(-x), f"exp(−x) in place of exp(x), x being {names.of(args[0])}"
    elif name in _OTHERS and len(args) == 2 and isinstance(args[1], Tensor):
        other = _OTHERS[name]
        yield lambda func, x, y: other(x, y), f"torch.{other.__name__} in place of torch.{name}"
    elif name in _SHAPING and isinstance(args[0], Tensor) and args[0].ndim == 2:
        yield from _shape_changes(name, args)
    elif name in _TWO and len(args) > 1 and _are_alike(args[0], args[1]):
        yield lambda func, x, y, *more, **m: func(y, x, *more, **m), f"the two arguments of {name} swapped"
    for key in _WEIGHTS:
        if isinstance(kwargs.get(key), Tensor) and kwargs[key].is_floating_point():
            yield _inverting(key), f"1 / {key} in place of {key}"
    if name in _REDUCED and len(args) == 1 and not kwargs and args[0].numel() > 1:
        other = _REDUCED[name]
        yield lambda func, x: other(x), f"the {other.__name__} in place of the {name} of {names.of(args[0])}"


def _factor_changes(name: str, args: Args, names: _Names) -> Iterator[tuple[Change, str]]:
    """A logarithm that may be missing on a factor above 0; a square that may be meant as twice the number."""
    if name in _PRODUCTS and len(args) == 2:
        for k, one in enumerate(args):
            if isinstance(one, Tensor) and one.requires_grad and bool((one > 0).all()):
                yield _logarithm_of(k), f"log({names.of(one)}) in place of {names.of(one)} as a factor"
    elif name in _SQUARES and args[0].requires_grad and (len(args) == 1 or args[1] == 2):
        x = names.of(args[0])
        for sign, word in ((1, ""), (-1, "−")):
            yield _twice(sign), f"{word}2 · {x} in place of {x} squared"


def _logarithm_of(place: int) -> Change:
    return lambda func, *args: func(*(one.log() if k == place else one for k, one in enumerate(args)))


def _twice(sign: int) -> Change:
    return lambda func, x, *_: 2 * sign * x


def _sum_changes(name: str, x: object, y: object, names: _Names) -> Iterator[tuple[Change, str]]:
    first, second = (names.of(y), names.of(x)) if name in _RSUB | {"radd"} else (names.of(x), names.of(y))
    if name in _ADD:
        yield lambda func, x, y: torch.sub(x, y), f"{first} − {second} in place of {first} + {second}"
        return
    if name in _RSUB and isinstance(y, int | float) and y == 1:
        yield lambda func, x, y: x.clone(), f"{second} in place of 1 − {second}"
    else:
        yield lambda func, x, y: torch.add(x, y), f"{first} + {second} in place of {first} − {second}"
    yield lambda func, x, y: -func(x, y), f"{second} − {first} in place of {first} − {second}"


def _shape_changes(name: str, args: Args) -> Iterator[tuple[Change, str]]:
    shape = args[1] if isinstance(args[1], (tuple, list, torch.Size)) else args[1:]
    if tuple(shape) == tuple(args[0].shape)[::-1] and len(set(shape)) == 2:
        rows, columns = shape
        yield lambda func, x, *shape: x.t(), f".t() in place of {name}({rows}, {columns}), which takes rows apart"


def _inverting(key: str) -> Change:
    return lambda func, *args, **kwargs: func(*args, **{**kwargs, key: 1 / kwargs[key]})


def _are_alike(one: object, other: object) -> bool:
    if not isinstance(one, Tensor) or not isinstance(other, Tensor):
        return False
    return one.shape == other.shape and one.is_floating_point() and other.is_floating_point()
