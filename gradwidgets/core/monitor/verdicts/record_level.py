"""A loss that is level for most of a training, that has risen, or that is above what a guess costs."""

import math

from torch import Tensor

from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord
from gradwidgets.core.monitor.verdicts.steps.record_schedule import lower_rate
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number

_LOSSES = 60
_PARTS = 10
_MOST = 4  # parts of these at most, before it is level
_ALIKE = 0.03  # of the level
_NOISE = 3.0  # standard errors
_SOLVED = 0.02  # of the highest part: a level this low is a good end
_RISEN = 0.1  # of the loss
_STAYS = 3  # parts at the end that are above the first
_BEGINS = 0.6, 1.6  # times what a guess costs: where a mean cross-entropy of a new model begins
_ABOVE, _LEARNED, _FALLS = 1.1, 0.95, 0.9  # times what a guess costs, twice; times what it was a quarter before
_NEAR = 0.1  # of a guess: how near to it a loss of these classes begins
_STEPS = 80


def level(judged: JudgedRecord) -> str:
    """Words for a loss that has risen, or has been level for most of the steps; "" for any other."""
    steps, values = judged.losses
    if len(values) < _LOSSES or not bool(values.isfinite().all()):
        return ""
    parts, begins = values.tensor_split(_PARTS), steps.tensor_split(_PARTS)
    last = values[-len(values) // 4 :]
    end, spread, first = float(last.mean()), float(last.std()), float(parts[0].mean())
    if not bool(values.any()):
        return "the loss that was noted is exactly 0 at every step"
    clearly = max(_RISEN * max(abs(first), abs(end)), _NOISE * math.hypot(_of_mean(parts[0]), _of_mean(last)))
    if end - first > clearly and all(float(one.median()) - first > clearly / 2 for one in parts[-_STAYS:]):
        return f"the loss has risen from {number(first, 3)} to {number(end, 3)}"
    if spread >= abs(end) or abs(end) < _SOLVED * max(abs(float(one.mean())) for one in parts):
        return ""
    since = next((k for k in range(_MOST + 1) if _is_level(parts[k:], end, spread)), None)
    if since is None:
        return ""
    when = f"since about step {int(begins[since][0]):,}" if since else "throughout"
    return f"the loss has been level at about {number(end, 3)} {when}"


def _is_level(parts: tuple[Tensor, ...], end: float, spread: float) -> bool:
    """Whether each part is near the level of the end, and the latter half is no lower than the first half."""
    near = all(
        abs(float(one.mean()) - end) <= max(_ALIKE * abs(end), _NOISE * spread / math.sqrt(len(one))) for one in parts
    )
    middle = len(parts) // 2
    earlier, later = ([float(one.mean()) for one in some] for some in (parts[:middle], parts[middle:]))
    fallen = sum(earlier) / len(earlier) - sum(later) / len(later)
    count = len(parts[0]) * middle
    return near and fallen <= max(_ALIKE / 2 * abs(end), 2 * spread / math.sqrt(count))


def above_a_guess(judged: JudgedRecord) -> list[Finding]:
    """A cross-entropy that begins at the cost of a guess, rises above it and stays there."""
    steps, values = judged.losses
    guess = _guess(judged)
    if len(values) < _LOSSES or not guess > 0 or int(steps[-1]) < _STEPS or not bool(values.isfinite().all()):
        return []
    if judged.is_of_a_critic:
        return []
    *_, before, last = values.tensor_split(4)
    low = min(float(one.mean()) for one in values.tensor_split(_PARTS))
    means = float(before.mean()), float(last.mean())
    above = all(float(one.mean()) > max(_ABOVE * guess, guess + _NOISE * _of_mean(one)) for one in (before, last))
    if not above or means[1] < _FALLS * means[0] or low < _LEARNED * guess:
        return []
    if not _BEGINS[0] * guess < float(values[0]) < _BEGINS[1] * guess:
        return []  # a sum, or a loss of several parts
    message = (
        f"the loss stays at {number(means[1], 3)}, above the {number(guess, 3)} that guessing costs, which looks at no "
        "input"
    )
    action = (
        "Check whether the data are shuffled (batches that hold one class after the other undo each other), at the "
        "learning rate, and at labels against inputs."
    )
    evidence = {"loss": means[1], "guess": guess, "threshold": _ABOVE, "at first": float(values[0])}
    if not judged.kind:  # the values alone do not show what the loss compares
        message = f"if it is a cross-entropy of {judged.history.outputs} classes, {message}"
        return [Finding("guessing", "info", message, evidence, action=lower_rate(judged) or action)]
    return [Finding("guessing", "warning", message, evidence, action=lower_rate(judged) or action)]


def _guess(judged: JudgedRecord) -> float:
    """The cost of a guess in the latter half of the batches; NaN where the loss may be something else."""
    other = {"sum", "penalty", "negated"} & set(judged.history.of_loss)
    if judged.kind not in ("", "classes") or other or judged.takes_turns:
        return math.nan
    if not judged.kind and not _begins_at(judged, judged.likely_guess):
        return math.nan
    costs = judged.costs.get("frequencies")
    known = math.nan if costs is None else float(costs[len(costs) // 2 :].nanmean())
    return max(judged.likely_guess, known) if known == known else judged.likely_guess


def _begins_at(judged: JudgedRecord, guess: float) -> bool:
    """Whether the first losses are about those of a model that only guesses."""
    _, values = judged.losses
    return len(values) >= 3 and abs(float(values[:3].median()) - guess) < _NEAR * guess


def _of_mean(values: Tensor) -> float:
    """The standard error of a mean."""
    return float(values.std()) / math.sqrt(len(values))
