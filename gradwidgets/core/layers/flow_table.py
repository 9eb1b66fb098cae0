"""A pass as a table of plain text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gradwidgets.core.wording import number, percent

if TYPE_CHECKING:
    from gradwidgets.core.layers.stats import LayerFlow, LayerStats

_HEAD = ("layer", "kind", "depth", "weights", "gradient", "output", "its gradient", "dead", "")


def flow_table(flow: LayerFlow) -> str:
    """A line for each layer, sizes as root mean squares, then the loss and the notes.

    Args:
        flow: What was measured.
    """
    rows = [_HEAD, *(_row(layer) for layer in flow.layers)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(_HEAD) - 1)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    ]
    facts = [f"loss {number(flow.loss)}; sizes are root mean squares", *flow.notes]
    return "\n".join([line.rstrip() for line in (*lines, *facts)])


def _row(layer: LayerStats) -> tuple[str, ...]:
    gradient = number(layer.weight_grad_rms, 3) if layer.gradient == "measured" else layer.gradient
    return (
        layer.name,
        layer.kind,
        str(layer.depth) if layer.weights and layer.depth else "",
        _size(layer.weight_rms),
        "" if layer.gradient == "no weights" else gradient,
        _size(layer.activation_rms),
        _size(layer.activation_grad_rms),
        "" if math.isnan(layer.dead_fraction) else percent(layer.dead_fraction),
        layer.note,
    )


def _size(value: float) -> str:
    return "" if math.isnan(value) else number(value, 3)
