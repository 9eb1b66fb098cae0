"""Sizes of the steps: too long or too short for the weights, beyond the stable range, units that die of them."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from gradwidgets.core.monitor.verdicts.course.rate_cuts import CALL_LESS, WRONG_WAY, cut_while_falling, too_often
from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord, first_and_last, listed
from gradwidgets.core.results.finding import Finding, Severity
from gradwidgets.core.results.wording import number, percent

RATIO = 1e-6, 1e-1  # update / weight, outside of which training is slow or wild
_MOST_LAYERS = 0.5
_LONG = 0.5  # of the record above the range
_ALL_ALONG = 0.9  # of the record below the range: fewer such steps at the end are convergence
_GROWN = 10.0  # times as large as before, while nothing was learned
_GONE, _LEFT = 1e-3, 0.5  # of the first gradient and loss: less is solved; more is far from solved
_SAMPLES = 8
DEAD = 0.75, 0.99  # shares of a layer's units
_MORE_DEAD = 0.25  # than at first
_HARDLY = 1e-5  # update / weight that is too small where the learning rate is tiny and the loss stays
_TINY = {False: 1e-4, True: 1e-6}  # learning rates below any usual one: of plain and of scaled steps
_USUAL = 1e-3  # update / weight of most trainings that go well
_RISES, _SOON = 1.5, 10.0  # times the first learning rate in a warm-up; times the record until it suffices
_ENDED = 1e-3  # of the largest learning rate: below that a schedule has ended
_ELSEWHERE = 3.0  # times as far as the steps together can have gone
_ABOUT = 3.0  # times what weights were
_FLAT = 0.01  # of the loss
_WHILE, _LITTLE_LESS = 100, 0.85  # losses; of the loss at first
_LOST, _NUMBERS = 0.9, 100  # of the numbers that were looked at, and how many these are at least
_BEYOND = 1.1, 2.0  # lr · λ / 2: even a training that goes well comes near 1


def out_of_range(judged: JudgedRecord) -> list[Finding]:
    """Updates of most layers that are too large or too small for the weights, for most of the record."""
    if judged.samples < _SAMPLES:
        return []
    if judged.updates is None:
        reach = at_most(judged)
        return [] if reach is None else _small(judged, *_ratios(judged, reach))[:1]
    ratio, columns = _ratios(judged, judged.updates)
    found = _large(judged, ratio, columns) or _small(judged, ratio, columns) or _thrown(judged, columns)
    return found[:1]


def at_most(judged: JudgedRecord) -> Tensor | None:
    """A bound of update / weight, (S, L), by the optimizer's rule and its learning rate; None if unknown."""
    history, rule = judged.history, judged.history.rule
    if history.rates is None or history.decays is None or not (rule.get("scaled") or rule.get("plain")):
        return None
    if rule.get("scaled"):
        step = torch.tensor(history.parameters, dtype=torch.float64).sqrt().expand_as(history.norm)
    else:
        decay = history.decays.nan_to_num(nan=0.0)[:, None] * history.weight_norm
        step = (history.norm + decay) / max(1 - float(rule.get("momentum", 0.0)), 1e-3)
    shares = torch.tensor([float(rule.get("shares", {}).get(name, 1.0)) for name in history.layers])
    return shares * history.rates.abs()[:, None] * step / history.weight_norm


def steps_are_small(judged: JudgedRecord) -> bool:
    """Whether nearly all steps are known to be of a usual size, and the weights are about as large as at first."""
    updates = at_most(judged) if judged.updates is None else judged.updates
    if updates is None or judged.samples < _SAMPLES:
        return False
    ratio, columns = _ratios(judged, updates)
    steps = ratio.nanmedian(1).values
    steps, weights = steps[~steps.isnan()], judged.history.weight_norm[:, columns]
    grown = (weights[-1] / weights[0]).nanmedian()
    return len(steps) >= _SAMPLES and float(steps.quantile(0.9)) < RATIO[1] and float(grown) < _ABOUT


def _ratios(judged: JudgedRecord, updates: Tensor) -> tuple[Tensor, list[int]]:
    """Update / weight of the layers that an optimizer holds, NaN where there is no gradient; and their columns."""
    history = judged.history
    no_one_steps = {name.rpartition(".")[0] for name in history.unheld}
    columns = [column for column in judged.weighted if history.layers[column] not in no_one_steps]
    ratio, norm = updates[:, columns], history.norm[:, columns]
    known = ratio.isfinite() & (norm > 0) & norm.isfinite()
    return torch.where(known, ratio, math.nan), columns


