"""The causes of results that are not finite: a rule for each kind of operation, which returns a clause."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gradwidgets.core.layers.origin.masked import in_samples, rows_masked, samples_of
from gradwidgets.core.operations.remedies import action_for
from gradwidgets.core.operations.stable_forms import of_what_is_lost
from gradwidgets.core.results.wording import number

_UNMASK = (
    "Leave at least one key of every row unmasked, or fill with torch.finfo(dtype).min instead of −inf and drop those "
    "rows afterwards."
)
_NOTHING = "Leave such a batch out, or divide the sum by a count of at least 1."
_OVERFLOW = "Scale what goes in, or use bfloat16 (the range of float32) or float32 there."
# Operations that may underflow to 0 for finite inputs.
LOSING = ("exp", "sigmoid", "softmax", "erfc", "special_ndtr")
_DENSITY = " Of a density, a distribution's log_prob is that logarithm."
# Reductions that return −inf where all their inputs are masked.
REDUCING = ("logsumexp", "amax", "max")
_DETERMINANT = (
    "torch.linalg.slogdet gives the logarithm of the absolute value, and the sign beside it; or parametrise the matrix "
    "so that its determinant is above 0, as a product of triangular ones with exp of their diagonals."
)
_ROWS = "{bad} of {all} rows{of} are all −inf: everything in them is masked"


@dataclass(frozen=True)
class Cause:
    """Why a result is not finite.

    Attributes:
        clause: The cause in words, with the operation's name.
        action: What to do about it.
        masked: Whether the cause is a completely masked row.
        samples: The samples with such rows; () if they are not known.
    """

    clause: str
    action: str
    masked: bool = False
    samples: tuple[int, ...] = ()


@dataclass(frozen=True)
class Call:
    """A call of an operation.

    Attributes:
        name: torch's name of the operation.
        args: The arguments, with tensors as they were before the call.
        made: The first tensor among the results that is not finite.
        maker: Returns the operation that computed a tensor; "" if it is not known.
        masked: Whether a tensor was computed from exponentials of completely masked rows.
        samples: The number of samples in the batch; 0 if it is not known.
        lost_by: Returns the operation that underflowed to 0 in a part of a tensor; "" for none.
    """

    name: str
    args: tuple[Any, ...]
    made: Tensor
    maker: Callable[[Tensor], str]
    masked: Callable[[Tensor], bool]
    samples: int = 0
    lost_by: Callable[[Tensor], str] = lambda _: ""

    def tensor(self, place: int) -> Tensor | None:
        """Return an argument if it is a tensor of real numbers."""
        one = self.args[place] if place < len(self.args) else None
        return one if isinstance(one, Tensor) and not one.is_complex() else None

    def scalar(self, place: int) -> float | None:
        """Return an argument if it is a number."""
        one = self.args[place] if place < len(self.args) else None
        return float(one) if isinstance(one, (int, float)) and not isinstance(one, bool) else None


def cause_of(call: Call) -> Cause:
    """Return why an operation's result is not finite."""
    rule = next((rule for names, rule in _RULES if call.name in names), None)
    clause = None if rule is None else rule(call)
    if isinstance(clause, Cause):
        return clause
    if clause:
        return Cause(clause, action_for(call.name))
    return _overflow(call)


def of_determinants(signs: Tensor) -> Cause | None:
    """Return why a logarithm of determinants is not finite; None if all determinants are above 0."""
    bad = int((signs <= 0).sum())
    if not bad:
        return None
    one = signs.numel() == 1
    which = "a matrix whose determinant is" if one else f"{bad} of {signs.numel()} matrices whose determinants are"
    return Cause(f"logdet is taken of {which} not above 0", _DETERMINANT)


def makes_a_mask(call: Call) -> bool:
    """Whether −inf may be made for a mask: by log of 0 and 1, or by adding masks of the most negative number."""
    given = [t for t in (call.tensor(0), call.tensor(1)) if t is not None and t.is_floating_point() and t.numel()]
    if not given or not bool((call.made.isfinite() | (call.made == -math.inf)).all()):
        return False
    if call.name == "log":
        return bool(((given[0] == 0) | (given[0] == 1)).all() and (given[0] == 1).any())
    least = torch.finfo(call.made.dtype).min / 2
    return call.name in ("add", "sub", "mul") and any(float(t.min()) <= least for t in given)


def _masked(call: Call, scores: Tensor | None, axis: int = -1, of: str = "") -> Cause | None:
    if scores is None or not scores.ndim or not scores.numel():
        return None
    rows = rows_masked(scores, axis)
    bad = int(rows.sum())
    if not bad:
        return None
    words = _ROWS.format(bad=bad, all=rows.numel(), of=of)
    samples = samples_of(rows, call.samples, axis % scores.ndim)
    words += in_samples(samples, call.samples)
    if scores.ndim > 2 and call.name not in REDUCING:
        words += " (in attention: every key of those rows is left out)"
    return Cause(f"in {call.name} {words}", _UNMASK, True, samples)


