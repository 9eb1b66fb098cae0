"""Rows of the table whose values or gradients are out of all proportion to the loss, and the finding on them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch

from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, place
from gradwidgets.core.surfaces.patterns.look import Look
from gradwidgets.core.surfaces.probe import ProbeRow

OUT = "out of all proportion"
# Times the loss's change over the view: beside a larger number float32 cannot show that change.
_MOST = 1 / torch.finfo(torch.float32).eps
_ACTION = "Does training get there? Keep it away, by a bound or a larger eps, or clip the gradient."


def marked(rows: Iterable[ProbeRow], look: Look) -> list[ProbeRow]:
    """Return the rows, with a flag for those out of all proportion that have none.

    Args:
        rows: The table.
        look: The surface, with the precision of the training.
    """
    return [row if row.flag else replace(row, flag=_flag(row, look)) for row in rows]


def worst_of(rows: Sequence[ProbeRow], look: Look) -> Finding | None:
    """The finding on the worst of the marked rows; None if there is none."""
    out = [row for row in rows if row.flag == OUT or row.flag.startswith("overflows")]
    if not out:
        return None
    worst = max(out, key=lambda row: max(_times(row, look)))
    of_loss, of_slope = _times(worst, look)
    point, times = tuple(worst.inputs.values()), max(of_loss, of_slope)
    what, over = f"loss is {number(worst.loss)}", "over most of the view"
    if of_slope >= of_loss:
        what = f"gradient for {worst.parameter} is {number(worst.gradient)}"
        over = "over the view, and a step from there leads anywhere"
    message = f"at {place(worst.inputs, point)} the {what}: {number(times)} times what the loss changes {over}"
    evidence = {"times the loss's change": times, "threshold": _MOST}
    return Finding("precision", "info", message, evidence, point, _ACTION)


def _flag(row: ProbeRow, look: Look) -> str:
    if math.isfinite(row.loss) and max(abs(row.loss), abs(row.gradient)) > torch.finfo(look.dtype).max:
        return f"overflows in {str(look.dtype).removeprefix('torch.')}"
    return OUT if max(_times(row, look)) > _MOST else ""


def _times(row: ProbeRow, look: Look) -> tuple[float, float]:
    """A row's loss above the lowest, and its slope over the view, in multiples of the loss's change over the view."""
    if not look.height > 0:
        return 0.0, 0.0
    width = float(look.spans[look.names.index(row.parameter)])
    above, slope = (row.loss - look.lowest) / look.height, abs(row.gradient) * width / look.height
    return max(0.0, _or_zero(above)), _or_zero(slope)


def _or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value
