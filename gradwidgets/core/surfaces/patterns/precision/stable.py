"""What to do about an operation whose result differs from float64's."""

from gradwidgets.core.operations.remedies import cure, known_for
from gradwidgets.core.operations.stable_forms import of_what_is_lost, of_what_overflows
from gradwidgets.core.surfaces.patterns.precision.parting import Parted

_CANCELS = (
    "What is left is the difference of large numbers, less than their last digit: take out on paper what cancels."
)
_CENTRE = (
    "What it is given is the difference of numbers that are nearly the same, and no more than their rounding: an eps "
    "would only hide that, and where it is finite it is wrong all the same. Take out before, on paper, what they have "
    "in common: centre first, (x − x.mean()).square().mean() for E[x²] − E[x]²; take the difference of points before "
    "its square, (x − y).norm() for √(|x|² + |y|² − 2x·y)."
)
_TO_ONE = (
    "Beside 1 nothing that small has a digit, and no scale of the loss brings it back: take a loss of the logits "
    "(F.binary_cross_entropy_with_logits, F.softplus, F.logsigmoid), or 1 − sigmoid(x) as sigmoid(−x)."
)
_MEAN = "Take the mean in place of the sum, or add up in float32: x.float().sum()."
_DIVIDED = "Divide a factor by the count before the product in place of the sum after it: (x / n) @ y for (x @ y) / n."
_SCALE = "Work with logarithms, or scale the loss."
_ROOTS = ("sqrt", "pow", "norm")


def stable_form(parted: Parted) -> str:
    """The form that stays finite of an operation that overflows, or is infinite or NaN; "" if none is known."""
    if parted.own:
        return cure(parted.who, "own")
    if parted.summed:
        return _MEAN if parted.who == "sum" else _DIVIDED
    of_one = parted.lost_by.startswith("1 −")
    if (parted.cancelled and not of_one and any(part in parted.who for part in _ROOTS)) or _is_log_of_difference(
        parted
    ):
        return _CENTRE
    overflows = "" if parted.back else of_what_overflows(parted.who)
    return of_what_is_lost(parted.who, parted.lost_by) or overflows or known_for(parted.who)


def _is_log_of_difference(parted: Parted) -> bool:
    """Whether it is the logarithm of a difference of two tensors; that of 1 − p has its own form."""
    return parted.cancelled == "sub" and "log" in parted.who and not parted.lost_by


def kept_gradient(parted: Parted) -> str:
    """What to do so that a gradient is not rounded to 0."""
    if parted.lost_by.startswith("1 −"):
        return _TO_ONE
    return _CANCELS if parted.who == "the sum of gradients" else _SCALE