def _softmax(call: Call) -> Cause | str | None:
    scores = call.tensor(0)
    axis = call.args[1] if len(call.args) > 1 and isinstance(call.args[1], int) else -1
    if (cause := _masked(call, scores, axis)) is not None:
        return cause
    return f"{call.name} is given +inf" if scores is not None and bool((scores == math.inf).any()) else None


def _largest(call: Call) -> Cause | None:
    axis = call.args[1] if len(call.args) > 1 else None
    axis = axis[0] if isinstance(axis, (list, tuple)) and len(axis) == 1 else axis
    return _masked(call, call.tensor(0), axis) if isinstance(axis, int) else None


def _attention(call: Call) -> Cause | str | None:
    masks = [t for t in call.args[3:] if isinstance(t, Tensor) and t.is_floating_point()]
    found = (_masked(call, mask, of=" of its mask") for mask in masks)
    return next((cause for cause in found if cause is not None), None)


def _difference(call: Call) -> Cause | str | None:
    first, second = call.tensor(0), call.tensor(1)
    if first is None or second is None:
        return None
    if call.name in ("sub", "rsub") and (cause := _masked(call, first)) is not None:
        return replace(cause, clause=f"{cause.clause}, and −inf − (−inf) is NaN")
    both = bool(first.isinf().any() and second.isinf().any())
    return f"{call.name} takes inf − inf" if both else None


def _quotient(call: Call) -> Cause | str | None:
    above, below = call.tensor(0), call.tensor(1)
    below = above if call.name in ("reciprocal", "rsqrt") else below
    if below is None:
        return f"{call.name} divides by 0" if call.scalar(1) == 0 else None
    bad = int((below == 0).sum())
    if not bad:
        return f"{call.name} takes inf / inf" if bool(below.isinf().any()) else None
    if call.masked(below):
        samples = samples_of(below == 0, call.samples)
        words = f"in {bad} of {below.numel()} sums of a softmax written by hand everything is masked: exp(−inf) is 0, "
        words += f"and {call.name} takes 0 / 0{in_samples(samples, call.samples)}"
        return Cause(words, _UNMASK, True, samples)
    ways = "takes 0 / 0" if bool(call.made.isnan().any()) and call.name == "div" else "divides by 0"
    maker = call.maker(below)
    source, be = f" (the divisor is what {maker} gives)" if maker else "", "is" if bad == 1 else "are"
    words = f"{call.name} {ways}: {bad} of {below.numel()} divisors {be} 0{source}"
    lost_by = call.lost_by(below)
    if not lost_by:
        return words
    action = of_what_is_lost(call.name, lost_by) or action_for(call.name)
    return Cause(f"{words}, to which {lost_by} has underflowed", action)


def _log(call: Call) -> Cause | str | None:
    given = call.tensor(0)
    if given is None:
        return None
    lost_by = "" if call.name == "log1p" else call.lost_by(given)
    given = given + 1 if call.name == "log1p" else given
    negative, zero = int((given < 0).sum()), int((given == 0).sum())
    if bool(call.made.isnan().any()) and negative:
        return f"{call.name} is taken of negative numbers ({negative} of {given.numel()})"
    if zero and lost_by:
        words = f"{call.name} is taken of 0 ({zero} of {given.numel()} numbers), to which {lost_by} has underflowed"
        return Cause(words, of_what_is_lost("log", lost_by) + _DENSITY * (lost_by == "exp"))
    return f"{call.name} is taken of 0 ({zero} of {given.numel()} numbers)" if zero else None


def _root(call: Call) -> Cause | str | None:
    given = call.tensor(0)
    if given is None:
        return _quotient(call)
    negative = int((given < 0).sum())
    return f"{call.name} is taken of negative numbers ({negative} of {given.numel()})" if negative else _quotient(call)


def _power(call: Call) -> str | None:
    base, exponent = call.tensor(0), call.scalar(1)
    if base is None:
        return None
    if bool(call.made.isnan().any()) and (negative := int((base < 0).sum())):
        return f"pow raises negative numbers ({negative} of {base.numel()}) to a power that is not whole"
    zero = int((base == 0).sum())
    below = exponent is None or exponent < 0
    return f"pow raises 0 ({zero} of {base.numel()} numbers) to a negative power" if zero and below else None


def _arc(call: Call) -> str | None:
    given = call.tensor(0)
    if given is None:
        return None
    far = float(given.abs().max())
    return f"{call.name} is defined from −1 to 1, and is given numbers up to ±{number(far)}" if far >= 1 else None


def _logit(call: Call) -> str | None:
    given = call.tensor(0)
    if given is None:
        return None
    bad = int(((given <= 0) | (given >= 1)).sum())
    return f"logit is taken of numbers that are not between 0 and 1 ({bad} of {given.numel()})" if bad else None


def _exponential(call: Call) -> Cause | None:
    given = call.tensor(0)
    if given is None or not bool(call.made.isinf().any()):
        return None
    over = given.detach()[call.made.isinf() & given.isfinite()]
    if not over.numel():
        return None
    low, high = (float(one) for one in over.aminmax())
    # sinh overflows for large numbers of either sign.
    words = f"of numbers up to {number(high)}" if low > 0 else f"of numbers down to {number(low)}"
    words = words if low > 0 or high < 0 else f"of numbers up to ±{number(max(-low, high))}"
    return Cause(f"{call.name} {words} overflows {_range_of(call.made)}", action_for(call.name))


