"""Variances in a likelihood that a clamp keeps close to 0: it divides by them, and the clamp has no slope."""

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.preflight.losses.call import OUTPUT, TARGET, Call
from gradwidgets.core.layers.preflight.made import short
from gradwidgets.core.layers.preflight.reading import numbers, read, some
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

VARIANCE = "variance"
_DIVIDES = ("div", "__truediv__", "true_divide", "divide")
_LOGS = ("log", "log_")
_BOUNDS = {"Relu": "relu", "Clamp": "clamp", "ClampMin": "clamp", "Hardtanh": "hardtanh", "Threshold": "threshold"}
# Nodes that keep the lowest number the lowest, at its place.
_PASSING = frozenset((
    "Add", "Mul", "Div", "Pow", "Sqrt", "View", "UnsafeView", "Reshape", "Squeeze", "Unsqueeze", "Select", "Slice",
    "Index", "Split", "SplitWithSizes", "Unbind", "Expand", "Transpose", "Permute", "T", "Clone", "ToCopy", "Clamp",
))  # fmt: skip
_DEPTH = 8  # the most operations between a bound and a variance
# Shares of variances at the bound that are reported, and that are an error; and the bound relative to the others.
_SHARE, _MANY, _BELOW = 0.03, 0.2, 1e-2
_FEWEST = 4  # variances at the bound
_ACTION = (
    "Take softplus in its place, which has a slope everywhere, or let the layer give the logarithm and take exp of it; "
    "and a floor that is not far below the variances that are to be expected."
)


class Variances:
    """Finds variances of which a loss takes the logarithm and by which it divides a squared error."""

    def __init__(self) -> None:
        self._logged: list[tuple[Tensor, str]] = []
        self._divided: list[tuple[Tensor, str]] = []

    def see(self, call: Call) -> list[Finding]:
        """Check a call before it is made."""
        if call.name == "gaussian_nll_loss":
            one = call.get(2, "var")
            by = _bound(one) if isinstance(one, Tensor) and call.role(one) & OUTPUT else ""
            return [_told(one, by)] if by else []
        if call.name in _LOGS and call.first is not None:
            self._note(self._logged, call.first)
        elif call.name in _DIVIDES and (divisor := _divisor(call)) is not None:
            self._note(self._divided, divisor)
        else:
            return []
        both = ((one, name) for one, name in self._logged for other, _ in self._divided if _is_made_of(other, one))
        return [_told(*pair) for pair in both][:1]

    def _note(self, found: list[tuple[Tensor, str]], one: Tensor) -> None:
        by = _bound(one)
        found += [(one, by)] if by else []


def _divisor(call: Call) -> Tensor | None:
    """Return the divisor of a quotient if it depends on the output alone, and the dividend on the targets."""
    error, by = call.get(0, "input"), call.get(1, "other")
    if not isinstance(error, Tensor) or not isinstance(by, Tensor):
        return None
    return by if call.role(error) & TARGET and call.role(by) == OUTPUT else None


def _bound(one: Tensor) -> str:
    """Return the bound that keeps a share of a tensor's numbers far below the others; "" if there is none."""
    values = numbers(one)
    if values is None or one.grad_fn is None:
        return ""
    values = some(values)
    least = values.min()
    at = torch.eq(values, least)
    if float(least) < 0 or int(at.sum()) < max(_FEWEST, _SHARE * values.numel()) or bool(at.all()):
        return ""
    if float(least) > _BELOW * float(values[~at].median()):
        return ""
    node: Node | None = one.grad_fn
    for _ in range(_DEPTH):
        if node is None or short(node) in _BOUNDS or short(node) not in _PASSING:
            break
        node = next((each for each, _ in node.next_functions if each is not None), None)
    return "" if node is None else _BOUNDS.get(short(node), "")


def _is_made_of(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are lowest at the same places, as a tensor and its square or its double."""
    return one.shape == other.shape and bool(((one == one.min()) == (other == other.min())).all())


def _told(one: Tensor, by: str) -> Finding:
    values = read(one)
    least = float(values.min())
    share = float(torch.eq(values, least).double().mean())
    message = (
        f"{percent(share)} of the variances in the likelihood are held at their lowest, {number(least)}, by {by}: "
        f"there it divides by next to nothing, and {by} has no slope, so that they never grow again"
    )
    evidence = {"share": share, "lowest": least, "by": by, "thresholds": [_SHARE, _MANY]}
    return Finding(VARIANCE, "error" if share > _MANY else "warning", message, evidence, action=_ACTION)
