"""Whether a loss gets what it expects: logits, log-probabilities or probabilities."""

from collections.abc import Collection
from dataclasses import replace

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.preflight.losses.call import Call, shape
from gradwidgets.core.layers.preflight.made import (
    behind,
    has_logarithm,
    maker,
    opaque,
    past,
    probabilities,
    rectifier,
    rows_sum_to_one,
    short,
    summed,
)
from gradwidgets.core.layers.preflight.reading import numbers, read, some, wide
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

LOGITS, LOGARITHMS, SHARES = "not_logits", "not_log_probabilities", "not_probabilities"
# Numbers from which it is no chance that all are between 0 and 1, for an unknown function.
MANY = 64
# Largest logarithm of a row's sum of e^x for which the sum counts as 1.
UNEVEN = 1e-2
# Share of zeros in a ReLU's output below which it does no harm before a loss of logits.
ZEROS = 0.1
FEWEST = 16  # numbers from which such a share is reported
_SQUASHING = {"Sigmoid": "sigmoid", "LogSoftmax": "log_softmax"}
_OF_LOGITS = ("cross_entropy", "log_softmax", "binary_cross_entropy_with_logits")
_NAMES = {"log_sigmoid": "logsigmoid", "special_expit": "sigmoid", "__log_softmax__": "log_softmax"}
_TWICE = {"softmax": "softmax", "sigmoid": "sigmoid", "special_expit": "sigmoid"}
LOGITS_ACTION = (
    "Hand it the logits: take the softmax or sigmoid out of the model (and apply it only where predictions are read), "
    "or take a loss of probabilities (nll_loss of their logarithm, BCELoss)."
)


def of_classes(call: Call) -> list[Finding]:
    """Report `cross_entropy`, or its parts, of the output of a softmax or a sigmoid."""
    x = call.first
    if x is None:
        return []
    by = probabilities(maker(x))
    dim = _dimension(call, x)
    if not by and call.name in _OF_LOGITS and (found := _rectified(call, x)):
        return [found]
    if by == "sigmoid" and (x.ndim == 0 or x.shape[dim] < 2 or call.name == "softmax"):
        return []
    off = None if by else rows_sum_to_one(x, dim)
    if not by and off is None:
        return []
    found = _not_logits(call.name, x, by or "", off)
    return [_beside(found, x, dim) if by == "softmax" else found]


def of_yes_or_no(call: Call) -> list[Finding]:
    """Report `binary_cross_entropy_with_logits`, or its parts, of the output of a sigmoid."""
    x = call.first
    if x is None:
        return []
    node = maker(x)
    by = probabilities(node)
    if call.name in _TWICE and by != "sigmoid":
        return []
    if not by and call.name in _OF_LOGITS and (found := _rectified(call, x)):
        return [found]
    if by or _bounded(x, node):
        return [_not_logits(call.name, x, by, None)]
    return []


def of_logarithms(call: Call) -> list[Finding]:
    """Report `nll_loss`, `kl_div` or `ctc_loss` of probabilities, or of logits."""
    x = call.first
    if x is None:
        return []
    node = maker(x)
    by = probabilities(node)
    dim = 1 if call.name == "nll_loss" and x.ndim > 1 else -1
    values = numbers(x)
    if values is None:
        return []
    largest, off = _reaches(values, dim)
    off = 0.0 if off != off else off
    wrong = by == "softmax" or largest > 1e-4 or (off > UNEVEN and node is not None)
    if not wrong or (by != "softmax" and has_logarithm(node)):
        return []
    are = "probabilities" if by or rows_sum_to_one(x, dim) is not None else "logits"
    message = (
        f"{_name(call.name)} takes logarithms of probabilities and gets {are}{_by(by)}: the largest is "
        f"{number(largest, 3)}, and e to the power of a row sums to 10^{number(off / 2.302585, 2)} at most, where it "
        "should be 1"
    )
    evidence = {"function": call.name, "made by": by, "largest": largest, "threshold": 0.0, "log of a row's sum": off}
    action = "Apply log_softmax first" + (
        " instead of softmax." if are == "probabilities" else ", or take cross_entropy."
    )
    return [Finding(LOGARITHMS, "error", message, evidence | {"at most": UNEVEN}, action=action)]


def of_probabilities(call: Call) -> list[Finding]:
    """Report `binary_cross_entropy` of logits: torch refuses numbers below 0 or above 1."""
    x = call.first
    values = None if x is None else numbers(x)
    if values is None:
        return []
    least, most = (float(one) for one in values.aminmax())
    if not (least < 0 or most > 1):
        return []
    message = (
        f"{_name(call.name)} (BCELoss) takes probabilities and gets numbers from {number(least, 3)} to "
        f"{number(most, 3)}, logits it seems"
    )
    evidence = {"function": call.name, "least": least, "largest": most, "thresholds": [0.0, 1.0]}
    return [Finding(SHARES, "error", message, evidence, action="Take BCEWithLogitsLoss, or a sigmoid before the loss.")]


def of_rectified_logits(call: Call) -> list[Finding]:
    """Report `binary_cross_entropy` or `nll_loss` of a sigmoid or log_softmax of a ReLU's output."""
    node = None if call.first is None else maker(call.first)
    if node is None or short(node) not in _SQUASHING:
        return []
    name, by = short(node), rectifier(node.next_functions[0][0])
    values = getattr(node, "_saved_result", None) if by else None
    if values is None or values.numel() < FEWEST:
        return []
    least, share = _at_least(name, values.detach())
    if share < ZEROS:
        return []
    message = (
        f"{_SQUASHING[name]} is taken of what {by} gives: {percent(share)} of that is exactly 0, where no gradient "
        f"comes back, and none is below 0{least}"
    )
    evidence = {"function": _SQUASHING[name], "made by": by, "share of zeros": share, "threshold": ZEROS}
    action = f"Take the {by} before the {_SQUASHING[name]} out: logits go below 0 as well as above."
    return [Finding(LOGITS, "warning", message, evidence, action=action)]


