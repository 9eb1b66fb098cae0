"""The loss over a training: at the level of guessing, or on its way up."""

import math

from gradwidgets.core.finding import Finding
from gradwidgets.core.layers.verdicts.recorded import JudgedRecord, medians
from gradwidgets.core.wording import number

_NEAR = 0.05  # of ln(classes)
_STILL = 0.03  # that the loss may have fallen
_BELOW = 0.005  # of ln(classes): what unequal classes give away
_WAVERS = 0.05  # of ln(classes): to a model without knowledge every label costs about the same
_LONG = 80  # steps, for a verdict on learning nothing
_LOSSES = 16  # noted
_UP = 10.0  # times the start, or times the lowest if it is twice the start
_CLIMBS = 2.0  # times the start, for a loss that never came down again
_LEFT = 0.5  # of the start: where more is left after a peak, nothing was gained by it
_TOP = 5  # losses in a row that make a peak


def guessing(judged: JudgedRecord) -> list[Finding]:
    """A loss that stays at ln(classes), which a model without knowledge has."""
    classes = judged.known.classes or judged.history.outputs
    steps, values = judged.losses
    if len(values) < _LOSSES or int(steps[-1] - steps[0]) + 1 < _LONG or not bool(values.isfinite().all()):
        return []
    classes = 2 if classes == 1 else classes  # one logit tells two apart
    if classes < 2:
        return []
    chance = math.log(classes)
    means = [float(part.mean()) for part in values.tensor_split(4)]
    if max(abs(one - chance) for one in means[1:]) > _NEAR * chance or means[-1] < (1 - _STILL) * means[1]:
        return []
    last = values.tensor_split(4)[-1]
    if float(last.std()) > _WAVERS * chance:
        return []  # single samples, or no cross-entropy
    noise = 2 * float(last.std()) / math.sqrt(len(last))
    if means[-1] < chance - max(noise, _BELOW * chance):
        return []  # slow, but it knows something
    message = f"the loss stays at {number(means[-1], 3)}, which guessing among {classes} classes has: ln {classes} = "
    message += number(chance, 3)
    evidence = {"loss": means[-1], "ln(classes)": chance, "threshold": _NEAR, "quarters": means}
    return [Finding("guessing", "warning", message, evidence)]


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
    start = min(start, float(values[0]))
    lowest, top = min(medians(values, 4)), float(values.unfold(0, min(_TOP, len(values)), 1).min(1).values.max())
    if not start > 0:
        return []
    evidence = {"at first": start, "at last": end, "best quarter": lowest, "highest": top, "threshold": _UP}
    message = f"the loss ends at {number(end, 3)}; it began at {number(start, 3)}"
    climbs = end > _CLIMBS * start and float(values[len(values) // 2 :].min()) > highest_at_first
    if end > _UP * start or climbs or (end > 2 * start and end > _UP * max(lowest, 0.0)):
        if lowest < start:
            message += f" and was {number(lowest, 3)} in its best quarter"
        return [Finding("diverging", "error", message, evidence)]
    if top > _UP * start and end > _LEFT * start:
        message += f" and was {number(top, 3)} or more for {_TOP} steps in a row: nothing was gained by it"
        return [Finding("diverging", "warning", message, evidence)]
    return []
