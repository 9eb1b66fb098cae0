"""Heads of an attention layer whose gradients differ by decades."""

import math

from gradwidgets.core.layers.passes.stats import LayerStats
from gradwidgets.core.layers.verdicts.verdict import Judged, listed
from gradwidgets.core.results.finding import Finding

APART = 2.0  # decades between the largest gradient of a head and the smallest


def heads(judged: Judged) -> list[Finding]:
    """Find attention with a head that learns far more slowly than another, and report the most extreme case."""
    hit = [(_apart(layer), layer) for layer in judged.flow.layers if layer.heads]
    hit = [one for one in hit if one[0] >= APART]
    if not hit:
        return []
    decades, worst = max(hit, key=lambda one: one[0])
    largest, smallest = (pick(range(len(worst.heads)), key=worst.heads.__getitem__) for pick in (max, min))
    less = f"{decades:.1f} decades less gradient than" if math.isfinite(decades) else "no gradient, unlike"
    message = f"{worst.name}: head {smallest} of {len(worst.heads)} gets {less} head {largest}"
    names = [layer.name for _, layer in hit]
    if len(hit) > 1:
        message += f"; heads are as far apart in {listed(names)}"
    evidence = {"layer": worst.name, "decades": decades, "norms": worst.heads, "threshold": APART}
    return [Finding("heads", "info", message, evidence, judged.places(names))]


def _apart(layer: LayerStats) -> float:
    low, high = min(layer.heads), max(layer.heads)
    if not (high > 0 and math.isfinite(high)) or math.isnan(sum(layer.heads)):
        return 0.0
    return math.log10(high / low) if low > 0 else math.inf
