"""A loss that rises at one step and stays up, or that leaps at equal distances and is back at once."""

import torch
from torch import Tensor

from gradwidgets.core.monitor.verdicts.course.odd_batch import new_shape
from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord, listed
from gradwidgets.core.monitor.verdicts.steps.record_steps import steps_are_small
from gradwidgets.core.results.finding import Finding, Severity
from gradwidgets.core.results.wording import number

_LOSSES = 60
_SIDE = 8  # losses on each side of a step that are compared
_RISE, _NOISE = 1.5, 4.0  # times the level before; times what the losses vary by there
_FALLEN = 0.7  # of the first loss, before it breaks off
_GUESS = 0.9  # of the cost of a guess: above that a model knows nothing
_STAYS = 1.4  # times the level before, in every part of what follows
_AT_ONCE = 0.5  # of the way up, within a side
_LEAST = 1e-3  # of the median: a loss of 0 has no logarithm
_SCALE, _SEEN = 3.0, 3  # times what inputs were; steps at which they were seen before
_LEAP, _TIMES = 2.5, 4  # times the median around; how often
_FEW, _SELDOM = 3, 0.25  # small batches; of all
_TWICE, _HIGHER, _MOSTLY = 1.8, 1.3, 0.75  # times the losses around; the same of single ones; of these
_AROUND = 5  # losses on each side


def sudden_rise(judged: JudgedRecord) -> list[Finding]:
    """A loss that is suddenly as high as at first and stays there, though the step was of a usual size."""
    steps, values = judged.losses
    if len(values) < _LOSSES or judged.takes_turns or not bool(values.isfinite().all()) or bool((values < 0).any()):
        return []
    place = _break(values)
    if place is None:
        return []
    before, after = float(values[place - _SIDE : place].median()), float(values[place:].median())
    step, guess = int(steps[place]), judged.likely_guess
    begun = guess if guess > 0 else float(values[:_SIDE].median())
    scaled = _scaled_at(judged, step)
    if not scaled and not (steps_are_small(judged) and after > _GUESS * begun):
        return []
    message = f"up to step {int(steps[place - 1]):,} the loss is about {number(before, 2)}, from step {step:,} on "
    message += f"about {number(after, 2)}" + (
        f", no better than {'a guess' if guess > 0 else 'at first'} ({number(begun, 3)})"
        if after > _GUESS * begun
        else ""
    )
    evidence: dict[str, object] = {"step": step, "before": before, "after": after, "guess": begun}
    if scaled:
        small, large = scaled
        evidence |= {"inputs before": small, "inputs after": large}
        message += (
            f": about there the inputs' size (root mean square) goes from {number(small, 2)} to {number(large, 2)}"
        )
        action = (
            "Scale or normalise all inputs in the same way: look for what makes batches from that step on (a second "
            "loader, a new epoch, a cache) and leaves the division or the normalisation out."
        )
    elif shape := new_shape(judged, step):
        message += shape.words
        action = (
            "If the task was made harder on the way, by longer or larger inputs, all is well. Else look for what makes "
            f"batches from step {step:,} on."
        )
    else:
        message += ", and no step before was longer than usual: what the model is given has changed there"
        action = (
            f"Look at what is different from step {step:,} on: labels that no longer belong to their inputs (one of "
            "them shuffled or cut without the other), another order of classes, another data set, a new epoch."
        )
    severity: Severity = "info" if not scaled and new_shape(judged, step) else "warning"
    return [Finding("sudden_rise", severity, message, evidence, action=action)]


def _break(values: Tensor) -> int | None:
    """The place from which on all losses are above those before; None where there is none."""
    logs = values.clamp(min=_LEAST * float(values.median())).log()
    best, place = 0.0, None
    mean = logs.unfold(0, _SIDE, 1).mean(1)
    for k in range(2 * _SIDE, len(values) - 2 * _SIDE):
        gap = float(mean[k] - mean[k - _SIDE])
        if gap > best:
            best, place = gap, k
    if place is None or not float(values.median()) > 0:
        return None
    # A mean rises slowly: the break itself is at the largest single rise near by.
    near = range(max(1, place - 2), min(len(values) - _SIDE, place + 3))
    place = max(near, key=lambda k: float(values[k : k + 3].min() - values[max(0, k - 3) : k].max()))
    before, after = values[place - 2 * _SIDE : place], values[place:]
    level = float(before.median())
    noise = float((before - level).abs().median()) * 1.5
    clear = float(after[:_SIDE].min()) > max(level + _NOISE * noise, _RISE * level)
    clear = clear and float(before[-_SIDE:].max()) < float(after[:_SIDE].min())
    stays = all(float(one.median()) > _STAYS * level for one in after.tensor_split(4))
    # A loss that goes on to rise for long after that rises slowly.
    end = float(after.median())
    at_once = float(after[:_SIDE].median()) - level > _AT_ONCE * (end - level)
    return place if clear and stays and at_once and level < _FALLEN * float(values[0]) else None


