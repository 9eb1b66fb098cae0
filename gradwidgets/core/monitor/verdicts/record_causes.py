"""Faults of the loss itself: negated, summed, mostly a penalty, far above a guess at first; and strong weight decay."""

import math

from torch import Tensor

from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number

_LOSSES = 12  # noted, for a verdict on how the loss goes on
_NEAR_GUESS = 0.5, 2.0  # times what a guess costs: where a loss begins whose sign is turned
_LOWER, _DOUBLED = 1.1, 2.0  # times the first, below 0, where the graph shows the sign
_FALLS = (
    3.0,
    20.0,
)  # the same where it does not, for classes and numbers: a density's logarithm may fall slowly
# Times the first, below 0: where it falls ever faster, and however it does. A density's logarithm slows down.
_ENDLESS = 20.0, 1e3
_BATCH = 4  # samples: with fewer, a sum and a mean are hardly different
_AS_MANY = 0.6, 1.8  # times the samples of a batch
_FAR = 5.0  # times what a guess costs
_BOUND = 1.05  # times the most that outputs can cost
_SHRUNK = 0.5  # of what weights were
_MOST_LAYERS = 0.5
_PULL = 1.0  # times the gradient
_STRONG, _SAMPLES = 1e-2, 8  # a decay that may cancel the gradient; least number of samples
_LEFT, _LEVEL = 0.7, 0.95  # of the loss at first, or of a guess; of the quarter before
_HOLDS = 0.5  # times the gradient, in the latter half
_FAST = 1e-2  # lr · decay where it is decoupled: a hundred times what is usual
_GAINED = 0.95  # of the loss at first
_NOTHING, _HARDLY = 0.1, 0.8  # of the first weights; of the first loss, where so little is left of the weights