def _large(judged: JudgedRecord, ratio: Tensor, columns: list[int]) -> list[Finding]:
    return _most(judged, ratio, columns, "large", ratio > RATIO[1], _LONG)


def _small(judged: JudgedRecord, ratio: Tensor, columns: list[int]) -> list[Finding]:
    """Updates that are too small throughout, or in the latter half though gradient and loss are as large as before."""
    if _is_solved(judged) or _warms_up(judged, ratio) or _knew(judged) or _are_moved(judged, ratio, columns):
        return []
    still = (ratio.nan_to_num(nan=0.0) == 0).all(0)
    if bool((ratio > RATIO[0]).any()):
        ratio = torch.where(still, math.nan, ratio)  # frozen on purpose, or with a rate of 0: others do move
    late, steps = ratio.clone(), judged.history.steps
    late[steps <= (int(steps[0]) + int(steps[-1])) / 2] = math.nan  # samples may be denser at first
    found = _most(judged, ratio, columns, "small", ratio < RATIO[0], _ALL_ALONG)
    if not found and _has_a_tiny_rate(judged) and _is_flat(judged):
        found = _most(judged, ratio, columns, "small", ratio < _HARDLY, _ALL_ALONG, limit=_HARDLY)
    if not found and _is_unsolved(judged):
        found = _most(judged, late, columns, "small", late < RATIO[0], _ALL_ALONG, " of the latter half")
    return [_with_the_rate(judged, one) for one in found]


def _with_the_rate(judged: JudgedRecord, found: Finding) -> Finding:
    """The finding with a better learning rate, where the present one is known and is at fault."""
    ratio, tiny = found.evidence["median of update / weight"], _has_a_tiny_rate(judged)
    ended = _schedule_ended(judged)
    if ended is not None:
        step, before, then, now = ended
        last = f", and is {number(now, 2)} at the end" if now < then else ""
        action = (
            f"The learning rate has come down from {number(before, 2)} to {number(then, 2)} by step {step:,}{last}: "
            "look at the schedule, how many steps it is made for and how often scheduler.step() is called."
        )
        evidence = {"learning rate": now, "at first": before, "step": step, "learning rate there": then}
        if against := cut_while_falling(judged):
            came = f"The learning rate has come down from {number(before, 2)} to {number(then, 2)} by step {step:,}"
            action = f"{came}{last}{against}. {WRONG_WAY}"
        if often := too_often(judged):
            came = f"The learning rate has come down from {number(before, 2)} to {number(then, 2)} by step {step:,}"
            action = f"{came}{last}{often}. {CALL_LESS}"
        return replace(found, evidence=found.evidence | evidence, action=action)
    slow = judged.history.rule.get("shares", {})
    of_group = [slow[name] for name in found.evidence["layers"] if name in slow]
    if of_group and not tiny:
        most = judged.highest_rate
        action = (
            f"Raise the learning rate of their group: it is {number(most * max(of_group), 2)}, where another's is "
            f"{number(most, 2)}."
        )
        return replace(found, evidence=found.evidence | {"learning rate": most * max(of_group)}, action=action)
    if not tiny:
        return found
    rate = float(judged.rates_at(judged.history.steps).median())
    if not ratio > 0 or not rate > 0:
        return replace(found, evidence=found.evidence | {"learning rate": rate})
    better = float(f"{rate * _USUAL / ratio:.0e}")
    action = (
        f"Raise the learning rate from {number(rate, 2)}, tenfold at first: with about {number(better, 1)} a step "
        f"would change the weights by {number(_USUAL, 1)} of their size."
    )
    return replace(found, evidence=found.evidence | {"learning rate": rate}, action=action)


def _schedule_ended(judged: JudgedRecord) -> tuple[int, float, float, float] | None:
    """The first step at which a schedule has brought the rate to nearly 0; the rate before, there and at last.

    None if the rate did not come down so far.
    """
    begins, rates = judged.rate_course
    if not len(rates):
        return None
    most, now = float(rates.max()), float(rates[-1])
    ended = (rates <= _ENDED * most).nonzero().flatten()
    if not most > 0 or now > _ENDED * most or not len(ended):
        return None
    return int(begins[int(ended[0])]), most, float(rates[int(ended[0])]), now


