"""Output against target: shapes that broadcast, targets that the loss has no place for, targets of another scale."""

import math

import torch
from torch import Tensor

from gradwidgets.core.layers.preflight.losses.call import OUTPUT, Call, shape
from gradwidgets.core.layers.preflight.made import maker, rectifier, rows_sum_to_one, short
from gradwidgets.core.layers.preflight.reading import numbers
from gradwidgets.core.layers.preflight.scale import as_read, sizes, target_scale
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

BROADCAST = "broadcast"
RANGE = "target_range"
MOVING = "moving_target"
# Share of targets that an output may be unable to give, how far beyond its range, and of how many at least.
UNREACHED, SLACK, FEWEST = 0.2, 0.05, 8
_REACH = {"Sigmoid": (0, 1), "Softmax": (0, 1), "Tanh": (-1, 1), "Relu": (0, math.inf), "Softplus": (0, math.inf)}


def of_named(call: Call) -> list[Finding]:
    """A loss of torch's that compares number by number, given two shapes."""
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
    """A loss of torch's whose target is made by the model as well, and gets a gradient: a note, it may be meant."""
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
    """An operation between output and target that makes every pair of them, unless somebody asked for pairs."""
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
    """Targets far beyond what the output reaches."""
    if call.pair is None:
        return []
    values = [numbers(one) for one in call.pair]
    if any(one is None or not one.is_floating_point() for one in values):
        return []
    output, target = torch.stack([sizes(one).to(values[0].device) for one in values]).tolist()
    finding = target_scale(as_read(target), as_read(output)["rms"])
    return [] if finding is None else [finding]


def of_reach(call: Call) -> list[Finding]:
    """Targets that the function which made the output cannot give."""
    x, y = call.pair
    name, values = short(maker(x)) if x.grad_fn is not None else "", numbers(y)
    if name not in _REACH or values is None or values.numel() < FEWEST:
        return []
    least, most = _REACH[name]
    by = rectifier(maker(x).next_functions[0][0]) if name == "Sigmoid" else ""
    least = 0.5 if by else least
    outside = values[(values < least - SLACK) | (values > most + SLACK)]
    share = outside.numel() / values.numel()
    # One number for all of them stands for "unknown", and is masked; 0, where a half is the least, is an answer.
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
    """Targets of a binary cross entropy that are not within 0 to 1."""
    y = call.second
    if y is None or y.is_complex():
        return []
    least, most = (float(one) for one in numbers(y).aminmax())
    if not (least < 0 or most > 1):
        return []
    hint = "Divide by 255." if most == 255 else "Map −1 to 0." if least == -1 else "Map them to 0 and 1."
    if least >= 0 and most <= 100 and most == int(most):
        hint = "Class numbers want cross_entropy, or one-hot targets."
    message = f"{call.name} takes targets from 0 to 1, and these go from {least:g} to {most:g}"
    return [Finding(RANGE, "error", message.replace("-", "−"), _bounds(call, least, most), action=hint)]


def of_divergence(call: Call) -> list[Finding]:
    """The target of `kl_div` in logarithms where probabilities are wanted, or the other way round."""
    y = call.second
    if y is None:
        return []
    least, most = (float(one) for one in numbers(y).aminmax())
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
        return None  # torch will say so


def all_pairs(what: str, x: Tensor, y: Tensor, result: torch.Size) -> Finding:
    """What made all pairs of an output and of something that is no target."""
    message = (
        f"{what}: {shape(x)}, made of the output, against {shape(y)} broadcasts to {tuple(result)}, and the mean of "
        "all of them is taken: each output meets what belongs to every other sample"
    )
    evidence = {"output": list(x.shape), "other": list(y.shape), "result": list(result), "numbers": result.numel()}
    action = "Give both the same shape: squeeze(-1) of the one, or unsqueeze(-1) of the other."
    return Finding(BROADCAST, "error", message, evidence | {"threshold": max(x.numel(), y.numel())}, action=action)


def _broadcast(what: str, x: Tensor, y: Tensor, result: torch.Size, severity: str) -> Finding:
    meant = "and compares every output with every target" if severity == "error" else "and repeats one of them"
    message = (
        f"{what}: output of shape {shape(x)} against target of shape {shape(y)} broadcasts to {tuple(result)}, {meant}"
    )
    evidence = {"output": list(x.shape), "target": list(y.shape), "result": list(result), "numbers": result.numel()}
    action = "Give both the same shape: output.squeeze(-1), or targets.unsqueeze(-1)."
    return Finding(BROADCAST, severity, message, evidence | {"threshold": max(x.numel(), y.numel())}, action=action)
