"""Losses that jump in the first steps and do not come back, or swing because of a large momentum."""

import math

from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord, at_last, first_and_last
from gradwidgets.core.monitor.verdicts.steps.record_sums import many_passes
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number

_LOSSES = 12
_JUMP = 2.0  # times what a guess costs, or the first loss
_FIRST = 20, 0.1  # steps, or of the record
_SETTLES = 0.5  # of the highest loss, below which it comes down again: one that only rises is another fault
_NEAR = 0.4, 2.5  # times what a guess costs: where a model without knowledge begins
_NOTHING = 0.9  # of the cost of a guess
_LONG = 0.99  # momentum: the memory of a hundred steps
_SWINGS = 1.5  # times the lowest level so far
_LEFT = 0.3  # of the first loss, to which a swing must come back


def jumped(judged: JudgedRecord) -> list[Finding]:
    """A loss that goes far above a guess within the first steps, and stays at the level of a guess from then on."""
    _, values = judged.losses
    guess = judged.likely_guess
    if len(values) < _LOSSES or judged.takes_turns or not bool(values.isfinite().all()) or not guess > 0:
        return []
    first, early = float(values[0]), values[: max(_FIRST[0], int(_FIRST[1] * len(values)))]
    if not _NEAR[0] * guess < first < _NEAR[1] * guess:
        return []
    # The lower of two consecutive losses, since a single batch may be unusual.
    pairs = early.unfold(0, 2, 1).min(1).values
    top = float(pairs.max())
    few = max(3, len(values) // 4)
    end = float(values[-few:].median())
    if not top > _JUMP * max(guess, first) or not _NOTHING * guess < end < _SETTLES * top:
        return []
    if not float(values.min()) > _LEFT * guess:
        return []
    at, highest = int(judged.losses[0][int(early.argmax())]), float(early.max())
    message = (
        f"the loss goes from {number(first, 3)} to {number(highest, 3)} by step {at:,}, and is {at_last(values, few)}"
        f", no better than a guess, which costs {number(guess, 3)}: the first steps have thrown the weights out of "
        "all proportion"
    )
    evidence = {"at first": first, "highest": highest, "at last": end, "guess": guess, "threshold": _JUMP}
    action = f"{many_passes(judged)}Lower the learning rate{now_from(judged)}, tenfold at first, or warm it up; clip."
    return [Finding("diverging", "warning", message, evidence, action=action)]


def now_from(judged: JudgedRecord) -> str:
    """The words " from …" with the present learning rate; "" where it is unknown."""
    rate = judged.highest_rate
    return f" from {number(rate, 2)}" if rate > 0 else ""


def momentum(judged: JudgedRecord) -> list[Finding]:
    """A loss that swings up again, with a momentum whose memory is a hundred steps or more."""
    rule, (_, values) = judged.history.rule, judged.losses
    share = float(rule.get("momentum", 0.0))
    if not _LONG <= share < 1 or len(values) < 2 * _LOSSES:
        return []
    finite = values[values.isfinite()]
    first, last = first_and_last(values)
    # The levels of the record's tenths.
    levels = [float(part.median()) for part in finite.tensor_split(min(10, len(finite)))]
    lows = [min(levels[: k + 1]) for k in range(len(levels))]
    rises = max((now / low for now, low in zip(levels[1:], lows[:-1], strict=True) if low > 0), default=0.0)
    lost = not math.isfinite(last)
    if not lost and not (rises > _SWINGS and max(levels[1:]) > _LEFT * first):
        return []
    if not lost and levels[-1] <= _LEFT * min(levels[0], first):
        return []  # the loss has fallen all the same
    steps = 1 / (1 - share)
    message = (
        f"with a momentum of {share:g} a gradient goes on for about {number(steps, 2)} steps, and the training has "
        f"{judged.steps:,}: the loss swings, from {number(first, 3)} down to {number(min(levels), 3)} and up to "
        f"{number(max(levels[1:]), 3)}; it is {number(last, 3)} at the end"
    )
    evidence = {"momentum": share, "levels": levels, "threshold": _LONG, "at first": first, "at last": last}
    action = "Take a momentum of 0.9"
    if rule.get("plain") and (rates := judged.history.rates) is not None and float(rates[-1]) > 0:
        action += f" (a step is then about {number(0.1 / (1 - share), 2)} times shorter in the long run)"
    return [Finding("momentum", "warning", message, evidence, action=f"{action}, and only then look at the rate.")]
