"""Where a quantity counts as healthy over the layers, and from where on as vanished or exploded: the checks' levels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gradwidgets.core.layers.passes.profile import Trend, gradient_trend, signal_trend, trend, weighted_layers
from gradwidgets.core.layers.passes.stats import LayerFlow
from gradwidgets.core.layers.verdicts.way.depth import ERROR, FEWEST, SIGNAL
from gradwidgets.core.layers.verdicts.way.fade import FADE
from gradwidgets.core.results.finding import Finding

_PARALLEL = 0.1  # share by which the factors per layer of two quantities may differ


@dataclass(frozen=True)
class HealthyRange:
    """How far a quantity may be from where it starts, in decades, by the thresholds of the verdict.

    Where it starts is read at some layers: there it has changed by `moved` already.

    Attributes:
        layers: The names of these layers; the median of their values counts.
        moved: The decades that it has gained there; below 0 for lost.
        healthy: The lowest and the highest change that is no finding.
        gone: The change up to which it has vanished, and that from which it has exploded, as errors.
        factor: The factor per layer that the verdict states, in the direction in which it states it; NaN for none.
        of_weights: Whether the gradient by the weights changes by that factor too.
    """

    layers: tuple[str, ...]
    moved: float
    healthy: tuple[float, float]
    gone: tuple[float, float]
    factor: float = math.nan
    of_weights: bool = False


def gradient_range(flow: LayerFlow, findings: Sequence[Finding]) -> HealthyRange | None:
    """Return the range of the gradient by the layers' outputs, from the output on; None for fewer than two layers.

    Args:
        flow: The measurements.
        findings: The verdict on them.
    """
    limits = (-FADE, FADE), (-ERROR, ERROR)
    found = _stated(findings, "activation gradient")
    if found is None:
        line = gradient_trend(flow)
        return None if line is None else HealthyRange(_third(line, last=True), 0.0, *limits)
    sign = -1 if found.name == "vanishing" else 1
    factor = found.evidence["factor"] if found.evidence["factor per"] == "layer" else math.nan
    return HealthyRange(
        (_far_end(found),), sign * found.evidence["shown"], *limits, factor, _is_of_weights(flow, factor)
    )


def signal_range(flow: LayerFlow, findings: Sequence[Finding]) -> HealthyRange | None:
    """Return the range of the layers' outputs, from the first layers on; None for too few layers to judge.

    Args:
        flow: The measurements.
        findings: The verdict on them.
    """
    line = signal_trend(flow)
    if line is None or len(line.names) < FEWEST:
        return None
    found = _stated(findings, "activation")
    factor = math.nan if found is None else found.evidence["factor"]
    return HealthyRange(_third(line, last=False), 0.0, (-math.inf, SIGNAL), (-math.inf, ERROR), factor)


def _stated(findings: Sequence[Finding], quantity: str) -> Finding | None:
    """Return the finding on a change with depth of a quantity."""
    names = "vanishing", "exploding"
    return next((one for one in findings if one.name in names and one.evidence.get("quantity") == quantity), None)


def _far_end(found: Finding) -> str:
    """Return the layer down to which the gradient was followed: the first, where a line was fitted to all of them."""
    return str(found.evidence["last layer" if "steps" in found.evidence else "first layer"])


def _third(line: Trend, *, last: bool) -> tuple[str, ...]:
    count = max(1, len(line.names) // 3)
    return line.names[-count:] if last else line.names[:count]


def _is_of_weights(flow: LayerFlow, factor: float) -> bool:
    """Whether the gradient by the weights changes by a factor per layer, from the output to the input."""
    line = trend(weighted_layers(flow), lambda layer: layer.weight_grad_rms) if factor > 0 else None
    return line is not None and abs(factor * 10**line.slope - 1) <= _PARALLEL
