"""Comparisons of output and target: shapes that broadcast, targets out of range, targets of another scale."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gradwidgets.core.layers.preflight.losses.call import OUTPUT, Call, shape
from gradwidgets.core.layers.preflight.made import maker, rectifier, rows_sum_to_one, short
from gradwidgets.core.layers.preflight.reading import numbers, read
from gradwidgets.core.layers.preflight.scale import as_read, sizes, target_scale
from gradwidgets.core.results.finding import Finding, Severity
from gradwidgets.core.results.wording import number, percent

BROADCAST = "broadcast"
RANGE = "target_range"
MOVING = "moving_target"
# Share of targets that may be out of an output's reach, how far beyond its range, and the fewest targets.
UNREACHED, SLACK, FEWEST = 0.2, 0.05, 8
_REACH: dict[str, tuple[float, float]] = {
    "Sigmoid": (0, 1), "Softmax": (0, 1), "Tanh": (-1, 1), "Relu": (0, math.inf), "Softplus": (0, math.inf),
}  # fmt: skip


def of_named(call: Call) -> list[Finding]:
    """Report an elementwise loss of torch's that is called with two different shapes."""
    if len(call.tensors) < 2:
        return []
    x, y = call.tensors[:2]
    if not call.role(x) & OUTPUT:
        x, y = y, x
    if not call.role(x) & OUTPUT or x.shape == y.shape or 1 in (x.numel(), y.numel()):
        return []
    result = _joint(x, y)
    if result is None:
        return []
    grows = result.numel() > max(x.numel(), y.numel())
    return [_broadcast(call.name, x, y, result, "error" if grows else "warning")]


def of_moving(call: Call) -> list[Finding]:
    """Report a loss of torch's whose target is computed by the model, too, and gets a gradient."""
    y = call.second
    if y is None or call.first is None or not y.requires_grad or not call.role(y) & OUTPUT:
        return []
    message = (
        f"the target of {call.name} is made of what the model gives, and gets a gradient as well: each moves towards "
        "the other, and both may end at the same constant"
    )
    action = (
        "target.detach(), if it is only to be followed, as a value of the next state, a code or a teacher's answer. "
        "Nothing, if both are to move and something else keeps them apart."
    )
    evidence = {"function": call.name, "gradients": 2, "threshold": 1}
    return [Finding(MOVING, "info", message, evidence, action=action)]


def by_hand(call: Call, widened: set[int]) -> list[Finding]:
    """Report an operation of output and target that makes all pairs of them, unless shapes were widened on purpose."""
    if len(call.tensors) < 2:
        return []
    x, y = call.tensors[:2]
    if not call.role(x) & OUTPUT:
        x, y = y, x
    if not call.role(x) & OUTPUT or not call.role(y):
        return []
    if x.ndim == y.ndim or id(x) in widened or id(y) in widened:
        return []
    if [k for k in x.shape if k > 1] != [k for k in y.shape if k > 1]:
        return []
    result = _joint(x, y)
    if result is None or result.numel() <= max(x.numel(), y.numel()):
        return []
    return [_broadcast(f"the loss's {call.name.strip('_')}", x, y, result, "error")]


def of_scale(call: Call) -> list[Finding]:
    """Report targets whose scale is far beyond that of the output."""
    if call.pair is None:
        return []
    values = [read(one) for one in call.pair]
    if any(not one.is_floating_point() for one in values):
        return []
    output, target = torch.stack([sizes(one).to(values[0].device) for one in values]).tolist()
    finding = target_scale(as_read(target), as_read(output)["rms"])
    return [] if finding is None else [finding]


