"""A learning rate that is raised during the training, after which the loss rises."""

import math

import torch
from torch import Tensor

from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number

_SAMPLES, _LOSSES, _PARTS = 8, 40, 10
_RAISED = 3.0  # times the rate at which the loss was best: a warm-up's last steps raise it by less
_AT_ONCE = 0.7  # of the way, on a logarithmic scale, from one sample to the next
_LOST = 1.5  # times the best level
_NEAR = 1.25  # times the lowest level: the last loss that is still about there
_FEW = 3  # samples just before the lowest loss, the last of which may be raised already
_GONE = 0.3  # of what was gained


def raised_rate(judged: JudgedRecord) -> list[Finding]:
    """A rate that rises far above the one at which the loss was lowest, and a loss that rises from then on."""
    history, (steps, values) = judged.history, judged.losses
    rates = history.rates
    if rates is None or judged.samples < _SAMPLES or len(values) < _LOSSES or judged.takes_turns:
        return []
    if not bool((rates.isfinite() & (rates > 0)).all()):
        return []
    best, level = _best(values)
    if best is None or not _is_lost(values, level):
        return []
    until = int(steps[best])
    earlier = history.steps < until  # a loss is computed before its step
    before, after, at = rates[earlier], rates[~earlier], history.steps[~earlier]
    was = float(before[-_FEW:].min()) if len(before) else math.inf
    if not len(after) or not float(after.max()) > _RAISED * was:
        return []
    begun = float(rates[0])
    return [_told(begun, was, torch.cat((torch.tensor([was], dtype=rates.dtype), after)), at, until)]


def _best(values: Tensor) -> tuple[int | None, float]:
    """The last loss of the part where it was lowest, and the level there; None where that is the end, or unknown."""
    parts = values.tensor_split(_PARTS)
    known = [float(one.median()) if bool(one.isfinite().all()) else math.inf for one in parts]
    lowest = min(range(_PARTS), key=known.__getitem__)
    if lowest == _PARTS - 1 or not 0 < known[lowest] < math.inf:
        return None, math.nan
    level, end = known[lowest], sum(len(one) for one in parts[: lowest + 1])
    low = (values[:end] <= _NEAR * level).nonzero().flatten()
    return int(low[-1]), level


def _is_lost(values: Tensor, level: float) -> bool:
    first, last = values[: max(1, len(values) // _PARTS)], values[-len(values) // _PARTS :]
    end, begun = float(last.median()) if bool(last.isfinite().all()) else math.inf, float(first.median())
    return end > max(_LOST * level, level + _GONE * (begun - level))


def _told(begun: float, was: float, rates: Tensor, at: Tensor, until: int) -> Finding:
    ratios = rates[1:] / rates[:-1]
    most = int(ratios.argmax())
    low, high = float(rates[most]), float(rates[most + 1])
    evidence: dict[str, float] = {"rate at the lowest loss": was, "highest": float(rates.max()), "until step": until}
    if math.log(high / low) > _AT_ONCE * math.log(float(rates.max()) / was):
        earlier = int(at[most - 1]) if most else until
        where = f"between steps {earlier:,} and {int(at[most]):,}"
        evidence["step"] = int(at[most])
        message = f"the learning rate is raised at once, from {number(low, 2)} to {number(high, 2)}, {where}"
        action = (
            "Look for what sets it there: optimizer.load_state_dict, which brings back the rate of the run that was "
            "saved, a scheduler that is made a second time, or an assignment to a group's lr. Keep it at about "
            f"{number(was, 2)}, or lower."
        )
    else:
        message = (
            f"the learning rate goes up from {number(begun, 2)} to "
            f"{number(float(rates.max()), 2)} in the course of the training"
        )
        action = (
            "Look at the schedule: a gamma above 1, a warm-up whose last factor is too high or that never ends, a "
            f"search for a learning rate that is left on. Let it go up to about {number(was, 2)} at most."
        )
    message += f", and the loss, at its lowest about step {until:,} with a rate of {number(was, 2)}, is lost by it"
    return Finding("raised_rate", "warning", message, evidence, action=action)
