"""Slips in writing a loss, and their corrections: an added constant, a missing abs, a parenthesis, a target of 1."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from torch import Tensor

from gradwidgets.core.operations.watching import Args

Change = Callable[..., object]
Slip = tuple[Change, str, bool]

_SUMS = frozenset(("add", "radd", "sub", "subtract"))
_QUOTIENTS, _PRODUCTS = frozenset(("div", "truediv", "true_divide", "divide")), frozenset(("mul", "multiply", "rmul"))
_COMPARISONS = frozenset(("lt", "le", "gt", "ge", "less", "greater"))
_REDUCED = frozenset(("mean", "sum"))
_ABS, _POWERS = frozenset(("abs", "absolute")), frozenset(("pow", "square"))
_OF_TARGETS = frozenset((
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss",
))  # fmt: skip
_OF_EITHER_SIGN = ("Add", "Sub", "Rsub", "Mul", "Mm", "Bmm", "Neg", "Div")
_EPS = 1e-3  # an added constant that is no larger keeps something away from 0
SLIPPING = _SUMS | _COMPARISONS | _REDUCED | _OF_TARGETS
MAKING = _SUMS | _QUOTIENTS | _PRODUCTS | _ABS | _POWERS


class Named(Protocol):
    """Something that knows the names of numbers and tensors."""

    def of(self, value: object) -> str:
        """The name of a number or a tensor."""


class Made:
    """The operations that made tensors, and their arguments."""

    def __init__(self) -> None:
        self._known: list[tuple[object, str, Args]] = []

    def note(self, name: str, args: Args, result: object) -> None:
        """Remember an operation."""
        self._known.append((result, name, args))

    def of(self, value: object) -> tuple[str, Args]:
        """The operation that made a value, and its arguments; "" and () if they are not known."""
        return next(((name, args) for one, name, args in reversed(self._known) if one is value), ("", ()))


def slips(name: str, args: Args, names: Named, made: Made) -> Iterator[Slip]:
    """The slips that an operation may be part of: the correction, its words after "with", and whether it takes `Made`.

    Args:
        name: The operation.
        args: Its arguments.
        names: The names of tensors.
        made: The operations before it.
    """
    if name in _SUMS and len(args) == 2:
        yield from _constant_slips(name, args, names)
        yield from _parenthesis_slips(args, names, made)
    elif name in _COMPARISONS and len(args) == 2:
        yield from _comparison_slips(args, names, made)
    elif name in _REDUCED and isinstance(args[0], Tensor) and _may_be_below_zero(args[0]):
        of = names.of(args[0])
        yield lambda func, x, *more, **m: func(x.abs(), *more, **m), f"the {name} of the abs of {of}", False
        if bool((args[0] < 0).any()):
            yield lambda func, x, *more, **m: func(x * x, *more, **m), f"the {name} of the square of {of}", False
    elif name in _OF_TARGETS and len(args) > 1 and _is_all_one(args[1]):
        kind = ("ones", "zeros") if float(args[1].flatten()[0]) == 0 else ("zeros", "ones")
        words = f"a target of {kind[0]} in place of {kind[1]} in the {name}"
        yield lambda func, x, y, *more, **m: func(x, 1 - y, *more, **m), words, False


def _constant_slips(name: str, args: Args, names: Named) -> Iterator[Slip]:
    x, y = args
    if isinstance(x, Tensor) and x.requires_grad and type(y) in (int, float) and abs(y) > _EPS:
        of, sign = names.of(x), "+" if name in ("add", "radd") else "−"
        yield lambda func, x, y: x.clone(), f"{of} in place of {of} {sign} {names.of(y)}", False


def _parenthesis_slips(args: Args, names: Named, made: Made) -> Iterator[Slip]:
    """Slips in a sum of which one part is divided, or scaled, and the other is not."""
    for k in (0, 1):
        whole, part = args[1 - k], args[k]
        if not isinstance(whole, Tensor) or (by := _scaled_by(part, made)) is None or not part.requires_grad:
            continue
        done = f"{'divided' if by[0] == '/' else 'multiplied'} by {names.of(by[1])} too"
        yield (
            _scaling_both(k, False),
            f"the {names.of(whole).removeprefix('the ')} beside the {_noun(by[0])} {done}",
            True,
        )
        before, parts = made.of(whole)
        if k and before in _SUMS and len(parts) == 2 and isinstance(parts[1], Tensor):
            of = names.of(parts[1]).removeprefix("the ")
            yield _scaling_both(k, True), f"the {of} right beside the {_noun(by[0])} {done}", True


def _noun(sign: str) -> str:
    return "quotient" if sign == "/" else "product"


def _scaled_by(part: object, made: Made) -> tuple[str, Any] | None:
    """What a part of a sum is divided by, or the number that it is multiplied by; None if it is neither."""
    name, args = made.of(part) if isinstance(part, Tensor) else ("", ())
    if len(args) != 2:
        return None
    if name in _QUOTIENTS:
        return "/", args[1]
    numbers = [one for one in args if not isinstance(one, Tensor) or (one.ndim == 0 and not one.requires_grad)]
    return ("*", numbers[0]) if name in _PRODUCTS and numbers else None


def _scaling_both(place: int, last: bool) -> Change:
    """Divide or scale the other part of a sum too, or only its last term."""

    def change(made: Made, func: Change, x: Tensor, y: Tensor) -> object:
        part, whole = (x, y) if place == 0 else (y, x)
        by = _scaled_by(part, made)
        if by is None:
            raise RuntimeError("a changed loss goes another way")
        name, parts = made.of(whole)
        if last:
            sign = 1 if name in ("add", "radd") else -1
            whole = parts[0] + sign * _scaled(parts[1], by)
        else:
            whole = _scaled(whole, by)
        return func(*(part, whole) if place == 0 else (whole, part))

    return change


def _scaled(x: Tensor, by: tuple[str, Any]) -> Tensor:
    scaled: Tensor = x / by[1] if by[0] == "/" else x * by[1]
    return scaled


def _comparison_slips(args: Args, names: Named, made: Made) -> Iterator[Slip]:
    if not isinstance(args[0], Tensor) or not args[0].requires_grad:
        return
    name, parts = made.of(args[0])
    if name in _ABS | _POWERS:
        of, what = names.of(parts[0]), "abs" if name in _ABS else "power"
        words = f"{of} in place of the {what} of {of} in the comparison"
        yield lambda made, func, x, y: func(made.of(x)[1][0], y), words, True
    else:
        of = names.of(args[0])
        yield lambda func, x, y: func(x.abs(), y), f"the abs of {of} in place of {of} in the comparison", False


def _may_be_below_zero(x: Tensor) -> bool:
    """Whether a tensor of several numbers is a sum, a difference or a product, whose numbers may cancel in a sum."""
    made = x.grad_fn.name() if x.grad_fn is not None else ""
    return x.numel() > 1 and made.startswith(_OF_EITHER_SIGN)


def _is_all_one(y: object) -> bool:
    if not isinstance(y, Tensor) or y.requires_grad or not y.is_floating_point() or not y.numel():
        return False
    return bool((y == 0).all()) or bool((y == 1).all())