def _are_moved(judged: JudgedRecord, ratio: Tensor, columns: list[int]) -> bool:
    """Whether most layers' weights have moved farther than the steps can move them, so that something else does."""
    weights = judged.history.weight_norm[:, columns]
    gone = (weights[-1] - weights[0]).abs() / weights[0]
    apart = float(judged.history.steps[-1] - judged.history.steps[0])
    return bool(
        (gone > _ELSEWHERE * apart * ratio.nanmedian(0).values.clamp(min=RATIO[0])).double().mean() > _MOST_LAYERS
    )


def _has_a_tiny_rate(judged: JudgedRecord) -> bool:
    history = judged.history
    return bool(history.rule) and judged.highest_rate < _TINY[bool(history.rule.get("scaled"))]


def _warms_up(judged: JudgedRecord, ratio: Tensor) -> bool:
    """Whether the learning rate rises, and will soon be large enough if it goes on rising."""
    _, rates = judged.rate_course
    if not len(rates) or not bool((rates.diff() >= 0).all()) or not float(rates[-1]) > _RISES * float(rates[0]):
        return False
    return float(ratio[-1].nanmedian()) * _SOON > RATIO[0]


def _knew(judged: JudgedRecord) -> bool:
    """Whether the loss began far below a guess, at a usual learning rate: fine-tuning makes small steps."""
    before, _ = _ends(judged)
    return before < _LEFT * judged.guess and not _has_a_tiny_rate(judged)


def _is_flat(judged: JudgedRecord) -> bool:
    """Whether the loss is not lower at last than at first, apart from noise."""
    _, values = judged.losses
    if len(values) < _SAMPLES or not bool(values.isfinite().all()):
        return False
    first, *_, last = values.tensor_split(4)
    noise = 2 * math.hypot(float(first.std()) / len(first) ** 0.5, float(last.std()) / len(last) ** 0.5)
    return float(first.mean() - last.mean()) < max(noise, _FLAT * abs(float(first.mean())))


def _hardly_falls(judged: JudgedRecord) -> bool:
    """Whether the loss has hardly fallen after a while in which something could have been learned."""
    _, values = judged.losses
    if len(values) < _WHILE or not bool(values.isfinite().all()):
        return False
    first, *_, last = values.tensor_split(10)
    return float(last.mean()) > _LITTLE_LESS * float(first.mean()) > 0


def _most(
    judged: JudgedRecord,
    ratio: Tensor,
    columns: list[int],
    name: str,
    out: Tensor,
    needed: float,
    part: str = "",
    limit: float = RATIO[0],
) -> list[Finding]:
    known = ~ratio.isnan()
    layer_share = (out & known).double().sum(0) / known.double().sum(0)  # NaN for a layer that has no steps
    hit = [place for place, share in enumerate(layer_share.tolist()) if share >= needed]
    if not hit or len(hit) <= _MOST_LAYERS * int(known.any(0).sum()):
        return []
    where = tuple(columns[place] for place in hit)
    names, median, share = judged.names(list(where)), float(ratio[:, hit].nanmedian()), float(layer_share[hit].min())
    threshold = RATIO[1] if name == "large" else limit
    evidence = {
        "layers": names,
        "median of update / weight": median,
        "threshold": threshold,
        "share of the record": share,
    }
    side = "above" if name == "large" else "below"
    message = ("the weights hardly move: " if name == "small" else "") + (
        f"a step changes the weights by {number(median, 2)} of their size, {side} {number(threshold)} at "
        f"{_of_the_samples(share, part)}: {listed(names)}"
    )
    return [Finding(f"{name}_updates", "warning", message, evidence, where)]


def rounding(judged: JudgedRecord) -> list[Finding]:
    """Steps that leave nearly all weights of half precision as they are, bit for bit."""
    told = judged.history.rounded
    if told.get("looked at", 0) < _NUMBERS or judged.samples < _SAMPLES:
        return []
    share = told["same"] / told["looked at"]
    if not share >= _LOST:
        return []
    gap = torch.finfo(getattr(torch, str(told["type"]))).eps
    message = (
        f"a step leaves {percent(share)} of the weights as they are, bit for bit, though they have a gradient: "
        f"numbers of {told['type']} are {number(gap / 2, 2)} of their size or more apart, and what is less than half "
        "of that is lost in rounding"
    )
    action = (
        "Keep the weights in float32 (torch.autocast computes in half precision all the same); a larger learning rate "
        "would reach more of them."
    )
    flat = _is_flat(judged) or _hardly_falls(judged)
    if not flat:
        action = f"If the loss falls as it should, all is well. Else: {action[0].lower()}{action[1:]}"
    return [
        Finding("rounding", "warning" if flat else "info", message, dict(told) | {"threshold": _LOST}, None, action)
    ]


