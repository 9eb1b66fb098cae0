"""Operations that make something finite of nothing but infinity, as relu does of −infinity, all over a view."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from gradwidgets.core.operations.watching import Args, Kwargs, Op, in_line
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.surfaces.patterns.look import Look

_SHARES = (0.2, 0.5, 0.8)  # which points: what is so at all of them is no chance
_PICKING = frozenset(("max", "min", "amax", "amin", "topk", "sort", "kthvalue", "maximum", "minimum"))
_LEAVE_OUT = "Leave what is masked out before {0}."
_OTHER = (
    "Fill with {2}infinity in place of {1}infinity, which {0} then passes over, or leave what is masked out before it."
)
_UNKNOWN = "No other activation mends that: keep infinity out of what it is given."


@dataclass(frozen=True)
class InfiniteInput:
    """What is made of nothing but infinity, and where that comes from.

    Attributes:
        operation: torch's name of what is given it.
        words: What is given, and by which operations, in words.
        action: What to do.
    """

    operation: str
    words: str
    action: str


def infinite_input(look: Look) -> InfiniteInput | None:
    """The first operation that is given nothing but infinity at every point looked at; None where there is none."""
    if not look.known or not bool(look.lattice.finite.any()):
        return None
    watches = [_seen_at(look, share) for share in _SHARES]
    first = watches[0]
    if first is None or not first.operation:
        return None
    if any(one is None or (one.operation, one.sign) != (first.operation, first.sign) for one in watches):
        return None
    words = f"{first.operation}{first.line}{',' * bool(first.line)} is given {first.sign}infinity at every point"
    words += f": {first.picking} picks infinity{first.picked_in}" if first.picking else ""
    words += f"; {first.filling} puts {first.filled}infinity there{first.filled_in}" if first.filling else ""
    return InfiniteInput(first.operation, words, _action(look, first))


def _action(look: Look, seen: "_Infinities") -> str:
    if not seen.picking:
        return _UNKNOWN
    other = "−" if seen.filled == "+" else "+"
    if seen.filling and _is_mended(look):
        return _OTHER.format(seen.picking, seen.filled, other)
    return _LEAVE_OUT.format(seen.picking)


def _is_mended(look: Look) -> bool:
    """Whether the loss is finite, and nothing in it is made of infinity alone, with the other infinity filled in."""
    watch = _Infinities(other=True)
    return look.ran_in(watch) and watch.is_finite and not watch.operation


def _seen_at(look: Look, share: float) -> "_Infinities | None":
    watch = _Infinities()
    return watch if look.ran_in(watch, share) else None


def is_spoilt(look: Look, point: Tensor) -> bool:
    """Whether the loss is not finite at a point, (P,), with leaky_relu in place of each relu and one-sided clamp.

    What such an operation hides, infinity in a part of what it is given, one with a slope hands on.
    """
    watch = _Leaking()
    try:
        look.own.run_at(point, look.own.dtype, watch)
    except Exception:
        return False
    return watch.spoilt


class _Leaking(FunctionMode):
    """Lets each relu, and each clamp from below alone, leak; `spoilt` tells whether the loss is not finite then."""

    def __init__(self) -> None:
        super().__init__()
        self.spoilt = False

    def __torch_function__(self, func: Op, types: object, args: Args = (), kwargs: Kwargs | None = None) -> object:
        name, given = getattr(func, "__name__", "").strip("_"), args[0] if args else torch.empty(0)
        leaks = name in ("relu", "clamp_min") or (name in ("clamp", "clip") and len(args) + len(kwargs or {}) == 2)
        result = func(*args, **(kwargs or {}))
        return torch.where(given < result, 0.01 * given, result) if leaks and _is_led(given) else result

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Look at the loss alone."""
        self.spoilt = not bool(value.isfinite().all())


class _Infinities(FunctionMode):
    """Follows infinity from where it is filled in to what makes something finite of it.

    Args:
        other: Whether the other infinity is filled in instead.

    Attributes:
        operation: The first that is given nothing but infinity, and makes something finite of it; "" for none.
        sign: Of that infinity.
        line: Where that is, in words; the same of `picked_in` and `filled_in`.
        picking: What takes infinity out of what is finite in part.
        filling: What puts infinity there.
        filled: The sign of what it puts there.
        is_finite: Whether the loss is finite.
    """

    def __init__(self, other: bool = False) -> None:
        super().__init__()
        self.operation = self.sign = self.line = ""
        self.picking = self.picked_in = self.filling = self.filled = self.filled_in = ""
        self.is_finite = False
        self._other = other

    def __torch_function__(self, func: Op, types: object, args: Args = (), kwargs: Kwargs | None = None) -> object:
        name, given, kwargs = getattr(func, "__name__", "").strip("_"), tree_leaves((args, kwargs)), kwargs or {}
        sign = next((_sign(one) for one in given if _is_infinite_number(one)), "")
        if sign and not self.operation:
            self.filling, self.filled, self.filled_in = name, sign, in_line()
        if sign and self._other:
            args, kwargs = tree_map(_turned, args), tree_map(_turned, kwargs)
        result = func(*args, **kwargs)
        made = [one for one in tree_leaves(result) if _is_led(one)]
        if made and not self.operation:
            self._look_at(name, [one for one in given if _is_led(one)], made[0])
        return result

    def _look_at(self, name: str, given: list[Tensor], made: Tensor) -> None:
        infinite = [one for one in given if bool(one.isinf().all())]
        if infinite and bool(made.isfinite().all()):
            self.operation, self.sign, self.line = name, _sign(float(infinite[0].flatten()[0])), in_line()
        elif not infinite and name in _PICKING and bool(made.isinf().all()):
            self.picking, self.picked_in = name, in_line()

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Look at the loss alone: the way forward has the rest."""
        self.is_finite = bool(value.isfinite().all())


def _is_led(value: object) -> bool:
    return isinstance(value, Tensor) and value.requires_grad and value.is_floating_point() and value.numel() > 0


def _is_infinite_number(value: object) -> bool:
    if isinstance(value, Tensor):
        return value.ndim == 0 and not value.requires_grad and bool(value.isinf())
    return isinstance(value, float) and abs(value) == torch.inf


def _turned(value: object) -> object:
    return -value if _is_infinite_number(value) else value  # type: ignore[operator]  # it is a number, or a tensor of one


def _sign(value: object) -> str:
    return "+" if float(value) > 0 else "−"  # type: ignore[arg-type]  # the same