def of_reach(call: Call) -> list[Finding]:
    """Report targets outside of the range of the function that computed the output."""
    if call.pair is None:
        return []
    x, y = call.pair
    node, values = maker(x), numbers(y)
    if node is None or short(node) not in _REACH or values is None or values.numel() < FEWEST:
        return []
    name = short(node)
    by = rectifier(node.next_functions[0][0]) if name == "Sigmoid" else ""
    least, most = (0.5, 1.0) if by else _REACH[name]
    outside = values[(values < least - SLACK) | (values > most + SLACK)]
    share = outside.numel() / values.numel()
    # The same number for all of them stands for "unknown", and is masked; but below a least of 0.5, 0 is a label.
    if share < UNREACHED or (not by and bool((outside == outside[0]).all())):
        return []
    of_what = f" of what {by} gives" if by else ""
    message = (
        f"{percent(share)} of the targets are out of reach: {name.lower()}{of_what} gives {_range(least, most)}, and "
        f"they go from {number(float(values.min()), 3)} to {number(float(values.max()), 3)}"
    )
    evidence = {"made by": name, "share": share, "threshold": UNREACHED, "least": least, "largest": most}
    evidence = {key: one for key, one in evidence.items() if one not in (math.inf, -math.inf)}
    action = f"Leave {name.lower()} out at the end of the model, or scale the targets into its range."
    action = f"Take the {by} before the sigmoid out: logits go below 0 as well as above." if by else action
    return [Finding("out_of_reach", "error" if share > 0.9 else "warning", message, evidence, action=action)]


def _range(least: float, most: float) -> str:
    return (
        f"numbers from {number(least)} to {number(most)}" if math.isfinite(most) else f"nothing below {number(least)}"
    )


def of_yes_or_no(call: Call) -> list[Finding]:
    """Report targets of a binary cross entropy that are not between 0 and 1."""
    y = call.second
    if y is None or y.is_complex():
        return []
    least, most = (float(one) for one in read(y).aminmax())
    if not (least < 0 or most > 1):
        return []
    hint = "Divide by 255." if most == 255 else "Map −1 to 0." if least == -1 else "Map them to 0 and 1."
    if least >= 0 and most <= 100 and most == int(most):
        hint = "Class numbers want cross_entropy, or one-hot targets."
    message = f"{call.name} takes targets from 0 to 1, and these go from {least:g} to {most:g}"
    return [Finding(RANGE, "error", message.replace("-", "−"), _bounds(call, least, most), action=hint)]


def of_divergence(call: Call) -> list[Finding]:
    """Report a target of `kl_div` in logarithms where probabilities are expected, or the other way round."""
    y = call.second
    if y is None:
        return []
    least, most = (float(one) for one in read(y).aminmax())
    if call.keywords.get("log_target"):
        if rows_sum_to_one(y, -1) is None:
            return []
        message = "kl_div with log_target=True takes targets in logarithms and gets probabilities"
        return [Finding(RANGE, "error", message, _bounds(call, least, most), action="Take log_target=False.")]
    if least >= 0:
        return []
    message = f"kl_div takes targets that are probabilities, and these go from {least:g} to {most:g}"
    return [Finding(RANGE, "error", message.replace("-", "−"), _bounds(call, least, most),
                    action="Take log_target=True for logarithms, or a softmax of logits.")]  # fmt: skip


def _bounds(call: Call, least: float, most: float) -> dict[str, object]:
    return {"function": call.name, "least": least, "largest": most, "thresholds": [0.0, 1.0]}


def _joint(x: Tensor, y: Tensor) -> torch.Size | None:
    try:
        return torch.broadcast_shapes(x.shape, y.shape)
    except RuntimeError:
        return None  # torch raises an error


def all_pairs(what: str, x: Tensor, y: Tensor, result: Sequence[int]) -> Finding:
    """Report an operation that makes all pairs of an output and a tensor that is no target."""
    message = (
        f"{what}: {shape(x)}, made of the output, against {shape(y)} broadcasts to {tuple(result)}, and the mean of "
        "all of them is taken: each output meets what belongs to every other sample"
    )
    evidence = {"output": list(x.shape), "other": list(y.shape), "result": list(result), "numbers": math.prod(result)}
    action = "Give both the same shape: squeeze(-1) of the one, or unsqueeze(-1) of the other."
    return Finding(BROADCAST, "error", message, evidence | {"threshold": max(x.numel(), y.numel())}, action=action)


def _broadcast(what: str, x: Tensor, y: Tensor, result: torch.Size, severity: Severity) -> Finding:
    meant = "and compares every output with every target" if severity == "error" else "and repeats one of them"
    message = (
        f"{what}: output of shape {shape(x)} against target of shape {shape(y)} broadcasts to {tuple(result)}, {meant}"
    )
    evidence = {"output": list(x.shape), "target": list(y.shape), "result": list(result), "numbers": result.numel()}
    action = "Give both the same shape: output.squeeze(-1), or targets.unsqueeze(-1)."
    return Finding(BROADCAST, severity, message, evidence | {"threshold": max(x.numel(), y.numel())}, action=action)
