"""Weights that a clip holds within bounds, many of them exactly at these, so that a layer passes on little."""

import math
from collections.abc import Iterable

from torch import Tensor

from gradwidgets.core.layers.passes.module_graph import ModuleGraph
from gradwidgets.core.layers.passes.rows import Row
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

CLIPPED = "clipped weights"
_FADED = 1e-3  # of the largest gradient at a layer: where the smallest is less, weights are looked at
_AT, _FEWEST = 0.1, 2  # share of the weights at the bound, and layers
_ACTION = (
    "Take a wider bound, or in place of the clip a penalty on the gradient (WGAN-GP) or spectral_norm, which bound "
    "what a layer does and not each weight; with He's init and normalisation before them."
)


def clipped(rows: Iterable[Row], graph: ModuleGraph | None) -> list[Finding]:
    """A note on weights that lie at a bound, for where a gradient is lost on its way.

    Args:
        rows: The model's layers.
        graph: Of the pass.
    """
    if graph is None or not _fades(graph):
        return []
    weights = [one.detach() for row in rows for one in row.weights.values() if one.ndim > 1 and one.numel()]
    if not any(_share(one) > _AT for one in weights[:_FEWEST]):
        return []
    found = [(float(one.abs().amax()), _share(one)) for one in weights]
    held = [(bound, share) for bound, share in found if share > _AT]
    if len(held) < max(_FEWEST, len(found) / 2) or len({bound for bound, _ in held}) > 1:
        return []
    bound, share = held[0][0], sum(share for _, share in held) / len(held)
    message = f"{len(held)} layers have weights clipped to ±{number(bound, 3)}: {percent(share)} lie exactly there"
    evidence = {"bound": bound, "share": share, "layers": len(held), "threshold": _AT}
    return [Finding(CLIPPED, "info", message, evidence, action=_ACTION)]


def _fades(graph: ModuleGraph) -> bool:
    sizes = [graph.rms(v) for v in range(len(graph)) if graph.weighted[v]]
    sizes = [one for one in sizes if math.isfinite(one)]
    return bool(sizes) and min(sizes) < _FADED * max(sizes)


def _share(weights: Tensor) -> float:
    """How many are as large as the largest."""
    sizes = weights.abs()
    return float((sizes == sizes.amax()).double().mean())
