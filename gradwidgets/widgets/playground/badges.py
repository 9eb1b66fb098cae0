"""How each descent ended, in a badge for each loss, and where lr's limit stands on its rail."""

from __future__ import annotations

import math
from collections.abc import Mapping

from gradwidgets.core import Outcome, Stability
from gradwidgets.core.results.wording import number
from gradwidgets.figures.base.style import Style, loss_line
from gradwidgets.widgets.panel.words import Badge
from gradwidgets.widgets.playground.problem import Result
from gradwidgets.widgets.playground.swatches import variables

_HIGHER = 1e-3  # of the loss's fall: an end so much above the lowest minimum is in another valley


def badges(result: Result, style: Style) -> tuple[Badge, ...]:
    """Return how each descent ended."""
    names = list(result.outcomes)
    made = []
    for position, (name, outcome) in enumerate(result.outcomes.items()):
        severity, sign, title, figure = _ended(outcome, result.settings.steps, _above(result, name))
        look = variables(*loss_line(name, position, style, alone=len(names) == 1))
        made.append(Badge(severity, title, number=figure, sign=sign, name=name, style=look))
    return tuple(made)


def lr_limit(stabilities: Mapping[str, Stability | None]) -> tuple[float, str] | None:
    """Return the least of the largest stable learning rates, and whose it is in words; None if there is none."""
    limits = {
        name: found.lr_limit
        for name, found in stabilities.items()
        if found is not None and found.lr_limit is not None and 0 < found.lr_limit < math.inf
    }
    if not limits:
        return None
    least = min(limits, key=lambda name: limits[name])
    whose = f"{least} stable" if len(stabilities) > 1 else "stable"
    return limits[least], f"{whose} up to {number(limits[least], 3)}"


def _above(result: Result, name: str) -> float:
    """How far above the lowest known minimum a descent ended, 0 if it is in that valley."""
    lowest, end = result.lowest[name], result.outcomes[name].loss
    if lowest is None or not math.isfinite(end):
        return 0.0
    fall = float(result.trajectories[name].losses[0]) - lowest
    return end - lowest if end - lowest > _HIGHER * abs(fall) else 0.0


def _ended(outcome: Outcome, steps: int, above: float) -> tuple[str, str, str, str]:
    """Return severity, sign, word and number of an end."""
    if outcome.kind == "diverged":
        if math.isnan(outcome.loss) or outcome.step == 0:
            return "error", "✕", "no loss" if outcome.step == 0 else "NaN", f"step {outcome.step}"
        return "error", "↗", "diverges", f"step {outcome.step}"
    if outcome.kind == "oscillating":
        return "warning", "∿", "oscillates", f"± {number(outcome.amplitude, 1)}"
    if outcome.kind == "converged":
        if above:
            return "warning", "▲", "higher minimum" if outcome.step else "stands still", f"+ {number(above, 2)}"
        return "ok", "✓", "arrived" if outcome.step else "stands still", f"step {outcome.step}"
    if steps == 0 or outcome.amplitude == 0:
        return "info", "◷", "not begun" if steps == 0 else "stands still", ""
    left = "" if outcome.distance is None else f"{number(outcome.distance, 2)} left"
    return "info", "◷", "moving", left
