"""A learning rate that is cut though the loss falls, as by ReduceLROnPlateau that looks the wrong way."""

import math

from torch import Tensor

from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord
from gradwidgets.core.results.wording import number

_CUTS, _CHANGE = 2, 0.99  # of the rate, at least; times the rate before
_LOSSES = 4  # up to the first cut
_CLEARLY = 2.0  # standard errors

WRONG_WAY = (
    'ReduceLROnPlateau with mode="max" takes a loss that falls for one that is level: give it mode="min". If it has '
    "that, its patience is counted in calls, and the losses of single batches waver: call it once an epoch, with the "
    "mean, or give it a larger patience and a threshold."
)


def cut_while_falling(judged: JudgedRecord) -> str:
    """How the rate was cut again and again though the loss fell, in words that follow a message; else "".

    A scheduler of steps or epochs leaves its first rate in the optimizer, and then this is nothing of it.
    """
    history, (steps, values) = judged.history, judged.losses
    if history.rates is None or float(history.rule.get("initial", 0.0)) > 0 or not bool(history.rates.isfinite().all()):
        return ""
    change = history.rates[1:] / history.rates[:-1]
    cuts = (change < _CHANGE).nonzero().flatten().tolist()
    if len(cuts) < _CUTS or bool((change > 1 / _CHANGE).any()):
        return ""
    first = int(history.steps[cuts[0]])  # the last that is known to have the whole rate
    early = values[steps <= first]
    if len(early) < _LOSSES or not bool(early.isfinite().all()) or not _falls(early):
        return ""
    return (
        f"; nobody but a scheduler that goes by the loss, or a hand, does so, and it did so though the loss fell, from "
        f"{number(float(early[0]), 3)} to {number(float(early[-1]), 3)} by step {first:,}"
    )


def _falls(values: Tensor) -> bool:
    before, after = values.tensor_split(2)
    noise = math.hypot(*(float(one.std()) / math.sqrt(len(one)) for one in (before, after)))
    return float(before.mean() - after.mean()) > _CLEARLY * noise
