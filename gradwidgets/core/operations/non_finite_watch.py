"""Watches a loss for the first numbers that are not finite, and for their cause."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from gradwidgets.core.operations.provenance import Provenance
from gradwidgets.core.operations.stable_forms import DIVIDING
from gradwidgets.core.operations.watching import HANDED_ON, Args, Kwargs, Op, Watching, floats_in

_CONSTANTS = frozenset(("scalar_tensor", "full", "full_like"))
_CUTTING_OFF = frozenset(("relu", "clamp", "clamp_min", "threshold"))
_SQUARING = frozenset(("pow", "square", "norm", "linalg_vector_norm"))
_DIVIDING = frozenset(("div", "reciprocal"))
_WITHIN_ONE, _ROUNDED = (
    frozenset(("acos", "asin", "atanh")),
    1e-6,
)  # defined from −1 to 1; beyond that by rounding
_Key = tuple[int, torch.Size]  # a tensor's address and its shape: its views have the same address
# Operations that only move elements: they are applied to a mask as well as to a gradient.
_MOVING = frozenset((
    "view", "reshape", "unsqueeze", "squeeze", "expand", "t", "transpose", "permute", "select", "slice", "alias",
    "clone", "detach", "unsafe_view",
))  # fmt: skip


@dataclass(frozen=True)
class Event:
    """An operation that made something not finite.

    Attributes:
        who: The operation, or in the backward pass the one whose backward it belongs to.
        operation: The operation itself.
        back: Whether it was run in the backward pass.
        of_infinity: Whether it made NaN from infinity.
        of_data: Whether its input is not finite because the data are not.
        why: What is special about its input: "below" zero, "beyond" ±1, a "constant" divisor of 0, a "count" of 0, a
            "detached" divisor of 0, the "energy" of data that are 0, "empty", a "single" value, an "indefinite"
            matrix; a divisor that is 0 "partly", or the "number" 0; or "".
        operand: The input that is to blame, such as a divisor; None if it is not known.
        bad: The elements of `operand` that the operation cannot take, as a mask of its shape.
        sources: The addresses of the data from which `operand` is computed.
        free: Whether `operand` does not depend on the parameters.
        lost_by: The operation that made its input almost 0, such as "exp" or "1 − sigmoid"; "" for none.
        own: Whether it belongs to the backward of a custom autograd function.
        of_where: Whether it is given the gradient of 0 that torch.where passes to the branch that it does not take.
        taken: Whether torch.where is known to take this branch there: a gradient of 0 then has another reason.
    """

    who: str
    operation: str
    back: bool
    of_infinity: bool
    of_data: bool = False
    why: str = ""
    operand: Tensor | None = None
    bad: Tensor | None = None
    sources: frozenset[int] = frozenset()
    free: bool = False
    lost_by: str = ""
    own: bool = False
    of_where: bool = False
    taken: bool = False

    @property
    def is_sum(self) -> bool:
        """Whether it is autograd's sum of gradients that meet, which belongs to no operation's backward."""
        return self.back and self.operation == "add"

    @property
    def name(self) -> str:
        """The operation, or the backward that it belongs to, in words."""
        return f"the backward of {self.who}" if self.back else self.who


class NonFiniteWatch(Watching):
    """Notes the first operations that make infinity and NaN, and data that are not finite.

    Attributes:
        inf: The operation that made the first infinity from finite numbers; None for none.
        nan: The operation that made the first NaN from numbers that are not NaN; None for none.
        data: Whether an input was not finite that no operation had made.
        loss_is_finite: Whether the loss is finite.
        loss_is_nan: Whether the loss is NaN.
        replaced: Whether nan_to_num replaced numbers that are not finite.
        written: The first operation that is given NaN as a number written in the formula; "" for none.
        steep: Operations whose slope is infinite whatever gradient comes in, in the order of the forward pass.
    """

    def __init__(self) -> None:
        super().__init__()
        self.inf: Event | None = None
        self.nan: Event | None = None
        self.data, self.loss_is_finite, self.loss_is_nan = False, True, False
        self.steep: list[str] = []
        self._provenance = Provenance()
        self.replaced, self.written = False, ""
        self._squares: set[int] = set()  # addresses of squares of data, and of their sums
        self._made: set[int] = set()  # addresses of all results
        self._cut_off: set[int] = set()  # addresses of results of relu and clamps
        self._of_data: set[int] = set()  # addresses of results that are not finite because the data are not
        self._left_out: dict[_Key, Tensor] = {}  # gradients behind a torch.where → the elements that it did not take
        self._negative_sign = False  # whether the sign of a determinant is −1
        self._negative_determinants: set[int] = set()  # addresses of determinants that are below zero

    def run(self, name: str, func: Op, args: Args, kwargs: Kwargs) -> object:
        """Run an operation and note whether it is the first to make a number that is not finite."""
        given = floats_in((args, kwargs))
        nan_in, inf_in = any(map(_has_nan, given)), any(map(_has_inf, given))
        written = any(isinstance(one, float) and one != one for one in tree_leaves((args, kwargs)))
        if written and not self.node:
            self.written = self.written or name
        # A NaN that is written in the formula as a number was made by no operation.
        nan_in |= name in _CONSTANTS or written
        of_data = any(t.data_ptr() in self._of_data for t in given)
        if not self.node and (nan_in or inf_in):
            fresh = any((_has_nan(t) or _has_inf(t)) and t.data_ptr() not in self._made for t in given)
            self.data, of_data = self.data or fresh, of_data or fresh
        result = func(*args, **kwargs)
        out = floats_in(result)
        self._made |= {tensor.data_ptr() for tensor in out}
        if of_data:
            self._of_data |= {tensor.data_ptr() for tensor in out if _has_nan(tensor) or _has_inf(tensor)}
        self._cut_off |= {tensor.data_ptr() for tensor in out} if name in _CUTTING_OFF else set()
        self.replaced |= name == "nan_to_num" and (nan_in or inf_in)
        self._note_squares(name, given, out)
        self._note_steep(name, given)
        self._note_determinant(name, out)
        if self.node:
            self._note_left_out(name, func, args, out)
        if self.nan is None and any(map(_has_nan, out)):
            if not nan_in:
                self.nan = self._event(name, args, out, inf_in, of_data)
            elif name == "where" and self._negative_sign and not self.node:
                self.nan = Event("logdet", name, False, False, why="indefinite")
        handed_on = name in HANDED_ON or nan_in or inf_in
        if self.inf is None and not handed_on and any(map(_has_inf, out)):
            self.inf = self._event(name, args, out, False, of_data)
        self._provenance.note(name, (args, kwargs), result)
        return result

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Run the backward pass, and note whether the value is finite."""
        self.loss_is_finite = bool(value.detach().isfinite())
        self.loss_is_nan = bool(value.detach().isnan())
        super().back(value, leaves)

    def event(self) -> Event | None:
        """The event to blame: of the forward pass if the loss is not finite, else rather of the backward pass."""
        both = [one for one in (self.nan, self.inf) if one is not None]
        if not self.loss_is_finite:
            made = [one for one in both if not one.back]
            return (made[0] if self.loss_is_nan or self.inf is None else self.inf) if made else None
        # What torch.where hid in the forward pass still reaches the backward pass.
        return next(iter([one for one in both if one.back] or both), None)

    def _event(self, name: str, args: Args, out: list[Tensor], of_infinity: bool, of_data: bool) -> Event:
        why, operand, bad = self._reason(name, args, out)
        if not why and not of_infinity and _takes_cut_off(name, args, self._cut_off):
            why, bad = "cut off", None
        who, back = self.node or name, bool(self.node)
        lost_by = self._provenance.lost_by(floats_in(args))
        if back and who in DIVIDING and not lost_by:
            lost_by = self._provenance.faint_by(floats_in(args))  # it divides by the square
        own, left_out = back and self.own, self._is_left_out(args, out) if back else None
        sources: frozenset[int] = frozenset()
        free = False
        if bad is not None and operand is not None:
            sources, free = self._provenance.sources([operand]), not self._provenance.of_parameters(operand)
            operand = operand.detach()
        of_where, taken = left_out is True, left_out is False
        return Event(
            who, name, back, of_infinity, of_data, why, operand, bad, sources, free, lost_by, own, of_where, taken
        )

    def _is_left_out(self, args: Args, out: list[Tensor]) -> bool | None:
        """Whether torch.where did not take the elements that are not finite; None where it is not involved."""
        bad = ~out[0].isfinite()
        handed = [self._left_out[_key(one)] for one in floats_in(args) if _key(one) in self._left_out]
        return any(bool((_of_shape(one, bad.shape) & bad).any()) for one in handed) if handed else None

    def _note_left_out(self, name: str, func: Op, args: Args, out: list[Tensor]) -> None:
        """Follow, in the backward pass, the elements that torch.where did not take."""
        if not out:
            return
        masks = [self._left_out[_key(one)] for one in floats_in(args) if _key(one) in self._left_out]
        if self.node == "where" and name == "where":
            # It passes the gradient to the elements that it took, and a single 0 to the others.
            left_out = args[0] if args[1].ndim == 0 and args[2].ndim else ~args[0]
        elif not masks:
            return
        elif name in _MOVING:
            left_out = func(masks[0], *args[1:])
        elif name == "sum" and masks[0].shape == args[0].shape:
            left_out = func((~masks[0]).long(), *args[1:]) == 0
        else:
            masks = [_of_shape(one, out[0].shape) for one in masks]
            left_out = torch.stack(masks).all(0) if name == "add" and len(masks) > 1 else torch.stack(masks).any(0)
        for tensor in out:
            self._left_out[_key(tensor)] = _of_shape(left_out, tensor.shape)

    def _note_steep(self, name: str, given: list[Tensor]) -> None:
        new = self.node and self.node not in self.steep
        if new and name in _DIVIDING and given and bool((given[-1] == 0).any()):
            self.steep.insert(0, self.node)

    def _note_squares(self, name: str, given: list[Tensor], out: list[Tensor]) -> None:
        twice = name in ("mul", "dot") and len(given) == 2 and given[0].data_ptr() == given[1].data_ptr()
        handed_on = any(one.data_ptr() in self._squares for one in given)
        if twice or handed_on or name in _SQUARING:
            self._squares |= {tensor.data_ptr() for tensor in out}

    def _note_determinant(self, name: str, out: list[Tensor]) -> None:
        """Note determinants below zero: torch.logdet writes NaN where the sign is −1, as a number in its formula."""
        if self.node or name not in ("linalg_slogdet", "linalg_det"):
            return
        turned = bool((out[0] < 0).any())
        if name == "linalg_slogdet":
            self._negative_sign = turned
        elif turned:
            self._negative_determinants.add(out[0].data_ptr())

    def _reason(self, name: str, args: Args, made: list[Tensor]) -> tuple[str, Tensor | None, Tensor | None]:
        """What is special about the input of an operation that is not finite: `why`, `operand` and `bad` of `Event`."""
        given = [part for part in args if isinstance(part, Tensor) and part.is_floating_point()]
        if not given or not made:
            return "", None, None
        first, bad = given[0], ~made[0].isfinite()
        if first.numel() == 0:
            return "empty", None, None
        if name in ("std", "var") and first.numel() == made[0].numel():
            return "single", None, None
        if name in _DIVIDING:
            divisor = args[-1] if name == "div" else first
            if not isinstance(divisor, Tensor):
                return ("number" if divisor == 0 and not self.node else ""), None, None
            if self.node or not bool((divisor == 0).any()):
                return "", None, None
            return self._divisor(divisor) if name == "div" else "", divisor, divisor == 0
        if any(part in name for part in ("log", "sqrt", "pow")) and first.shape == bad.shape:
            if bool((first < 0)[bad].any()):
                return "indefinite" if first.data_ptr() in self._negative_determinants else "below", None, None
            return "", first, first == 0
        if name in _WITHIN_ONE and first.shape == bad.shape and bool((first.abs() > 1 + _ROUNDED)[bad].any()):
            return "beyond", None, None
        known = not self.node and first.shape == bad.shape
        return "", first if known else None, bad if known else None

    def _divisor(self, divisor: Tensor) -> str:
        if not bool((divisor == 0).all()):
            return "partly" if divisor.numel() > 1 else ""
        if divisor.requires_grad:
            return ""
        if not self._provenance.of_parameters(divisor):
            return "energy" if divisor.data_ptr() in self._squares else "constant"
        return "count" if self._provenance.is_count(divisor) else "detached"


def _takes_cut_off(name: str, args: Args, cut_off: set[int]) -> bool:
    """Whether an operation that is infinite at 0 is given the result of a relu or a clamp."""
    given = [part for part in args if isinstance(part, Tensor)]
    return bool(given) and name in ("log", "log2", "log10", "reciprocal", "div") and given[-1].data_ptr() in cut_off


def _key(tensor: Tensor) -> _Key:
    return tensor.data_ptr(), tensor.shape


def _of_shape(mask: Tensor, shape: torch.Size) -> Tensor:
    """Expand a mask to a shape; where that is impossible, every element is true if any was."""
    try:
        return mask.expand(shape)
    except RuntimeError:
        return mask.any().expand(shape)


def _has_nan(tensor: Tensor) -> bool:
    return bool(tensor.isnan().any())


def _has_inf(tensor: Tensor) -> bool:
    return bool(tensor.isinf().any())