def _of_the_samples(share: float, part: str) -> str:
    return f"all samples{part}" if share == 1 else f"{percent(share)} of the samples{part} or more"


def _thrown(judged: JudgedRecord, columns: list[int]) -> list[Finding]:
    """Weights of most layers that are many times as large as before, while the loss is not lower."""
    weights = judged.history.weight_norm[:, columns]
    least = torch.where(weights > 0, weights, math.inf).nan_to_num(nan=math.inf).cummin(0).values
    grown = (weights.nan_to_num(nan=0.0) / least).max(0).values
    hit = [place for place, times in enumerate(grown.tolist()) if _GROWN <= times < math.inf]
    before, after = _ends(judged)
    if len(hit) <= _MOST_LAYERS * len(columns) or not after >= before:
        return []
    where = tuple(columns[place] for place in hit)
    times = float(grown[hit].median())
    first, last = first_and_last(judged.losses[1])
    message = (
        f"the weights have grown {number(times, 2)} times, and the loss is {number(last, 3)} where it began at "
        f"{number(first, 3)}: {listed(judged.names(list(where)))}"
    )
    evidence = {"layers": judged.names(list(where)), "times": times, "threshold": _GROWN}
    return [Finding("large_updates", "warning", message, evidence | {"at first": first, "at last": last}, where)]


def _ends(judged: JudgedRecord) -> tuple[float, float]:
    """The loss at first and at last; NaN where it was not noted."""
    _, values = judged.losses
    if not len(values):
        return math.nan, math.nan
    few = max(1, len(values) // 10)
    return float(values[:few].min()), float(values[-few:].median())


def _is_solved(judged: JudgedRecord) -> bool:
    """Whether gradient and loss have both nearly vanished, so that the task is solved."""
    before, after = _ends(judged)
    gone = float(judged.total[judged.samples // 2 :].nanmedian()) < _GONE * float(judged.total[0])
    return gone and not after > _GONE * before


def _is_unsolved(judged: JudgedRecord) -> bool:
    before, after = _ends(judged)
    left = float(judged.total[judged.samples // 2 :].nanmedian()) > _LEFT * float(judged.total[0])
    return left and after > _LEFT * before


def died(judged: JudgedRecord) -> list[Finding]:
    """Activations most of whose units are dead at the end, and were not dead at first."""
    dead = judged.history.dead
    if dead is None or judged.samples < _SAMPLES:
        return []
    last = dead[-max(3, judged.samples // 4) :]
    hit = []
    for column, (first, end) in enumerate(zip(dead[0].tolist(), torch.nanmedian(last, 0).values.tolist(), strict=True)):
        if end > DEAD[0]:
            hit.append((column, first, end))
    if not hit:
        return []
    on_the_way = [one for one in hit if one[2] - one[1] >= _MORE_DEAD] or hit
    column, first, end = on_the_way[0]
    name = judged.history.layers[column]
    message = f"{name}: {percent(end)} of its units give 0 for the whole batch at the end, {percent(first)} at first"
    if len(hit) > 1:
        message += f"; {len(hit)} layers are above {percent(DEAD[0])}"
    evidence = {"layer": name, "dead at first": first, "dead at last": end, "threshold": DEAD[0]}
    evidence["layers"] = judged.names([one[0] for one in hit])
    severity: Severity = "error" if end > DEAD[1] else "warning"
    return [Finding("died", severity, message, evidence, tuple(one[0] for one in hit))]


def beyond_stable(judged: JudgedRecord) -> list[Finding]:
    """A learning rate of plain gradient descent above 2 / λmax."""
    lr, curvature = judged.known.lr, judged.known.largest_curvature
    if lr is None or curvature is None or not curvature > 0 or not lr * curvature / 2 > _BEYOND[0]:
        return []
    over = lr * curvature / 2
    message = f"the learning rate {number(lr)} is {number(over, 3)} times 2/λmax = {number(2 / curvature, 3)}"
    evidence = {"lr": lr, "largest curvature": curvature, "stable up to": 2 / curvature, "threshold": _BEYOND[0]}
    return [Finding("beyond_stable", "error" if over >= _BEYOND[1] else "warning", message, evidence)]