def _scaled_at(judged: JudgedRecord, step: int) -> tuple[float, float] | None:
    """The size of inputs before and after a step, where one is many times the other."""
    told = judged.history.inputs
    if not told:
        return None
    before = [size for at, size in zip(told["steps"], told["sizes"], strict=True) if at < step]
    after = [size for at, size in zip(told["steps"], told["sizes"], strict=True) if at >= step]
    if len(before) < _SEEN or not after:
        return None
    small, large = (float(torch.tensor(one).median()) for one in (before, after))
    low, high = (max(before), min(after)) if large > small else (max(after), min(before))
    return (small, large) if high > _SCALE * low > 0 else None


def bad_batch(judged: JudgedRecord) -> list[Finding]:
    """Single losses far above those around, at equal distances: one batch of an epoch is unlike the others."""
    steps, values = judged.losses
    if len(values) < _LOSSES or judged.takes_turns or not bool(values.isfinite().all()) or bool((values < 0).any()):
        return []
    leaps = [k for k in range(_AROUND, len(values) - 1) if _leaps(values, k)]
    if len(leaps) < _TIMES:
        return []
    apart = torch.tensor(leaps).diff()
    each = int(apart.median())
    late = [k for k in leaps if k >= leaps[0]]
    if each < 2 * _AROUND or float((apart == each).double().mean()) < 0.99 or len(late) * each < len(values) // 2:
        return []
    _, rates = judged.history.steps, judged.history.rates
    if judged.history.swings or rates is None:
        return []
    named = ", ".join(f"{int(steps[k]):,}" for k in leaps[:3])
    low = float(torch.stack([_around(values, k) for k in leaps]).median())
    high = float(values[leaps].median())
    message = (
        f"every {each:,} steps (at {named} …) the loss leaps from about {number(low, 2)} to {number(high, 2)}, and is "
        "back at the next step: the same batch of each epoch is unlike all others"
    )
    place = (int(steps[leaps[0]]) - 1) % each
    action = (
        f"Look at that batch, number {place:,} from 0 if an epoch has {each:,} steps: wrong labels, inputs that are "
        "not scaled like the rest, a file that is broken; or leave it out."
    )
    evidence = {"steps": [int(steps[k]) for k in leaps], "every": each, "loss": high, "around": low}
    return [Finding("bad_batch", "warning", message, evidence, action=action)]


def _around(values: Tensor, k: int) -> Tensor:
    return torch.cat((values[k - _AROUND : k], values[k + 1 : k + 1 + _AROUND])).median()


def _leaps(values: Tensor, k: int) -> bool:
    around = torch.cat((values[k - _AROUND : k], values[k + 1 : k + 1 + _AROUND]))
    return float(values[k]) > max(_LEAP * float(around.median()), 1.5 * float(around.max()))


def small_batch(judged: JudgedRecord) -> list[Finding]:
    """Batches of very few samples, in a model with batch norms, whose losses are several times those around."""
    told, (steps, values) = judged.history.inputs.get("small") or {}, judged.losses
    in_batches = judged.history.setting.get("batch norms")
    norms = [] if in_batches is None else in_batches["layers"]
    if not told or not norms or judged.takes_turns or not bool(values.isfinite().all()) or bool((values < 0).any()):
        return []
    if len(told["steps"]) < _FEW or len(told["steps"]) > _SELDOM * told["of"]:
        return []
    places = {int(step): place for place, step in enumerate(steps.tolist())}
    where = [place for step in told["steps"] if _AROUND <= (place := places.get(step, 0)) < len(values)]
    where = where[-max(_FEW, len(where) // 2) :]  # the later ones
    if len(where) < _FEW:
        return []
    around = torch.stack([_about(values, k) for k in where])
    own = values[where]
    times = float(own.mean() / around.mean())
    higher = float((own > _HIGHER * around).double().mean())
    if not times > _TWICE or not higher >= _MOSTLY:
        return []
    size, some = max(told["sizes"]), ", ".join(f"{step:,}" for step in told["steps"][:3])
    samples = "one sample" if size == 1 else f"{size:,} samples at most"
    message = (
        f"the batches of {samples} (steps {some} …, {len(told['steps'])} of them, where others have "
        f"{told['largest']:,}) cost {number(times, 2)} times as much as those around, {number(float(own.mean()), 3)} "
        f"after {number(float(around.mean()), 3)}: {listed(norms)} {'go' if len(norms) > 1 else 'goes'} by the mean "
        "and variance of so few, and each is a step and a share of the running statistics like any other batch"
    )
    action = "Leave the last batch of an epoch out where it is not full: DataLoader(…, drop_last=True)."
    evidence = {"size": size, "largest": told["largest"], "times": times, "threshold": _TWICE}
    return [Finding("small_batch", "warning", message, evidence, action=action)]


def _about(values: Tensor, k: int) -> Tensor:
    return torch.cat((values[k - _AROUND : k], values[k + 1 : k + 1 + _AROUND])).mean()
