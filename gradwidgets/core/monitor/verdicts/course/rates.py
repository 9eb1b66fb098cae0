"""Learning rates that are too low: a warm-up that is far too long, or groups of layers that hardly move."""

from gradwidgets.core.monitor.verdicts.course.rate_turns import spacing
from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord, listed
from gradwidgets.core.monitor.verdicts.record_beginning import learns_nothing
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

_SAMPLES, _STEPS = 8, 100
_RISES = 3.0  # times the first learning rate
_SHORT = 0.1  # of the planned rate
_SELDOM, _OFTEN = 0.5, 4  # the same where the rate changes once in more steps than so many
_USUALLY = {True: 0.02, False: 0.99}  # the highest rate by design: of steps that are scaled to it, and of gradients
_APART = 1e-3  # of the largest rate: with less, a layer hardly moves
_PART = 0.3  # of the layers


def warming(judged: JudgedRecord) -> list[Finding]:
    """A warm-up that is far from its end when the record ends: the rate rises throughout, and is still very low."""
    history, (begins, rates) = judged.history, judged.rate_course
    planned = float(history.rule.get("initial", 0.0))
    if not len(rates) or judged.samples < _SAMPLES or judged.steps < _STEPS or judged.takes_turns or not planned > 0:
        return []
    if planned > _USUALLY[bool(history.rule.get("scaled"))] or not bool((rates.diff() >= 0).all()):
        return []  # a nominal rate that the schedule multiplies by a small number, or no warm-up
    last = float(rates[-1])
    each = spacing(begins)
    if not last > _RISES * float(rates[0]) or not last < (_SELDOM if each > _OFTEN else _SHORT) * planned:
        return []
    still = learns_nothing(judged)
    full = int(float(f"{planned / last * int(begins[-1]):.1e}"))
    message = (
        f"the learning rate is still in its warm-up when the record ends: it rises throughout, to {number(last, 2)}, "
        f"{percent(last / planned)} of the {number(planned, 2)} that the optimizer was given; at this pace it is there "
        f"at about step {full:,}, and the training has {judged.steps:,}"
    )
    action = (
        "Make the warm-up a few hundredths of the training, counted as scheduler.step() is called, once a step or once "
        "an epoch."
    )
    if each > 1:
        message += f"; the rate changes once in {each:,} steps"
    if not still:
        action = f"If the training goes on for that long, all is well. Else: {action[0].lower()}{action[1:]}"
    evidence = {"planned": planned, "at last": last, "threshold": _SHORT, "full at step": full}
    return [Finding("warming", "warning" if still else "info", message, evidence, action=action)]


def slow_groups(judged: JudgedRecord) -> list[Finding]:
    """Groups of layers whose learning rate is a thousandth of another's or less, and a loss that does not fall."""
    history = judged.history
    shares, rates = history.rule.get("shares", {}), history.rates
    slow = {name: float(share) for name, share in shares.items() if share <= _APART}
    where = tuple(column for column in judged.weighted if history.layers[column] in slow)
    if rates is None or judged.steps < _STEPS or len(where) < max(2, _PART * len(judged.weighted)):
        return []
    if not learns_nothing(judged):
        return []
    most = judged.highest_rate
    least = min(slow.values())
    of_each = ", ".join(f"{name} {number(most * share, 1)}" for name, share in list(slow.items())[:3])
    message = (
        f"the groups' learning rates are decades apart, from {number(most * least, 1)} to {number(most, 2)}: "
        f"{listed(judged.names(list(where)))} hardly move ({of_each}), and hardly anything is learned"
    )
    action = (
        "Give the lower layers a larger rate: a factor of 0.7 to 0.9 from layer to layer is usual, and with ten layers "
        "the first still has some hundredths of the last one's. Layers that are to stay as they are, freeze."
    )
    evidence = {"layers": judged.names(list(where)), "lowest": most * least, "highest": most, "threshold": _APART}
    return [Finding("slow_groups", "warning", message, evidence, where, action)]
