"""Inputs and targets of a scale that does not suit a network with torch's initialization."""

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from gradwidgets.core.layers.preflight.reading import some, wide
from gradwidgets.core.results.finding import Finding, Severity
from gradwidgets.core.results.wording import number, percent

# Root mean square of the inputs that are not 0, above which they are a warning, and an error.
LARGE, HUGE = 50.0, 1e4
# The limit for whole numbers up to 255, which are unscaled pixels.
BYTES = 16.0
# Root mean square below which inputs are a warning, and an error: then only the biases count.
SMALL, TINY = 1e-3, 1e-6
# Ratio of mean and standard deviation above which all samples look alike, for means above the second number.
OFFSET, OFF = 20.0, 2.0
# Largest size of a first layer's output for which its weights suit the inputs, however large these are.
SUITED = 8.0
# Root mean square of targets above which steps of the usual size do not suffice: a warning, and an error.
FAR, FARTHER = 1e5, 1e6
# The limit for targets that are so many times as large as the output.
FAR_OFF, OFF_BY = 1e3, 1e3
# The limit for targets that hardly differ, by OFFSET; and the smallest ratio of targets and output.
FAR_ALIKE, BEYOND = 300.0, 30.0


# Share of a recurrent layer's states at a bound from which it is reported; for a sound LSTM it is close to 0.
_MANY_FLAT = 0.1
# Share of the samples that may be outliers, the smallest batch for that, and their size relative to the others.
FEW, _ENOUGH, _BEYOND = 0.05, 8, 5.0
_NAMED = 3  # the most samples that a sentence names


def sizes(tensor: Tensor) -> Tensor:
    """Return mean, deviation, root mean square without zeros, minimum, maximum, and whether all numbers are whole.

    The result is on the tensor's device.
    """
    values = wide(some(tensor)).double()
    std, mean = torch.std_mean(values, correction=0)
    used = values.count_nonzero().clamp(min=1).sqrt()
    whole = (values == values.trunc()).all()
    return torch.stack([mean, std, torch.linalg.vector_norm(values) / used, *values.aminmax(), whole.double()])


def size(tensor: Tensor) -> Tensor:
    """Return the root mean square of all numbers, on their device."""
    values = wide(some(tensor))
    return torch.linalg.vector_norm(values, dtype=torch.float64) / values.numel() ** 0.5


def input_scale(
    name: str, layer: str, read: Mapping[str, float], given: float | None, flat: float = math.nan
) -> Finding | None:
    """Report inputs whose scale does not suit the first layer.

    Args:
        name: The name of the inputs.
        layer: The name of the layer.
        read: The numbers of `sizes`, by name.
        given: The root mean square of the layer's output; None if it is bounded or not known.
        flat: For a recurrent layer, the share of its states that are at a bound; NaN for others.
    """
    rms, mean, std = read["rms"], read["mean"], read["std"]
    if not math.isfinite(rms + std):
        return None
    is_bytes = bool(read["whole"]) and read["min"] >= 0 and 64 <= read["max"] <= 255
    suited = given is not None and given < SUITED
    if rms > (BYTES if is_bytes else LARGE) and not suited:
        how = "is far too large for" if math.isnan(flat) else "saturates"
    elif 0 < rms < SMALL:
        how = "stalls"
    elif std > 0 and abs(mean) > max(OFFSET * std, OFF) and not suited:
        how = "hides the differences between samples from"
    else:
        return None
    severity: Severity = "error" if rms > HUGE or rms < TINY else "warning"
    what = "whole numbers such as bytes hold, " if is_bytes else ""
    message = (
        f"{name}, as {layer} takes them, have a scale that {how} a net that begins with torch's weights: {what}"
        f"{_described(read)}{_saturated(flat) if how == 'saturates' else ''}"
    )
    thresholds = {"threshold": BYTES if is_bytes else LARGE, "least": SMALL, "mean over deviation at most": OFFSET}
    return Finding("input_scale", severity, message, {"tensor": name, "layer": layer} | dict(read) | thresholds,
                   action=_remedy(read, is_bytes))  # fmt: skip


