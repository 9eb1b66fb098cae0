"""Weight decay that outweighs the gradient: weights shrink to a part of what they were, though the loss may fall."""

from typing import Any

import torch
from torch import Tensor

from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord, listed
from gradwidgets.core.results.finding import Finding, Severity
from gradwidgets.core.results.wording import number, percent

_SAMPLES, _LOSSES = 8, 16
_STRONG, _FAST = 2e-2, 1e-2  # a decay that is added to the gradient; lr · decay of one that is not
_PULL = 0.5  # times the gradient, in the first quarter or in the latter half
_SHRUNK, _MOST = 0.5, 0.5  # of what weights were; of the layers that are decayed
_LEFT, _LEARNED = 0.2, 0.05  # of the loss at first, or of a guess: less is left where it is learned all the same
_LEVEL = 0.95  # of the quarter before


def outweighed(judged: JudgedRecord) -> list[Finding]:
    """Most decayed layers have shrunk, and the decay's part of the step was as large as the gradient's."""
    history, (_, values) = judged.history, judged.losses
    if history.decays is None or history.rates is None or not history.rule or judged.takes_turns:
        return []
    if judged.samples < _SAMPLES or len(values) < _LOSSES or not bool(values.isfinite().all()):
        return []
    most, rate = float(history.decays.nanmedian()), float(history.rates.nanmedian())
    if not rate > 0 or not most >= (_FAST / rate if history.rule.get("decoupled") else _STRONG):
        return []
    decays = _decays(judged, most)
    decayed = [column for column in judged.weighted if decays[column] > 0]
    left = history.weight_norm[-1] / history.weight_norm[0]
    shrunk = [column for column in decayed if float(left[column]) < _SHRUNK]
    times = _times(judged, decays, shrunk) if shrunk else 0.0
    first, last = float(values[0]), float(values[-max(1, len(values) // 10) :].median())
    share = last / min(first, judged.guess if judged.guess == judged.guess else first) if first > 0 else 0.0
    if len(shrunk) <= _MOST * len(decayed) or not times >= _PULL or not share > _LEARNED:
        return []
    severity: Severity = "warning" if share > _LEFT else "info"
    return [_told(judged, shrunk, decays, times, (first, last), severity)]


def _decays(judged: JudgedRecord, most: float) -> Tensor:
    """Each layer's weight decay, (L,)."""
    own = judged.history.rule.get("decays", {})
    return torch.tensor([own.get(name, most) for name in judged.history.layers], dtype=torch.float64)


def _times(judged: JudgedRecord, decays: Tensor, columns: list[int]) -> float:
    """How many times the gradient the decay is: in the first quarter, or in the latter half if it is more there."""
    history, count = judged.history, judged.samples
    pull = (decays * history.weight_norm)[:, columns].square().nansum(1).sqrt()
    gradient = history.norm[:, columns].square().nansum(1).sqrt()
    parts = slice(max(1, count // 4)), slice(count // 2, None)
    return max(float((pull[some] / gradient[some]).nanmedian()) for some in parts)


def _told(
    judged: JudgedRecord, shrunk: list[int], decays: Tensor, times: float, ends: tuple[float, float], severity: Severity
) -> Finding:
    weights = judged.history.weight_norm[:, shrunk].square().nansum(1).sqrt()
    begun, end, names = float(weights[0]), float(weights[-1]), judged.names(shrunk)
    own = sorted({float(decays[column]) for column in shrunk})
    strong = " and ".join(number(one, 2) for one in own)
    *_, before, last = judged.losses[1].tensor_split(4)
    level = ", and falls no more" if float(last.mean()) > _LEVEL * float(before.mean()) else ""
    verb = "outweighs" if times > 1 else "is about as strong as"
    message = (
        f"weight decay {verb} the gradient: with {strong} its part of a step is up to {number(times, 2)} times the "
        f"gradient's, and the weights of {listed(names)} shrink from a norm of {number(begun, 3)} to "
        f"{number(end, 3)}, {percent(end / begun)} of it; the loss is {number(ends[1], 3)} ({number(ends[0], 3)} at "
        f"first){level}"
    )
    rule, lower = judged.history.rule, number(own[-1] / 10, 2)
    action = f"Lower weight_decay to {lower} or less"
    if not rule.get("decoupled"):
        action += " (1e-4 is usual); in AdamW it is not added to the gradient, and 0.01 is usual there"
    evidence: dict[str, Any] = {
        "weight decay": own[-1],
        "times the gradient": times,
        "norm at first": begun,
        "norm at last": end,
    }
    evidence |= {"layers": names, "threshold": _PULL, "at first": ends[0], "at last": ends[1]}
    return Finding("decay", severity, message, evidence, tuple(shrunk), f"{action}.")
