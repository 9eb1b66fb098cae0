"""Variances that a bound holds at next to 0 in a likelihood: it divides by them, and behind the bound is no slope."""

from torch import Tensor

from gradwidgets.core.layers.preflight.losses.call import OUTPUT, TARGET, Call
from gradwidgets.core.layers.preflight.made import short
from gradwidgets.core.layers.preflight.reading import numbers, some
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

VARIANCE = "variance"
_DIVIDES = ("div", "__truediv__", "true_divide", "divide")
_LOGS = ("log", "log_")
_BOUNDS = {"Relu": "relu", "Clamp": "clamp", "ClampMin": "clamp", "Hardtanh": "hardtanh", "Threshold": "threshold"}
# What leaves the lowest number the lowest, and where it is.
_PASSING = frozenset((
    "Add", "Mul", "Div", "Pow", "Sqrt", "View", "UnsafeView", "Reshape", "Squeeze", "Unsqueeze", "Select", "Slice",
    "Index", "Split", "SplitWithSizes", "Unbind", "Expand", "Transpose", "Permute", "T", "Clone", "ToCopy", "Clamp",
))  # fmt: skip
_DEPTH = 8  # operations behind a variance among which a bound is looked for
# Share of variances at the bound, of which to speak and which is an error; and how far the bound is below the others.
_SHARE, _MANY, _BELOW = 0.03, 0.2, 1e-2
_FEWEST = 4
_ACTION = (
    "Take softplus in its place, which has a slope everywhere, or let the layer give the logarithm and take exp of it; "
    "and a floor that is not far below the variances that are to be expected."
)


class Variances:
    """Watches a loss for what it takes the logarithm of and divides a squared error by."""

    def __init__(self) -> None:
        self._logged: list[tuple[Tensor, str]] = []
        self._divided: list[tuple[Tensor, str]] = []

    def see(self, call: Call) -> list[Finding]:
        """Look at a call before it is made."""
        if call.name == "gaussian_nll_loss":
            one = call.get(2, "var")
            by = _bound(one) if isinstance(one, Tensor) and call.role(one) & OUTPUT else ""
            return [_told(one, by)] if by else []
        if call.name in _LOGS and call.first is not None:
            self._note(self._logged, call.first)
        elif call.name in _DIVIDES and _is_error(call):
            self._note(self._divided, call.get(1, "other"))
        else:
            return []
        both = ((one, name) for one, name in self._logged for by, _ in self._divided if _is_made_of(by, one))
        return [_told(*pair) for pair in both][:1]

    def _note(self, found: list[tuple[Tensor, str]], one: Tensor) -> None:
        by = _bound(one)
        found += [(one, by)] if by else []


def _is_error(call: Call) -> bool:
    """Whether something that the targets have a say in is divided by what the output alone makes."""
    error, by = call.get(0, "input"), call.get(1, "other")
    both = isinstance(error, Tensor) and isinstance(by, Tensor)
    return both and bool(call.role(error) & TARGET) and call.role(by) == OUTPUT


def _bound(one: Tensor) -> str:
    """What holds a share of its numbers at their lowest, far below the others; "" for nothing."""
    values = numbers(one)
    if values is None or one.grad_fn is None:
        return ""
    values = some(values)
    least = values.min()
    at = values == least
    if float(least) < 0 or int(at.sum()) < max(_FEWEST, _SHARE * values.numel()) or bool(at.all()):
        return ""
    if float(least) > _BELOW * float(values[~at].median()):
        return ""
    node = one.grad_fn
    for _ in range(_DEPTH):
        if node is None or short(node) in _BOUNDS or short(node) not in _PASSING:
            break
        node = next((each for each, _ in node.next_functions if each is not None), None)
    return "" if node is None else _BOUNDS.get(short(node), "")


def _is_made_of(one: Tensor, other: Tensor) -> bool:
    """Whether it is lowest just where the other is, as its square or its double is."""
    return one.shape == other.shape and bool(((one == one.min()) == (other == other.min())).all())


def _told(one: Tensor, by: str) -> Finding:
    values = numbers(one)
    least = float(values.min())
    share = float((values == least).double().mean())
    message = (
        f"{percent(share)} of the variances in the likelihood are held at their lowest, {number(least)}, by {by}: "
        f"there it divides by next to nothing, and {by} has no slope, so that they never grow again"
    )
    evidence = {"share": share, "lowest": least, "by": by, "thresholds": [_SHARE, _MANY]}
    severity = "error" if share > _MANY else "warning"
    return Finding(VARIANCE, severity, message, evidence, action=_ACTION)
