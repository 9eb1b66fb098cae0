"""Changes of a loss that exchange something: two arguments throughout, two branches, a number of `fixed`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from torch import Tensor

from gradwidgets.core.operations.watching import Args
from gradwidgets.core.results.wording import number
from gradwidgets.core.surfaces.patterns.astray.slips import Named

Change = Callable[..., object]

_SUMS = frozenset(("add", "radd", "sub", "subtract", "rsub"))
_PRODUCTS = frozenset(("mul", "multiply", "rmul"))
_QUOTIENTS = frozenset(("div", "truediv", "true_divide", "divide"))
_COMPARED = frozenset(("sub", "subtract", "lt", "le", "gt", "ge", "less", "greater"))
EXCHANGING = _SUMS | _PRODUCTS | _QUOTIENTS | _COMPARED | {"where"}
_SCALARS = 2  # numbers of `fixed` that are tried
_PARTS = 1000  # of 1 − p: in so many it may be divided, or so many of it may be taken
_ALIKE = 1e-9


@dataclass(eq=False)
class Pairs:
    """Which operations that are no symmetric ones are given the same two things, by their names.

    Attributes:
        places: Both names, sorted → the operations' names and places.
    """

    places: dict[tuple[str, str], list[tuple[str, int]]] = field(default_factory=dict)

    def note(self, name: str, place: int, args: Args, names: Named) -> None:
        """Remember an operation of a parameter and data."""
        if name not in _COMPARED or len(args) != 2 or not all(isinstance(one, Tensor) for one in args):
            return
        one, other = sorted(names.of(arg) for arg in args)
        if "x" not in (one, other) and not any(said.startswith("the ") for said in (one, other)) and one != other:
            self.places.setdefault((one, other), []).append((name, place))

    def swapped(self) -> Iterator[tuple[tuple[int, ...], Change, str]]:
        """The pairs that several kinds of operations are given: places, change and words."""
        for (one, other), met in self.places.items():
            if len({name for name, _ in met}) > 1:
                yield (
                    tuple(place for _, place in met),
                    lambda func, x, y: func(y, x),
                    f"{one} and {other} swapped throughout",
                )


def scalars_of(fixed: dict[str, object]) -> dict[str, float]:
    """The numbers of `fixed` between 0 and 1, a level, a share or a rate: name → number."""
    found = {name: value for name, value in fixed.items() if type(value) is float and 0 < value < 1 and value != 0.5}
    return dict(list(found.items())[:_SCALARS])


def exchanges(name: str, args: Args, names: Named, scalars: dict[str, float]) -> Iterator[tuple[Change, str]]:
    """What an operation may do with something else in the place of what it has, and words for it, after "with".

    Args:
        name: Of the operation.
        args: What it is given.
        names: What tensors are called.
        scalars: Numbers of `fixed`, from `scalars_of`.
    """
    if name == "rsub" and len(args) == 2 and args[1] == 1 and isinstance(args[0], Tensor) and not args[0].requires_grad:
        of = names.of(args[0])
        yield lambda func, x, y: x.clone(), f"{of} in the place of 1 − {of}, this one alone"
    if name == "where" and len(args) == 3:
        yield lambda func, asked, x, y: func(asked, y, x), "the two branches of torch.where swapped"
    for k, one in enumerate(args if len(args) == 2 and name in EXCHANGING else ()):
        for said, p in scalars.items():
            if isinstance(one, int | float) and not isinstance(one, bool):
                yield from _of_numbers(name, k, float(one), said, p)
            elif name in _SUMS and isinstance(one, Tensor) and one.requires_grad:
                of = names.of(one)
                yield _times(k, p), f"{said} · {of} in place of {of}, which is 1 · {of}"
                yield _times(k, 1 - p), f"(1 − {said}) · {of} in place of {of}"


def _of_numbers(name: str, place: int, value: float, said: str, p: float) -> Iterator[tuple[Change, str]]:
    """A number that is 1, or 1 − p, or a part or a multiple of that, with p in its place."""
    if value == 1.0 and not (name == "rsub" and place == 1):
        yield _put(place, p), f"{said} in place of 1"
    if name not in _PRODUCTS | _QUOTIENTS:
        return
    for own, other, words in (
        (1 - p, p, f"{said} in place of 1 − {said}"),
        (p, 1 - p, f"1 − {said} in place of {said}"),
    ):
        of = abs(value) / own
        if of < 1 and of > 0:
            of = 1 / of
        if of <= _PARTS and abs(of - round(of)) <= _ALIKE * of:
            within = "" if abs(abs(value) - own) <= _ALIKE else f", which {number(abs(value))} has in it"
            yield _put(place, value * other / own), words + within
            return


def _put(place: int, value: float) -> Change:
    return lambda func, *args: func(*(value if k == place else one for k, one in enumerate(args)))


def _times(place: int, value: float) -> Change:
    return lambda func, *args: func(*(value * one if k == place else one for k, one in enumerate(args)))