def _at_least(name: str, values: Tensor) -> tuple[str, float]:
    """Return a clause on probabilities of logits that are not below 0, and the share of logits that are 0."""
    if name == "Sigmoid":
        return ", so that no probability is ever below 0.5", float((some(values) == 0.5).float().mean())
    lowest = values.amin(1, keepdim=True) if values.ndim > 1 else values.min()  # of those at 0, which are several
    alike = (values == lowest).float().mean()
    return "", float(alike) if values.ndim > 1 and float(alike) > 1.5 / values.shape[1] else 0.0


def in_graph(loss: Tensor, stop: Collection[Node]) -> list[Finding]:
    """Report the same as `of_classes` and `of_yes_or_no` from the graph: the calls of scripted losses are not seen."""
    for node in behind([loss.grad_fn], stop):
        name = short(node)
        if name not in ("LogSoftmax", "BinaryCrossEntropyWithLogits", "LogSigmoid") or not node.next_functions:
            continue
        by = probabilities(past(node.next_functions[0][0]))
        if by:
            wanted = "cross_entropy" if name == "LogSoftmax" else name
            return [_told_not_logits(wanted, by, {"function": name, "made by": by})]
    return []


def _rectified(call: Call, x: Tensor) -> Finding | None:
    """Report logits that cannot be below 0, and get no gradient at 0."""
    by, values = rectifier(x.grad_fn), numbers(x)
    if not by or values is None:
        return None
    share = float((some(values) == 0).float().mean())
    if share < ZEROS or (call.name != "cross_entropy" and values.numel() < MANY):
        return None
    message = (
        f"{_name(call.name)} takes logits and gets what {by} gives: none is below 0, and {percent(share)} are exactly "
        "0, where no gradient comes back"
    )
    evidence = {"function": call.name, "made by": by, "share of zeros": share, "threshold": ZEROS}
    action = f"Take the {by} at the end of the model out: logits go below 0 as well as above."
    return Finding(LOGITS, "warning", message, evidence, action=action)


def _dimension(call: Call, x: Tensor) -> int:
    if call.name == "cross_entropy":
        return 1 if x.ndim > 1 else 0
    dim = call.get(1, "dim", -1)
    return dim if isinstance(dim, int) and -x.ndim <= dim < x.ndim else -1


def _bounded(x: Tensor, node: Node | None) -> bool:
    """Whether an unknown function seems to give probabilities."""
    values = numbers(x)
    if values is None or values.numel() < MANY or not opaque(node):
        return False
    least, spread, most = torch.stack([values.min(), wide(values).std(), values.max()]).tolist()
    return least >= 0 and most <= 1 and most > 0.2 and spread > 1e-3


def _reaches(values: Tensor, dim: int) -> tuple[float, float]:
    """Return the largest number, and the logarithm of a row's sum of e^x that is farthest from 0."""
    rows = wide(some(values.movedim(dim, -1), max(1 << 16, 8 * values.shape[dim]), keep=1))
    off = rows.logsumexp(-1).abs().max()
    largest, farthest = torch.stack([rows.max(), off]).tolist()
    return largest, farthest


def _not_logits(function: str, x: Tensor, by: str, off: float | None) -> Finding:
    values = wide(some(read(x)))
    least, most = torch.stack([values.min(), values.max()]).tolist()
    evidence = {"function": function, "made by": by, "least": least, "largest": most}
    if off is not None:
        evidence |= {"a row's sum is off by": off, "threshold": 1e-3}
    return _told_not_logits(function, by, evidence)


def _told_not_logits(function: str, by: str, evidence: dict[str, object]) -> Finding:
    name = _name(function)
    if function in _TWICE:
        message = f"{name} is applied twice, by the model and by the loss: it takes logits and gets probabilities"
    else:
        rows = "" if by else ", rows that sum to 1" if "threshold" in evidence else ", numbers from 0 to 1"
        message = f"{name} takes logits and gets probabilities{_by(by)}{rows}"
    message += ": within 0 to 1 it can never be sure, and its gradient is small"
    return Finding(LOGITS, "warning" if by == "sigmoid" and function == "cross_entropy" else "error", message, evidence,
                   action=LOGITS_ACTION)  # fmt: skip


def _beside(found: Finding, x: Tensor, dim: int) -> Finding:
    """Add the dimension of the softmax if it is not that of the classes; leaving it out mends both."""
    along = summed(x)
    if along is None or along == dim % x.ndim or x.shape[dim] < 2:
        return found
    message = (
        f"{found.message}; besides, that softmax is taken along dimension {along} of {shape(x)}, and the "
        f"{x.shape[dim]} classes lie along dimension {dim % x.ndim}"
    )
    action = f"{found.action} Where predictions are read, take it over the classes: dim={dim % x.ndim}."
    evidence = found.evidence | {"softmax along": along, "classes along": dim % x.ndim}
    return replace(found, message=message, action=action, evidence=evidence)


def _by(function: str) -> str:
    return f", made by {function}" if function else ""


def _name(function: str) -> str:
    return _NAMES.get(function, function)