def _saturated(flat: float) -> str:
    states = f", and {percent(flat)} of its states are within 1 % of −1 or 1" if flat > _MANY_FLAT else ""
    return f"; its gates and states are where they are flat{states}"


def by_few_samples(found: Finding, values: Tensor) -> Finding:
    """Add to a finding the few samples that cause it; without change if there are more.

    Args:
        found: A finding of `input_scale`.
        values: The inputs, samples first.
    """
    count, name, layer = len(values) if values.ndim > 1 else 0, found.evidence["tensor"], found.evidence["layer"]
    if count < _ENOUGH or found.evidence["rms"] < SMALL:
        return found
    largest = wide(values).double().abs().flatten(1).amax(1)
    few = max(1, int(FEW * count))
    order = largest.argsort(descending=True)
    if input_scale(name, layer, as_read(sizes(values[order[few:]]).tolist()), None) is not None:
        return found
    least = largest[order[few]]
    out = sorted(int(i) for i in order[:few] if largest[i] > _BEYOND * least)
    if not out:
        return found
    named = ", ".join(map(str, out[:_NAMED])) + " and others" * (len(out) > _NAMED)
    some, make = ("sample", "makes") if len(out) == 1 else ("samples", "make")
    message = (
        f"{found.message}; {some} {named} of {count} alone {make} it so: "
        f"numbers there reach {number(float(largest.max()), 3)}, those of the others {number(float(least), 3)}"
    )
    action = (
        f"Look at {'that' if len(out) == 1 else 'those'} {some}: a unit, a missing value's code, an error? Correct or "
        "leave out, or clamp the feature; mean and deviation are not to be taken over them."
    )
    return replace(found, message=message, evidence=found.evidence | {"samples": out}, action=action)


def target_scale(read: Mapping[str, float], output: float) -> Finding | None:
    """Report targets whose scale is far above an output of this root mean square."""
    rms, mean, std = read["rms"], read["mean"], read["std"]
    if not math.isfinite(rms + std):
        return None
    alike = rms > FAR_ALIKE and abs(mean) > OFFSET * std > 0
    off = rms > FAR_OFF and rms > OFF_BY * output
    if not (off or ((rms > FAR or alike) and rms > BEYOND * output)):
        return None
    message = (
        f"targets have a scale that an output of about {number(output, 2)} does not reach in steps of the usual rms: "
        f"{_described(read)}"
    )
    thresholds = {"output": output, "threshold": FAR_OFF if off else FAR, "threshold where they are alike": FAR_ALIKE}
    severity: Severity = "error" if rms > FARTHER else "warning"
    return Finding("target_scale", severity, message, dict(read) | thresholds, action=_remedy(read, False))


def as_read(values: list[float]) -> dict[str, float]:
    """Return the numbers of `sizes` by name."""
    return dict(zip(("mean", "std", "rms", "min", "max", "whole"), values, strict=True))


def _described(read: Mapping[str, float]) -> str:
    mean, std, least, most = (number(read[key], 3) for key in ("mean", "std", "min", "max"))
    return f"mean {mean}, standard deviation {std}, from {least} to {most}"


def _remedy(read: Mapping[str, float], is_bytes: bool) -> str:
    if is_bytes:
        return "Scale them: divide by 255, and best normalise each channel."
    if not read["std"]:
        return f"Scale them: divide by {number(read['rms'], 3)}."
    mean, std = number(read["mean"], 3), number(read["std"], 3)
    each = "Scale them, each feature by its own mean and deviation over the training set"
    if abs(read["mean"]) < 0.1 * read["std"]:
        return f"{each}; here, divide by {std}."
    return f"{each}; here, subtract {mean} and divide by {std}."
