"""The loss over a training: at the level of guessing, or on its way up."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from gradwidgets.core.monitor.verdicts.course.rise_causes import cause_of_rise
from gradwidgets.core.monitor.verdicts.course.sum_rises import ONE_BY_ONE, why_no_runaway
from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord, at_last, first_and_last, medians
from gradwidgets.core.monitor.verdicts.record_jumps import now_from
from gradwidgets.core.monitor.verdicts.steps.record_schedule import lower_rate, raise_rate
from gradwidgets.core.monitor.verdicts.steps.record_steps import steps_are_small
from gradwidgets.core.monitor.verdicts.steps.record_sums import many_passes
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

_NEAR = 0.05  # of ln(classes)
_STILL = 0.03  # of the loss, by which it may have fallen
_BELOW = 0.005  # of ln(classes): unequal classes allow a loss this much lower
_WAVERS = 0.05  # of ln(classes): for a model that knows nothing every label costs about the same
_FIRST_FEW = 3  # losses
_AMONG = 0.02  # of ln(samples of a batch)
_LONG = 80  # steps, for a verdict on learning nothing
_LOSSES = 16  # noted
_UP = 10.0  # times the start, or times the lowest if it is twice the start
_CLIMBS = 2.0  # times the start, for a loss that never came down again
_LEFT = 0.5  # of the start: where more is left after a peak, nothing was gained by it
_TOP = 5  # losses in a row that make a peak
_JUST, _NEARLY = 10, 3  # losses just before a leap; steps before it that may have caused it
_AT = 0.03  # of the cost of a guess by the frequencies
_CLEARLY = 2.0  # standard errors, to be below or to fall
_LITTLE = 1e-3  # of the cost of a guess, which is not known more exactly
_PART = 5  # losses in each third of those that are looked at
_SEVERAL = 8  # samples in a batch: with fewer a record must be longer
_HARDLY = 1e-2  # of the loss: with a smaller spread it does not vary
_HARDLY_BELOW = 0.03  # of a guess
_NEGATIVE = 0.1  # of the loss at first, below 0
_HARDER, _KNOWS = 1.5, 0.9  # times what a guess costs at first; of what it costs at last

_IF_HARDER = "If the task was made harder on the way, all is well; if not, lower the learning rate."
_IF_UPHILL = (
    "Lower the learning rate; if it rises by shorter steps all the same, look for a wrong sign. If the task "
    "was made harder on the way, all is well."
)
_IF_RIVALS = (
    "Of two that train against each other what the one learns is the other's loss: look at what is made, and as long "
    "as that becomes better, all is well. Else hold the other one back: a lower learning rate, fewer steps."
)
_BY_HEART = "Else lower the learning rate; try to overfit one batch; look at labels against inputs."
_CHANCES = {
    "frequencies": "guessing by the frequencies of the classes",
    "base rate": "guessing by the share of ones",
    "variance": "always guessing the targets' mean",
}


def guessing(judged: JudgedRecord) -> list[Finding]:
    """A loss that stays at ln(classes), the loss of a model that knows nothing."""
    classes = judged.known.classes or judged.history.outputs
    _, values = judged.losses
    if not _is_long(judged) or not judged.has_classes or judged.is_of_a_critic:
        return []
    classes = 2 if classes == 1 else classes  # one logit distinguishes two classes
    return (_at_logarithm(judged, values, classes) if classes > 1 else []) or _among_a_batch(judged, values)


def _among_a_batch(judged: JudgedRecord, values: Tensor) -> list[Finding]:
    """The same where each sample is to be found among all samples of its batch."""
    size, outputs = judged.history.size, judged.history.outputs
    told = judged.history.chance.get("labels", size)
    if size < _SEVERAL or size == outputs or told != size or judged.kind != "classes":
        return []
    if outputs > 1 and _begins_nearer(values, outputs, size):
        return []  # the loss is one of the outputs, and only passes that value
    if abs(float(values[len(values) // 2 :].mean()) - math.log(size)) > _AMONG * math.log(size):
        return []
    action = (
        "If each sample is to be found among those of its batch, check whether the two of a pair belong together (one "
        "side shuffled or drawn by itself), at the temperature, and whether all are given the same place; else look at "
        "labels against inputs."
    )
    return [
        replace(one, action=action) for one in _at_logarithm(judged, values, size, " samples, as many as a batch has,")
    ]


def _begins_nearer(values: Tensor, outputs: int, size: int) -> bool:
    """Whether the first losses are those of a guess among the outputs, and not among a batch."""
    first = float(values[:_FIRST_FEW].mean())
    off = abs(first - math.log(outputs))
    return off < _AT * math.log(outputs) and off < abs(first - math.log(size))


def _at_logarithm(judged: JudgedRecord, values: Tensor, classes: int, of: str = " classes") -> list[Finding]:
    chance = math.log(classes)
    means = [float(part.mean()) for part in values.tensor_split(4)]
    if max(abs(one - chance) for one in means[1:]) > _NEAR * chance or means[-1] < (1 - _STILL) * means[1]:
        return []
    last = values.tensor_split(4)[-1]
    if float(last.std()) > _WAVERS * chance:
        return []  # single samples, or no cross-entropy
    noise = 2 * float(last.std()) / math.sqrt(len(last))
    if means[-1] < chance - max(noise, _BELOW * chance):
        return []  # slow, but something is learned
    message = f"the loss stays at {number(means[-1], 3)}, which guessing among {classes}{of} has: ln {classes} = "
    message += number(chance, 3)
    evidence = {"loss": means[-1], "ln(classes)": chance, "threshold": _NEAR, "quarters": means}
    if classes == 2 and judged.kind in ("", "shares") and judged.is_of_several and judged.takes_turns:
        return [Finding("guessing", "info", message, evidence, action=_IF_RIVALS)]
    if passes := many_passes(judged):
        return [Finding("guessing", "warning", message, evidence, action=f"{passes}{_BY_HEART}")]
    return [Finding("guessing", "warning", message, evidence, action=lower_rate(judged) or raise_rate(judged))]


def by_frequencies(judged: JudgedRecord) -> list[Finding]:
    """A loss that stays, batch for batch, at the cost of a guess that looks at no input."""
    if not _is_long(judged):
        return []
    for name in judged.costs:
        values, costs = _later(judged, name)
        if _is_at(values, costs) and not _knows(values, costs):
            return [_at_chance(judged, name, values, costs)]
    return []


def _is_long(judged: JudgedRecord, times: int = 1) -> bool:
    """Whether there are enough losses, all of them finite, for a verdict on learning nothing."""
    steps, values = judged.losses
    if len(values) < _LOSSES or not bool(values.isfinite().all()):
        return False
    few = max(1, -(-_SEVERAL // judged.history.size)) if judged.history.size else 1  # samples in a batch
    return int(steps[-1] - steps[0]) + 1 >= times * few * _LONG


def _later(judged: JudgedRecord, name: str) -> tuple[Tensor, Tensor]:
    """The losses and costs of a guess in the latter half, or in the last three quarters of a short record.

    Before that, a model may be on its way to the level of a guess.
    """
    _, values = judged.losses
    begin = len(values) // (2 if _is_long(judged, 2) else 4)
    return values[begin:], judged.costs[name][begin:]


def _thirds(values: Tensor, costs: Tensor) -> list[Tensor]:
    """How far losses are above the cost of a guess, in thirds; empty where that cost is known at few of them."""
    thirds = [one[one.isfinite()] for one in (values - costs).tensor_split(3)]
    return thirds if all(len(one) >= _PART for one in thirds) else []


def _is_at(values: Tensor, costs: Tensor) -> bool:
    """Whether losses are at the cost of a guess."""
    thirds, level = _thirds(values, costs), float(costs.nanmean())
    near = [max(_AT * level, 3 * _of_mean(one)) for one in thirds]
    return bool(thirds) and all(
        abs(float(one.mean())) <= min(off, 2 * _AT * level) for one, off in zip(thirds, near, strict=True)
    )


def _knows(values: Tensor, costs: Tensor) -> bool:
    """Whether losses are below the cost of a guess, or fall."""
    thirds, level = _thirds(values, costs), float(costs.nanmean())
    if not thirds:
        return False
    whole, little = torch.cat(thirds), _LITTLE * level
    fallen, end = float(thirds[0].mean() - thirds[-1].mean()), float(thirds[-1].mean())
    # A loss that falls slightly towards a guess, from above, shows that guessing is learned.
    arrives = end > _of_mean(thirds[-1]) and fallen < 2 * _BELOW * level
    falls = fallen > max(_CLEARLY * math.hypot(_of_mean(thirds[0]), _of_mean(thirds[-1])), little)
    return float(whole.mean()) < -max(_CLEARLY * _of_mean(whole), little) or (falls and not arrives)


def _of_mean(values: Tensor) -> float:
    """The standard error of a mean."""
    return float(values.std()) / math.sqrt(len(values))


def _at_chance(judged: JudgedRecord, name: str, values: Tensor, costs: Tensor) -> Finding:
    chance = judged.history.chance
    known = costs.isfinite()
    loss, cost = float(values[known].mean()), float(costs[known].mean())
    message = f"the loss stays at {number(loss, 3)}, and {_CHANCES[name]} would cost {number(cost, 3)} in these batches"
    evidence: dict[str, object] = {"loss": loss, "guess": cost, "by": name, "threshold": _AT, **chance}
    if name == "frequencies":
        message += f" (the most frequent class has {percent(chance['largest share'])})"
    elif name == "base rate":
        message += f" ({percent(chance['share of ones'])} are 1)"
    action = (
        "Check whether targets belong to their inputs, and at the inputs' scale; try to overfit one batch. If "
        "that works, there may be no more in the inputs to know."
    )
    action = f"{passes}{_BY_HEART}" if (passes := many_passes(judged)) else lower_rate(judged) or action
    return Finding("guessing", "warning", message, evidence, action=action)


def _is_single(judged: JudgedRecord) -> bool:
    """Whether each step has one sample: batches have one, and gradients are not added up."""
    history = judged.history
    writes = None if history.writes is None else float(history.writes[0])  # a clip writes once, too
    return history.size == 1 and writes is not None and writes <= 1


def single(judged: JudgedRecord) -> list[Finding]:
    """Steps by one sample each, with a loss that varies and does not fall."""
    _, values = judged.losses
    if not _is_single(judged) or len(values) < _LOSSES or not bool(values.isfinite().all()):
        return []
    if any(one.name == "batch_of_one" for one in judged.history.preflight) or bool((values < 0).any()):
        return []  # reported already; or a loss that need not fall, such as a policy's
    first, *_, last = values.tensor_split(4)
    off = math.hypot(_of_mean(first), _of_mean(last))
    spread = float(last.std())
    if float(last.mean()) < float(first.mean()) - 2 * off or not spread > _HARDLY * abs(float(last.mean())):
        return []
    message = (
        f"each step goes by one sample: the loss wavers by {number(spread, 2)} about {number(float(last.mean()), 3)}, "
        f"and does not fall beyond that (it was {number(float(first.mean()), 3)} in the first quarter)"
    )
    evidence = {"batch": 1, "at first": float(first.mean()), "at last": float(last.mean()), "spread": spread}
    return [Finding("single_samples", "info", message, evidence)]


def diverging(judged: JudgedRecord) -> list[Finding]:
    """A loss that ends far above where it began, or where it was lowest."""
    _, values = judged.losses
    values = values[values.isfinite()]
    if len(values) < _LOSSES:
        return []
    start, end = (
        float(values[: max(1, len(values) // 10)].median()),
        float(values[-max(3, len(values) // 10) :].median()),
    )
    highest_at_first = float(values[: max(1, len(values) // 10)].max())
    first, _ = first_and_last(values)
    start = min(start, first)
    lowest, top = min(medians(values, 4)), float(values.unfold(0, min(_TOP, len(values)), 1).min(1).values.max())
    if not start > 0 or float(values.min()) < -_NEGATIVE * start:
        return []  # a loss that goes below 0 has no level to compare with
    evidence = {"at first": start, "at last": end, "best quarter": lowest, "highest": top, "threshold": _UP}
    guess = judged.likely_guess
    if _knows_more(judged):
        return []
    if not end > _LEFT * (min(first, 2 * guess) if guess > 0 else first):
        return _risen(evidence) if end > 2 * start and end > _UP * max(lowest, 0.0) else []
    message = f"the loss is {at_last(values, max(3, len(values) // 10))}; it began at {number(first, 3)}"
    blown = _blown_up(judged, start)
    passes = many_passes(judged)
    sign = "" if blown else "; look for a wrong sign"  # a rate that is too high throws the loss up at once
    action = (
        f"{passes}Lower the learning rate{now_from(judged)}, tenfold at first; clip, between backward() and "
        f"step(){sign}."
    )
    climbs = end > _CLIMBS * start and float(values[len(values) // 2 :].min()) > highest_at_first
    if end > _UP * start or climbs or (end > 2 * start and end > _UP * max(lowest, 0.0)):
        if lowest < first:
            message += f" and was {number(lowest, 3)} in its best quarter"
        words, other = cause_of_rise(judged)
        if other:
            return [Finding("diverging", "error", message + blown + words, evidence, action=other)]
        if steps_are_small(judged):
            message, harder = f"{message}{blown}, by steps of a usual size", end <= guess
            action = _IF_HARDER if harder else _IF_UPHILL
            if (judged.is_of_several or judged.is_of_a_critic) and end <= _UP * start:
                action, harder = _IF_RIVALS, True
            words, severity = why_no_runaway(judged, start)
            if words and action == _IF_UPHILL:
                return [Finding("diverging", severity, message + words, evidence, action=ONE_BY_ONE)]
            return [Finding("diverging", "info" if harder else "error", message, evidence, action=action)]
        return [Finding("diverging", "error", message + blown, evidence, action=action)]
    if top > _UP * start and end > _LEFT * start:
        message += f" and was {number(top, 3)} or more for {_TOP} steps in a row{blown}: nothing was gained by it"
        if "another network" in judged.history.of_loss:  # whose weights move the level of this loss
            return [Finding("diverging", "info", message, evidence, action=_IF_RIVALS)]
        return [Finding("diverging", "warning", message, evidence, action=action)]
    return []


def _blown_up(judged: JudgedRecord, start: float) -> str:
    """Words for the step at which the loss leaps, and for the gradient there; "" where it rises slowly."""
    steps, values = judged.losses
    levels = [float(values[max(0, k - _JUST) : k].median()) for k in range(1, len(values))]
    at = next((k for k, level in enumerate(levels, 1) if float(values[k]) > _UP * max(level, start)), None)
    if at is None:
        return ""
    step = int(steps[at])
    words = f"; at step {step:,} it goes from {number(float(values[at - 1]), 3)} to {number(float(values[at]), 3)}"
    sampled, total = judged.history.steps, judged.total
    near, before = total[(sampled <= step) & (sampled >= step - _NEARLY)], total[sampled < step - _NEARLY]
    if not len(near) or not float(near.max()) > (_UP * float(before.median()) if len(before) else 0.0):
        return words
    was = f", where it was {number(float(before.median()), 2)} before" if len(before) else ""
    return f"{words}, and the norm of the gradient there is {number(float(near.max()), 2)}{was}"


def _knows_more(judged: JudgedRecord) -> bool:
    """Whether the loss ends below the cost of a guess, in batches that have become harder to guess."""
    _, values = judged.losses
    for costs in judged.costs.values():
        first, *_, last = costs.tensor_split(10)
        end = values[-len(last) :]
        if float(last.nanmean()) > _HARDER * float(first.nanmean()) and float((end - _KNOWS * last).nanmean()) < 0:
            return True
    return False


def _risen(evidence: dict[str, float]) -> list[Finding]:
    """A loss that is higher than at its lowest, and lower than at first, as when a task becomes harder."""
    message = (
        f"the loss is {number(evidence['at last'], 3)} in the last tenth, and was "
        f"{number(evidence['best quarter'], 3)} in its best quarter"
    )
    return [Finding("diverging", "info", message, evidence, action=_IF_HARDER)]


def hardly(judged: JudgedRecord) -> list[Finding]:
    """A loss that is hardly below a guess after a while: learning is slow, or there is nothing to learn."""
    _, values = judged.losses
    if not _is_long(judged, 2) or not judged.has_classes or judged.is_of_a_critic:
        return []
    last = len(values) - len(values) // 4
    costs = judged.costs.get("frequencies")
    guess = judged.likely_guess if costs is None else float(costs[last:].nanmean())
    end = float(values[last:].mean())
    if not (1 - _HARDLY_BELOW) * guess < end < guess:
        return []
    message = (
        f"hardly anything is learned so far: the loss is {number(end, 3)} in the last quarter, "
        f"{percent(1 - end / guess)} below what guessing costs"
    )
    action = (
        "If it stays so, check whether targets belong to their inputs, and at the learning rate; else it is only slow."
    )
    evidence = {"loss": end, "guess": guess, "threshold": _HARDLY_BELOW}
    return [Finding("hardly_learned", "info", message, evidence, action=lower_rate(judged) or action)]