def _average(call: Call) -> Cause | None:
    given = call.tensor(0)
    if given is not None and not given.numel():
        return Cause(f"{call.name} is taken of no numbers at all", _NOTHING)
    return None


def _deviation(call: Call) -> Cause | str | None:
    given = call.tensor(0)
    if given is None:
        return None
    if given.numel() <= max(call.made.numel(), 1):
        clause = f"{call.name} is taken of a single number: n − 1 is 0"
        return Cause(clause, "Take it over more numbers, or with correction=0.")
    return None


def _nll(call: Call) -> Cause | None:
    targets = call.args[1] if len(call.args) > 1 else None
    if isinstance(targets, Tensor) and not targets.numel():
        return Cause(f"{call.name} averages over no target at all: it is given none", _NOTHING)
    if bool(call.made.isnan().any()) and isinstance(targets, Tensor):
        return Cause(
            f"{call.name} averages over no target at all: every one of them is ignored (ignore_index), or its class "
            "has weight 0",
            _NOTHING,
        )
    return None


def _ctc(call: Call) -> Cause:
    return Cause(
        f"{call.name} finds no way to a target: it is longer than its input (equal neighbours need a blank between)",
        "Leave such samples out, make the inputs longer, or pass zero_infinity=True.",
    )


def _product(call: Call) -> Cause | str | None:
    factor = call.scalar(1)
    if factor is not None and math.isinf(factor):
        clause = f"{call.name} takes 0 · inf, which is NaN: a mask of 0 and 1 is not to be multiplied by it"
        return Cause(clause, "Write masked_fill(mask, −inf), which leaves the others as they are.")
    tensors = [t for t in call.args if isinstance(t, Tensor) and t.is_floating_point()]
    if not any(bool(t.isinf().any()) for t in tensors):
        return None
    return f"{call.name} takes 0 · inf" if call.name == "mul" else f"{call.name} adds up inf and −inf, or 0 · inf"


def _normalised(call: Call) -> Cause | None:
    given = call.tensor(0)
    if given is None or not bool(given.isfinite().all()):
        return None
    return Cause(
        f"{call.name} divides by the root of a variance that is 0 (of a running one: or below)",
        "Give it an eps above 0, and look at the running variance.",
    )


def _weight_norm(call: Call) -> Cause:
    clause = f"{call.name} divides by the norm of a weight, which is 0"
    return Cause(clause, "Draw the weight at random: its direction is lost.")


_RULES: tuple[tuple[tuple[str, ...], Callable[[Call], Cause | str | None]], ...] = (
    (("softmax", "log_softmax", "logsumexp"), _softmax),
    (REDUCING[1:], _largest),
    (("scaled_dot_product_attention",), _attention),
    (("sub", "rsub", "add"), _difference),
    (("div", "reciprocal", "remainder", "fmod", "true_divide", "addcdiv"), _quotient),
    (("log", "log1p", "log2", "log10", "xlogy"), _log),
    (("sqrt", "rsqrt"), _root),
    (("pow",), _power),
    (("logit",), _logit),
    (("acos", "asin", "atanh", "acosh", "erfinv"), _arc),
    (("exp", "exp2", "expm1", "cosh", "sinh"), _exponential),
    (("mean",), _average),
    (("std", "var", "std_mean", "var_mean"), _deviation),
    (("nll_loss", "nll_loss2d"), _nll),
    (("ctc_loss",), _ctc),
    (("mul", "mm", "bmm", "addmm", "baddbmm", "mv", "dot", "convolution", "sum"), _product),
    (("weight_norm_interface",), _weight_norm),
    (("layer_norm", "batch_norm", "group_norm"), _normalised),
)  # fmt: skip


def _range_of(tensor: Tensor) -> str:
    name = str(tensor.dtype).removeprefix("torch.")
    return f"{name}, whose largest number is {number(torch.finfo(tensor.dtype).max, 5)}"


def _overflow(call: Call) -> Cause:
    if any(isinstance(t, Tensor) and not t.numel() for t in call.args) and call.made.numel():
        return Cause(f"{call.name} is taken of no numbers at all", _NOTHING)
    given = [t for t in call.args if isinstance(t, Tensor) and t.is_floating_point() and t.numel()]
    if not all(bool(t.isfinite().all()) for t in given):
        return Cause(f"{call.name} is given infinity", action_for(call.name))
    if bool(call.made.isnan().any()) and not bool(call.made.isinf().any()):
        return Cause(f"{call.name} makes NaN of finite numbers", action_for(call.name))
    far = max((float(t.detach().abs().max()) for t in given), default=0.0)
    if far <= 1:
        return Cause(f"{call.name} makes infinity of finite numbers", action_for(call.name))
    return Cause(f"{call.name} of numbers up to {number(far)} overflows {_range_of(call.made)}", _OVERFLOW)
