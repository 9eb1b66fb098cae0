"""Weights clipped to a bound, many of them exactly at it, so that each layer passes on little of the signal."""

import math
from collections.abc import Iterable

from torch import Tensor

from gradwidgets.core.layers.passes.module_graph import ModuleGraph
from gradwidgets.core.layers.passes.rows import Row
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

CLIPPED = "clipped weights"
_FADED = 1e-3  # weights are checked where a layer's gradient is below this share of the largest layer's
_ROWS = 4  # rows of a weight that are checked first, as they are usually enough
_SHARE, _FEWEST = 0.1, 2  # share of a layer's weights at the bound, and number of such layers, that are reported
_ACTION = (
    "Take a wider bound, or in place of the clip a penalty on the gradient (WGAN-GP) or spectral_norm, which bound "
    "what a layer does and not each weight; with He's init and normalisation before them."
)


def clipped(rows: Iterable[Row], graph: ModuleGraph | None) -> list[Finding]:
    """Find clipped weights in a model whose gradient fades over the layers.

    Args:
        rows: The model's layers.
        graph: The graph of the pass.
    """
    if graph is None or not _fades(graph):
        return []
    weights = [one.detach() for row in rows for one in row.weights.values() if one.ndim > 1 and one.numel()]
    if not any(_share(one[:_ROWS]) > _SHARE for one in weights[:_FEWEST]):
        return []
    found = [(float(one.abs().amax()), _share(one)) for one in weights]
    held = [(bound, share) for bound, share in found if share > _SHARE]
    if len(held) < max(_FEWEST, len(found) / 2) or len({bound for bound, _ in held}) > 1:
        return []
    bound, share = held[0][0], sum(share for _, share in held) / len(held)
    message = f"{len(held)} layers have weights clipped to ±{number(bound, 3)}: {percent(share)} lie exactly there"
    evidence = {"bound": bound, "share": share, "layers": len(held), "threshold": _SHARE}
    return [Finding(CLIPPED, "info", message, evidence, action=_ACTION)]


def _fades(graph: ModuleGraph) -> bool:
    """Whether the gradient at some layer is far below that at another."""
    sizes = [graph.rms(v) for v in range(len(graph)) if graph.weighted[v]]
    sizes = [one for one in sizes if math.isfinite(one)]
    return bool(sizes) and min(sizes) < _FADED * max(sizes)


def _share(weights: Tensor) -> float:
    """Return the share of the weights that are as large as the largest."""
    sizes = weights.abs()
    return float((sizes == sizes.amax()).double().mean())
