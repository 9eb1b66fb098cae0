"""A gradient that is exactly 0 from some step on: nothing is left to learn, or nothing can be learned."""

import math
from collections.abc import Callable

from torch import Tensor

from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord
from gradwidgets.core.monitor.verdicts.record_jumps import now_from
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

_MOSTLY, _HALF = 0.8, 0.5  # of the samples since then
_MORE_THAN_HALF = 0.6  # of the samples, where the loss keeps one value
_LITTLE = 1e-3  # of the largest norm before, for the samples that are not exactly 0
_SAMPLES, _FEW = 5, 3  # samples since then; the same where the loss also keeps one value
_STILL = 0.02  # of its level
_LONG = 1 / 4  # of the steps
_LOSSES = 8  # since then
_LOST = 3.0  # times the first loss: above that, the steps before have made it so high
_FALLEN = 0.7  # of the first loss: if it is lower by that much, everything may have been learned


def gone(judged: JudgedRecord) -> list[Finding]:
    """A gradient that has become exactly 0, with a loss that is hardly below its first value."""
    since = _gone_since(judged, _is_gone) or _still_since(judged)
    levels = None if since is None else _levels(judged, since)
    if since is None or levels is None or _has_fallen(*levels) or not levels[1] <= _LOST * abs(levels[0]):
        return []
    share = float((judged.total[judged.history.steps >= since] == 0).double().mean())
    first, now = levels
    late = judged.total[judged.history.steps >= since]
    few = " and next to nothing at the others," if _are_little(judged.total, late) else " with a jolt at the others,"
    others = "" if share == 1 else few
    message = (
        f"from about step {since:,} on the gradient is exactly 0 in every layer, at {percent(share)} of the samples,"
        f"{others} and the loss stays at {number(now, 3)} ({number(first, 3)} at first): nothing is learned any more"
    )
    action = (
        "Look at what has no slope where it has come to: outputs that are all alike (embeddings at one point, whose "
        "distances are 0), a ReLU or a clamp at the end that gives one value for all. Start again and do not get "
        f"there: a lower learning rate{now_from(judged)}, a warm-up; normalised embeddings, no ReLU at the end."
    )
    evidence = {"step": since, "share of samples": share, "threshold": _HALF, "at first": first, "at last": now}
    return [Finding("no_gradient", "error", message, evidence, tuple(judged.weighted), action)]


def is_met(judged: JudgedRecord) -> bool:
    """Whether the loss has fallen as far as it can, so that a gradient of 0 is right."""
    since = _gone_since(judged, lambda before, zero, late: float(zero.double().mean()) >= _MOSTLY)
    levels = None if since is None else _levels(judged, since)
    return levels is not None and _has_fallen(*levels)


def _still_since(judged: JudgedRecord) -> int | None:
    """The step from which on gradients are gone at fewer of the samples, while the loss keeps one value."""
    since = _gone_since(judged, lambda before, zero, late: float(zero.double().mean()) >= _MORE_THAN_HALF)
    return since if since is not None and _stands_still(judged, since) else None


def _is_gone(before: Tensor, zero: Tensor, late: Tensor) -> bool:
    share = float(zero.double().mean())
    return share >= _MOSTLY or (share >= _HALF and _are_little(before, late))


def _are_little(before: Tensor, late: Tensor) -> bool:
    return float(late.max()) <= _LITTLE * float(before.nan_to_num(nan=0.0).max())


def _gone_since(judged: JudgedRecord, is_gone: Callable[[Tensor, Tensor, Tensor], bool]) -> int | None:
    """The sampled step from which on gradients are gone; None where there is none.

    Args:
        judged: The record.
        is_gone: Called with the norms before, whether each later one is exactly 0, and the later norms.
    """
    zero = judged.total == 0
    if judged.takes_turns or not bool((judged.total > 0).any()) or judged.history.rounded.get("type") == "float16":
        return None
    for k in range(1, judged.samples - _FEW + 1):
        enough = k <= judged.samples - _SAMPLES or _stands_still(judged, int(judged.history.steps[k]))
        if enough and bool(zero[k]) and is_gone(judged.total[:k], zero[k:], judged.total[k:]):
            since = int(judged.history.steps[k])
            return since if judged.steps - since + 1 >= _LONG * judged.steps else None
    return None


def _stands_still(judged: JudgedRecord, since: int) -> bool:
    """Whether the loss keeps one value from a step on."""
    steps, values = judged.losses
    late = values[steps >= since]
    return len(late) >= _LOSSES and float(late.std()) <= _STILL * abs(float(late.mean()))


def _levels(judged: JudgedRecord, since: int) -> tuple[float, float] | None:
    """The first loss, and the level since a step; None where they are unknown."""
    steps, values = judged.losses
    late: Tensor = values[steps >= since]
    if len(late) < _LOSSES or not bool(late.isfinite().all()) or not math.isfinite(float(values[0])):
        return None
    return float(values[0]), float(late.mean())


def _has_fallen(first: float, now: float) -> bool:
    return first - now >= _FALLEN * abs(first)
