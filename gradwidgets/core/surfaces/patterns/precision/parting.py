"""Which operation makes a computation in few digits differ from float64's, in words."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.losses.reference import LOW
from gradwidgets.core.operations.provenance import Provenance
from gradwidgets.core.operations.watching import Args, Kwargs, Op, Watching, floats_in, in_line
from gradwidgets.core.results.wording import number, percent

_TRIED = 5  # bad points that are tried, as scalar kernels overflow at other points than vector ones
_OFF = 0.02  # of a value: a larger error is more than the rounding of one operation
_SMALL = 32.0  # times the larger number's last digit: a smaller number is mostly lost beside it
_NEAR = 0.1  # of two numbers: a smaller difference shows their rounding
_SUMS = ("add", "sub", "rsub")
_OF_SUMS = ("mm", "bmm", "mv", "dot")  # torch.matmul
_Key = tuple[int, tuple[int, ...], tuple[int, ...], torch.dtype]  # a tensor's address, shape, strides and dtype
_GROWING = (*_SUMS, "sum", "mul", "square", "mm", "bmm", "mv", "dot", "exp", "exp2")


@dataclass(frozen=True, eq=False)
class Parted:
    """Where and how a computation in few digits differs from float64's.

    Attributes:
        point: The point, (P,).
        said: What happens there, in words; "" if it is not known.
        cast: The dtype of the computation, if it is not the training's.
        who: The operation; "" if it is not known.
        back: Whether it happens in its backward.
        lost_by: The operation before it that made its input almost 0; "" for none.
        own: Whether it belongs to the backward of a custom autograd function.
        hid: Whether torch.where hid numbers that are not finite.
        cancelled: The difference of nearly equal numbers that has led to it; "" for none.
        summed: How many numbers a sum that overflows adds up; 0 for every other operation.
        line: The line of the loss in which it happens, in words; "" if it is not known.
    """

    point: Tensor
    said: str = ""
    cast: torch.dtype | None = None
    who: str = ""
    back: bool = False
    lost_by: str = ""
    own: bool = False
    hid: bool = False
    cancelled: str = ""
    summed: int = 0
    line: str = ""


def named(function: LossFunction, spots: Tensor, dtype: torch.dtype, kind: str) -> Parted:
    """Find the operation to blame for a trouble, and the point that shows it.

    Args:
        function: The loss.
        spots: Points to choose from, (N, P).
        dtype: The precision of the training.
        kind: "over" for values that are not finite, "under" for lost gradients; else as `Trouble.kind`.
    """
    order, found = [len(spots) // 2, 0, len(spots) - 1, len(spots) // 4, 3 * len(spots) // 4], []
    for k in order[:_TRIED]:
        shadow = _Shadow()
        try:
            function.run_at(spots[k], dtype, shadow)
        except Exception:
            continue
        parted = shadow.to_blame(kind)
        if parted is not None:
            cast = parted.dtype if parted.dtype != dtype else None
            lost_by = parted.complement or parted.lost_by or parted.faded
            how = parted.who, parted.back, lost_by, parted.own, shadow.hid, parted.cancelled, parted.summed, parted.line
            found.append(Parted(spots[k], parted.sentence, cast, *how))
        if found and kind != "over":
            break
    if not found:
        return Parted(spots[len(spots) // 2])
    # At the rim of the bad points a later operation may overflow first: choose the one that does at most points.
    whose = [one.who for one in found]
    return max(found, key=lambda one: whose.count(one.who))


@dataclass(frozen=True, eq=False)
class _Divergence:
    """An operation at which the computation begins to differ from float64's.

    Attributes:
        who: The operation.
        back: Whether it is part of that operation's backward.
        dtype: The dtype of its result.
        how: What happens to its result, in words.
        then: The same, for when an earlier operation has led to it.
        before: The earlier operation that has led to it; None for none.
        lost_by: The operation that made its input almost 0; "" for none.
        inside: The operation within the backward of a custom autograd function; "" outside of one.
        complement: The difference from 1, such as "1 − sigmoid", that is 0 because a value was rounded to 1; else "".
        summed: As in `Parted`.
        line: As in `Parted`.
    """

    who: str
    back: bool
    dtype: torch.dtype
    how: str
    then: str
    before: "_Divergence | None" = None
    lost_by: str = ""
    inside: str = ""
    complement: str = ""
    summed: int = 0
    line: str = ""

    @property
    def cancelled(self) -> str:
        """The difference of nearly equal numbers that has led to it; "" for none."""
        before = self.before
        return before.who if before is not None and before.who in _SUMS and not before.back else ""

    @property
    def faded(self) -> str:
        """The operation that has underflowed before; "" for none."""
        before = self.before
        return before.who if before is not None and before.how == _how_lost(before.who) and not self.cancelled else ""

    @property
    def own(self) -> bool:
        return bool(self.inside)

    @property
    def name(self) -> str:
        inside, who = f"{self.inside} in " if self.inside else "", f"{self.who} (matmul)" * (self.who in _OF_SUMS)
        return f"{inside}the backward of {self.who}" if self.back else who or self.who

    @property
    def sentence(self) -> str:
        if self.before is None or self.before.who == self.who:
            return f"{self.name} {self.how}"
        return f"{self.before.name} {self.before.how}, and {self.name} then {self.then}"


class _Shadow(Watching):
    """Runs every operation in float64 too, and notes where the two results differ.

    Attributes:
        over: The first operation with a result that is not finite though it is in float64.
        under: The first operation with a result of 0 that is not 0 in float64.
        off: The first operation with a result that is off by more than one rounding.
    """

    def __init__(self) -> None:
        super().__init__()
        self.over: _Divergence | None = None
        self.under: _Divergence | None = None
        self.off: _Divergence | None = None
        self._provenance = Provenance()
        self._after: dict[int, list[_Divergence]] = {}  # results that differ, and results of these → the operations
        self._doubles: dict[_Key, Tensor] = {}
        self._rounded_off: dict[int, str] = {}  # sums in which the smaller number is lost → the operation

    def to_blame(self, kind: str) -> _Divergence | None:
        """The operation to blame for a kind of trouble."""
        return {"over": self.over, "under": self.under}.get(kind, self.off or self.under)

    @property
    def _cancelled(self) -> _Divergence | None:
        return self.off if self.off is not None and self.off.who in _SUMS else None

    def run(self, name: str, func: Op, args: Args, kwargs: Kwargs) -> object:
        try:
            doubled = func(*map(self._double, args), **{key: self._double(value) for key, value in kwargs.items()})
        except Exception:
            doubled = None
        result = func(*args, **kwargs)
        self._kept.append(doubled)
        here, there = floats_in(result), [] if doubled is None else floats_in(doubled)
        led = [one for given in floats_in((args, kwargs)) for one in self._after.get(given.data_ptr(), ())]
        for one in here if led else ():
            self._after[one.data_ptr()] = list(dict.fromkeys([*self._after.get(one.data_ptr(), ()), *led]))
        for one, other in zip(here, there, strict=False):
            self._doubles[_key(one)] = other
            if len(here) == len(there) and one.shape == other.shape:
                self._compare(name, args, one, other)
        self._provenance.note(name, (args, kwargs), result)
        return result

    def _compare(self, name: str, args: Args, one: Tensor, other: Tensor) -> None:
        if self.over is None and bool((~one.isfinite() & other.isfinite()).any()):
            self.over = self._overflowing(name, args, one, other)
        if self.under is None and bool(((one == 0) & (other != 0)).any()):
            tends = _rounded_to_one(name, args)
            how = f"is 0, as {tends} is rounded to 0" if tends else _how_lost(name)
            self.under = self._divergence(name, args, one, how, self.over, "is 0", complement=tends)
        if one.dtype not in LOW:
            return
        self._note_sum(name, args, one)
        apart = (one.double() - other).abs() > _OFF * other.abs()
        if self.off is None and bool((apart & one.isfinite() & other.isfinite()).any()):
            self.off = self._divergence(name, args, one, self._why_off(name, args, one), self.over, "is off")

    def _overflowing(self, name: str, args: Args, made: Tensor, exact: Tensor) -> _Divergence:
        end = 0 if name in _OF_ZERO else -1 if name == "log1p" else None
        at_zero = end is not None and any(bool((given == end).any()) for given in floats_in(args))
        how = "is NaN" if bool(made.isnan().any()) else "is infinite" if at_zero else "overflows"
        # A result that is too large in float64 as well has overflowed, however much its inputs were rounded.
        too_large = bool((made.isinf() & (exact.abs() > torch.finfo(made.dtype).max)).any())
        if how != "overflows" or not (too_large or name in _GROWING):
            return self._divergence(name, args, made, how, self.under, other=self._cancelled)
        many = args[0].numel() // max(made.numel(), 1) if name == "sum" else 0
        many = args[0].shape[-1] if name in _OF_SUMS and not self.node else many
        how = _added_up(many, made.dtype, "products" if name in _OF_SUMS else "numbers") if many > 1 else how
        return self._divergence(name, args, made, how, None, summed=many if many > 1 else 0)

    def _divergence(
        self,
        name: str,
        args: Args,
        made: Tensor,
        how: str,
        before: _Divergence | None,
        then: str = "",
        other: _Divergence | None = None,
        complement: str = "",
        summed: int = 0,
    ) -> _Divergence:
        # The sum of gradients that meet belongs to no operation's backward.
        who, back = (
            ("the sum of gradients", False) if self.node and name == "add" else (self.node or name, bool(self.node))
        )
        given = floats_in(args)
        after = [one for tensor in given for one in self._after.get(tensor.data_ptr(), ())]
        led = next((one for one in (before, other) if one in after), None)
        inside = name if back and self.own else ""
        lost_by = self._provenance.lost_by(given)
        parted = _Divergence(
            who, back, made.dtype, how, then or how, led, lost_by, inside, complement, summed, in_line()
        )
        self._after.setdefault(made.data_ptr(), []).append(parted)
        return parted

    def _note_sum(self, name: str, args: Args, made: Tensor) -> None:
        """Note a sum in which the smaller number is mostly lost beside the larger one."""
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

    def _why_off(self, name: str, args: Args, made: Tensor) -> str:
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


def _added_up(count: int, dtype: torch.dtype, what: str) -> str:
    return f"adds up {count} {what} to more than {number(torch.finfo(dtype).max, 5)}"


def _how_lost(name: str) -> str:
    return "is rounded to 0" if name in _SUMS else "underflows to 0"


def _rounded_to_one(name: str, args: Args) -> str:
    """The factor of a backward that is 0 because a value was rounded to 1; "" if there is none."""
    made = next((one for one in reversed(args) if isinstance(one, Tensor)), None)
    tends = _COMPLEMENTS.get(name, "")
    return tends if tends and made is not None and bool((made.detach().abs() == 1).any()) else ""


_COMPLEMENTS = {"sigmoid_backward": "1 − sigmoid", "tanh_backward": "1 − tanh²"}
_OF_ZERO = ("log", "div", "reciprocal", "log2", "log10", "pow", "rsqrt")  # infinite at 0, which is not an overflow


def _key(tensor: Tensor) -> _Key:
    return tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride()), tensor.dtype