def negated(judged: JudgedRecord) -> list[Finding]:
    """A loss that falls below 0 without end, since its sign is turned; or an optimizer that maximizes the loss."""
    steps, values = judged.losses
    values = values[values.isfinite()]
    if judged.history.rule.get("climbs"):
        return _climbs(judged, values)
    if len(values) < _LOSSES or int(steps[0]) > 1 or not bool((values < 0).all()):
        return []
    first, last = float(values[0]), float(values[-max(1, len(values) // 10) :].median())
    half = float(values[len(values) // 2])
    quickens = last - half <= half - first
    shown = "negated" in judged.history.of_loss
    if shown and judged.takes_turns:
        return []  # one of two losses of opponents
    # A generator's loss may be minus its critic's, of zeros and ones, and the critic's knowledge bounds it.
    falls = last < (_DOUBLED if judged.kind == "shares" else _LOWER) * first
    if not (falls if shown else quickens and _begins_at_minus_a_guess(judged, first, last)):
        return []
    guess = judged.likely_guess
    what = (
        "it is one of torch's losses with the wrong sign" if shown else f"it began at minus a guess, {number(guess, 3)}"
    )
    message = (
        f"the loss is below 0 and falls without end, from {number(first, 3)} to {number(last, 3)}: {what}, and what is "
        "learned is to be wrong"
    )
    evidence = {"at first": first, "at last": last, "by its graph": shown, "guess": guess}
    action = "Remove the minus sign: a loss is what is made smaller (or, to make something larger, bound it)."
    return [Finding("negated", "error", message, evidence, action=action)]


def endless(judged: JudgedRecord) -> list[Finding]:
    """A loss that begins above 0 and falls below it ever faster, so that one of its terms has no lowest value."""
    steps, values = judged.losses
    values = values[values.isfinite()]
    if len(values) < _LOSSES or int(steps[0]) > 1 or judged.takes_turns or judged.history.rule.get("climbs"):
        return []
    early, last = values[: len(values) // 10 + 1], float(values[-max(1, len(values) // 10) :].median())
    first = float(early.abs().max())  # an actor's loss varies about 0 at first
    middle = len(values) // 2
    half, later = float(values[:middle].min()), float(values[-(middle // 2) :].quantile(0.9))
    quickens = later < half and half - last > first - half
    if not bool((early > 0).any()) or not last < -_ENDLESS[not quickens] * first:
        return []
    message = (
        f"the loss falls below 0 without end, from {number(float(values[0]), 3)} to {number(last, 3)}: a term of it "
        "has no lowest value, as a divergence (KL) or a penalty with the wrong sign"
    )
    evidence = {"at first": first, "half-way": half, "at last": last, "threshold": _ENDLESS[not quickens]}
    action = "Note each term by itself: what should be small, a divergence, a distance or a penalty, is added."
    return [Finding("negated", "error", message, evidence, action=action)]


def _climbs(judged: JudgedRecord, values: Tensor) -> list[Finding]:
    if len(values) < _LOSSES:
        return []
    part = max(1, len(values) // 10)
    first, last = float(values[:part].median()), float(values[-part:].median())
    if not last > first or bool((values <= 0).all()):
        return []  # a value that rises from below to 0 is minus a loss, and is meant to be maximized
    message = (
        f"{judged.history.rule['name']} climbs, as maximize=True asks of it: the loss rises from {number(first, 3)} to "
        f"{number(last, 3)}"
    )
    surely = not math.isnan(judged.guess)  # it is compared with targets, and not a reward
    evidence = {"at first": first, "at last": last, "guess": judged.guess}
    action = "Leave maximize out, unless what was noted is not a loss but something to be made larger."
    return [Finding("negated", "error" if surely else "warning", message, evidence, action=action)]


def _begins_at_minus_a_guess(judged: JudgedRecord, first: float, last: float) -> bool:
    guess, chance = judged.likely_guess, judged.history.chance
    are_numbers = judged.kind == "numbers" or (bool(chance) and "frequencies" not in chance)
    near = _NEAR_GUESS[0] * guess <= -first <= _NEAR_GUESS[1] * guess
    return near and last < _FALLS[are_numbers] * first


def summed(judged: JudgedRecord) -> list[Finding]:
    """A loss that is a sum over the batch; it is a fault where its gradient is too large for the learning rate."""
    steps, values = judged.losses
    size = judged.history.size
    shown = "sum" in judged.history.of_loss
    if not len(values) or int(steps[0]) != 1 or (_is_shown(judged) and not shown):
        return []
    first, guess = float(values[0]), judged.guess
    if not shown:
        each = first / guess / size if size >= _BATCH else math.nan
        if not (_AS_MANY[0] < each < _AS_MANY[1]) or not first > _BOUND * _most_of(judged, guess):
            return []
    evidence = {"at first": first, "batch": size, "guess": guess, "by its graph": shown}
    message = "the loss is a sum over the batch, and no mean"
    if size:
        message += f": gradients are {size:,} times as large"
    if first > guess:
        message += f" (the first loss is {number(first, 3)}, where guessing costs {number(guess, 3)} a sample)"
    action = "Take the mean (reduction='mean'), or divide the learning rate by the size of a batch."
    return [Finding("summed", "warning", message, evidence, action=action)]


def _is_shown(judged: JudgedRecord) -> bool:
    """Whether the graph of the loss shows what it consists of."""
    return bool(set(judged.history.of_loss) - {"softmax", "logarithm", "no classes", "another network", "terms"})


def _most_of(judged: JudgedRecord, guess: float) -> float:
    """The most that a mean cross-entropy of the first outputs can be; NaN where that is unknown."""
    return judged.history.span + guess


def first_loss(judged: JudgedRecord) -> list[Finding]:
    """A first loss that is many times the cost of a guess, as the outputs are far apart."""
    steps, values = judged.losses
    if not len(values) or int(steps[0]) != 1 or "sum" in judged.history.of_loss or not judged.has_classes:
        return []
    first, guess = float(values[0]), judged.guess
    if _is_learned(judged):
        return []
    if not (first > _FAR * guess and first <= _BOUND * _most_of(judged, guess)):
        return []
    span = judged.history.span
    message = (
        f"the first loss is {number(first, 3)}, where guessing costs {number(guess, 3)}: the outputs of a sample are "
        f"{number(span, 3)} apart before anything is learned, so it is sure of what is wrong"
    )
    action = (
        "Draw the last layer smaller (torch's own init, or its weights times 0.1; weights that are tied to an "
        "embedding with a spread of 0.02, or the output divided by the root of its width), or normalise what goes into "
        "it."
    )
    evidence = {"at first": first, "guess": guess, "threshold": _FAR, "outputs apart": span}
    return [Finding("first_loss", "warning", message, evidence, action=action)]


def _is_learned(judged: JudgedRecord) -> bool:
    """Whether the last layer was trained before: it is frozen, or has a form that training gives it."""
    told = judged.history.setting.get("frozen")
    frozen = [] if told is None else told["layers"]
    last = judged.history.layers[judged.weighted[-1]] if judged.weighted else ""
    return last in frozen or bool(judged.history.first_output.get("learned"))


def penalty(judged: JudgedRecord) -> list[Finding]:
    """A penalty on the weights that is many times the data's loss."""
    steps, values = judged.losses
    if "penalty" not in judged.history.of_loss or not len(values) or int(steps[0]) != 1:
        return []
    first, guess = float(values[0]), judged.likely_guess
    most = _most_of(judged, guess)
    last = float(values[-max(1, len(values) // 10) :].median())
    if not (first > _FAR * guess and first > 2 * most and last > _GAINED * guess):
        return []
    message = (
        f"most of the loss is a penalty on the weights: it is {number(first, 3)} at first, of which the data's part "
        f"can be {number(most, 3)} at most, and in the last tenth {number(last, 3)}, where "
        f"guessing costs {number(guess, 3)}"
    )
    action = "Make the penalty's factor smaller, so that it begins at a tenth of the data's loss; or take its mean."
    evidence = {"at first": first, "at last": last, "guess": guess, "data at most": most, "threshold": _FAR}
    return [Finding("penalty", "warning", message, evidence, action=action)]


def decay(judged: JudgedRecord) -> list[Finding]:
    """Weights that shrink, as weight decay is stronger than the gradient, and a loss that does not fall."""
    history = judged.history
    if history.decays is None or history.rates is None or not history.rule or judged.samples < 2:
        return []
    value, rate = float(history.decays.nanmedian()), float(history.rates.nanmedian())
    if not value > 0 or not rate > 0:
        return []
    if not _leads(judged, value, rate):
        return _balanced(judged, value)
    weights = history.weight_norm[:, judged.weighted]
    left = weights[-1] / weights[0]
    shrunk = [place for place, share in enumerate(left.tolist()) if share < _SHRUNK]
    _, values = judged.losses
    if len(shrunk) <= _MOST_LAYERS * len(judged.weighted) or not len(values):
        return _balanced(judged, value)
    share = float(left[shrunk].median())
    first, last = float(values[0]), float(values[-max(1, len(values) // 10) :].median())
    gained = _HARDLY if share < _NOTHING else _GAINED
    if not last > gained * min(first, judged.guess if judged.guess == judged.guess else first):
        return _balanced(judged, value)
    where, now = tuple(judged.weighted[place] for place in shrunk), float(values[-1])
    message = (
        f"weight decay draws the weights to 0: with a decay of {number(value, 2)} and a learning rate of "
        f"{number(rate, 2)} they are {number(share, 2)} of what they were, and the loss is {number(now, 3)} where it "
        f"began at {number(first, 3)}"
    )
    evidence = {"weight decay": value, "lr": rate, "left of the weights": share, "layers": judged.names(list(where))}
    action = "Make weight decay smaller: 1e-4 to 1e-2 is usual, and for AdamW up to 0.1."
    return [Finding("decay", "warning", message, evidence | {"at first": first, "at last": last}, where, action)]


def _balanced(judged: JudgedRecord, value: float) -> list[Finding]:
    """A weight decay, added to the gradient, that cancels it in the latter half, and a loss that stays high."""
    _, values = judged.losses
    if judged.history.rule.get("decoupled") or not value >= _STRONG or judged.samples < _SAMPLES or not len(values):
        return []
    late = slice(judged.samples // 2, None)
    weights = judged.history.weight_norm[late][:, judged.weighted].square().nansum(1).sqrt()
    times = float((value * weights / judged.total[late]).nanmedian())
    parts = values.tensor_split(4)
    first, before, last = float(values[: max(1, len(values) // 20)].mean()), *(float(one.mean()) for one in parts[-2:])
    guess = judged.guess if judged.guess == judged.guess else first
    if not times >= _HOLDS or not last > _LEFT * min(first, guess) or not last > _LEVEL * before:
        return []
    message = (
        f"weight decay takes back what the gradient gives: with {number(value, 2)} its pull is {number(times, 2)} "
        f"times as strong in the latter half, and the loss stays at {number(last, 3)} ({number(first, 3)} at first)"
    )
    evidence = {"weight decay": value, "times the gradient": times, "threshold": _HOLDS}
    action = "Make weight decay smaller: 1e-4 to 1e-2 is usual, and for AdamW up to 0.1."
    return [Finding("decay", "warning", message, evidence, action=action)]


def _leads(judged: JudgedRecord, value: float, rate: float) -> bool:
    """Whether the decay is stronger than the gradient in the first quarter of the record."""
    if judged.history.rule.get("decoupled"):
        return rate * value >= _FAST
    early = slice(max(1, judged.samples // 4))
    weights = judged.history.weight_norm[early][:, judged.weighted].square().nansum(1).sqrt()
    return float((value * weights / judged.total[early]).nanmedian()) >= _PULL
