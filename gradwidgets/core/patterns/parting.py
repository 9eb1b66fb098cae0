"""Which operation makes a computation in few digits part from float64's, in words."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.loss_function import LossFunction
from gradwidgets.core.reference import LOW
from gradwidgets.core.watching import Watching, floats_in
from gradwidgets.core.wording import percent

_TRIED = 5  # bad points of which one shows the operation: scalar kernels overflow elsewhere than vector ones
_OFF = 0.02  # of a value: what is off by so much is no longer the rounding of one operation
_SMALL = 32.0  # of the larger one's last digits: a number that is smaller is rounded off beside it
_NEAR = 0.1  # of two numbers: a difference that is smaller shows their rounding
_SUMS = ("add", "sub", "rsub")


def named(
    function: LossFunction, spots: Tensor, dtype: torch.dtype, kind: str
) -> tuple[Tensor, str, torch.dtype | None]:
    """A point, what happens there in words, and in which dtype if not in the training's.

    Args:
        function: The loss.
        spots: Points to choose among, (N, P).
        dtype: The precision of the training.
        kind: As `Trouble.kind`.
    """
    order = [len(spots) // 2, 0, len(spots) - 1, len(spots) // 4, 3 * len(spots) // 4]
    for k in order[:_TRIED]:
        shadow = _Shadow()
        try:
            function.run_at(spots[k], dtype, shadow)
        except Exception:
            continue
        parted, said = shadow.told(kind)
        if parted is not None:
            return spots[k], said, parted.dtype if parted.dtype != dtype else None
    return spots[len(spots) // 2], "", None


@dataclass(frozen=True)
class _Parting:
    """Where the computation parts from float64's.

    Attributes:
        who: The operation.
        back: Whether it is part of that one's backward.
        dtype: Of its result.
        number: The how-manieth operation it is.
        how: What becomes of its result, in words.
        then: The same, where something else has led to it.
    """

    who: str
    back: bool
    dtype: torch.dtype
    number: int
    how: str
    then: str

    @property
    def name(self) -> str:
        return f"the backward of {self.who}" if self.back else self.who

    @property
    def sentence(self) -> str:
        return f"{self.name} {self.how}"


def _after(before: _Parting | None, parted: _Parting | None) -> str:
    """What happens, and what has happened before it in another operation."""
    if parted is None:
        return ""
    if before is None or before.number >= parted.number or before.who == parted.who:
        return parted.sentence
    return f"{before.sentence}, and {parted.name} then {parted.then}"


class _Shadow(Watching):
    """Runs every operation in float64 beside itself and notes where the two part.

    Attributes:
        over: Where something is first not finite though float64 is.
        under: Where something is first 0 though float64 is not.
        off: Where something is first off by more than one rounding.
    """

    def __init__(self) -> None:
        super().__init__()
        self.over: _Parting | None = None
        self.under: _Parting | None = None
        self.off: _Parting | None = None
        self._doubles: dict[tuple, Tensor] = {}
        self._rounded_off: dict[int, str] = {}  # where a sum lies that has lost its smaller part, with its name
        self._number = 0

    def told(self, kind: str) -> tuple[_Parting | None, str]:
        """The parting that a kind of trouble is about, with what led to it, in words."""
        if kind == "over":
            return self.over, _after(self.under, self.over)
        if kind == "under":
            return self.under, _after(self.over, self.under)
        parted = self.off or self.under
        return parted, _after(self.over, parted)

    def run(self, name: str, func, args: tuple, kwargs: dict) -> object:
        self._number += 1
        try:
            doubled = func(*map(self._double, args), **{key: self._double(value) for key, value in kwargs.items()})
        except Exception:
            doubled = None
        result = func(*args, **kwargs)
        self._kept.append(doubled)
        here, there = floats_in(result), [] if doubled is None else floats_in(doubled)
        for one, other in zip(here, there, strict=False):
            self._doubles[_key(one)] = other
            if len(here) == len(there) and one.shape == other.shape:
                self._compare(name, args, one, other)
        return result

    def _compare(self, name: str, args: tuple, one: Tensor, other: Tensor) -> None:
        if self.over is None and bool((~one.isfinite() & other.isfinite()).any()):
            at_zero = name in _OF_ZERO and any(bool((given == 0).any()) for given in floats_in(args))
            how = "is NaN" if bool(one.isnan().any()) else "is infinite" if at_zero else "overflows"
            self.over = self._parting(name, one, how)
        if self.under is None and bool(((one == 0) & (other != 0)).any()):
            self.under = self._parting(name, one, "is rounded to 0" if name in _SUMS else "underflows to 0", "is 0")
        if one.dtype not in LOW:
            return
        self._note_sum(name, args, one)
        apart = (one.double() - other).abs() > _OFF * other.abs()
        if self.off is None and bool((apart & one.isfinite() & other.isfinite()).any()):
            self.off = self._parting(name, one, self._why_off(name, args, one), "is off")

    def _parting(self, name: str, made: Tensor, how: str, then: str = "") -> _Parting:
        # Gradients that meet are summed between two operations, not by one of them.
        who, back = (
            ("the sum of gradients", False) if self.node and name == "add" else (self.node or name, bool(self.node))
        )
        return _Parting(who, back, made.dtype, self._number, how, then or how)

    def _note_sum(self, name: str, args: tuple, made: Tensor) -> None:
        """Take note of a sum beside whose larger part the smaller one is as good as rounded off."""
        if name not in _SUMS:
            return
        sizes = [
            abs(float(part)) if not isinstance(part, Tensor) else part.detach().double().abs() for part in args[:2]
        ]
        if len(sizes) == 2:
            small, large = (torch.as_tensor(size) for size in sizes)
            small, large = torch.minimum(small, large), torch.maximum(small, large)
            if bool(((small > 0) & (small < _SMALL * torch.finfo(made.dtype).eps * large)).any()):
                self._rounded_off[made.data_ptr()] = self.node or name

    def _why_off(self, name: str, args: tuple, made: Tensor) -> str:
        given = [part for part in args if isinstance(part, Tensor) and part.is_floating_point()]
        who, largest = self.node or name, max((float(part.detach().abs().max()) for part in given), default=0.0)
        if made.data_ptr() in self._rounded_off:
            return "rounds off what is small beside the other number"
        before = next((self._rounded_off[t.data_ptr()] for t in given if t.data_ptr() in self._rounded_off), "")
        if name in _SUMS and float(made.detach().abs().min()) < _NEAR * largest:
            return "takes the difference of numbers that are nearly the same, and rounded (cancellation)"
        if before:
            return f"shows that {before} before it has rounded off what is small beside the other number"
        return f"is off by {percent(_OFF)} and more" if who else ""

    def _double(self, value: object) -> object:
        if isinstance(value, torch.dtype) and value in LOW:
            return torch.float64
        if isinstance(value, (list, tuple)):
            return type(value)(map(self._double, value))
        if isinstance(value, Tensor) and value.is_floating_point():
            return self._doubles.get(_key(value), value.double())
        return value


_OF_ZERO = ("log", "div", "reciprocal", "log2", "log10", "pow", "rsqrt")  # infinite at 0, which is no overflow


def _key(tensor: Tensor) -> tuple:
    return tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride()), tensor.dtype
