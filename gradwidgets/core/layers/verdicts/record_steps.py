"""Steps over a training: too long or too short for the weights, units that died of them, beyond what is stable."""

import torch

from gradwidgets.core.finding import Finding
from gradwidgets.core.layers.verdicts.check import listed
from gradwidgets.core.layers.verdicts.recorded import JudgedRecord
from gradwidgets.core.wording import number, percent

RATIO = 1e-6, 1e-1  # update / weight, outside of which training is slow or wild
_MOST_LAYERS = 0.5
_LONG = 0.5  # of the record above the range
_ALL_ALONG = 0.9  # of the record below it: where it ends there, the training has converged
_SAMPLES = 8
DEAD = 0.75, 0.99  # shares of a layer's units
_MORE_DEAD = 0.25  # than at first
_BEYOND = 1.1, 2.0  # lr · λ / 2: a training that goes well comes to its edge


def out_of_range(judged: JudgedRecord) -> list[Finding]:
    """Most layers' updates are out of proportion to the weights, for most of the record."""
    history = judged.history
    if history.update_ratio is None or judged.samples < _SAMPLES:
        return []
    no_one_steps = {name.rpartition(".")[0] for name in history.unheld}
    columns = [column for column in judged.weighted if history.layers[column] not in no_one_steps]
    ratio = history.update_ratio[:, columns]
    known = ratio.isfinite() & (history.norm[:, columns] > 0) & history.norm[:, columns].isfinite()
    low, high = RATIO
    for name, out, needed in (("large", ratio > high, _LONG), ("small", ratio < low, _ALL_ALONG)):
        layer_share = (out & known).double().sum(0) / known.double().sum(0)  # NaN for a layer that has no steps
        hit = [place for place, share in enumerate(layer_share.tolist()) if share >= needed]
        measured = int(known.any(0).sum())
        if not hit or len(hit) <= _MOST_LAYERS * measured:
            continue
        values = ratio[:, hit][known[:, hit]]
        where = tuple(columns[place] for place in hit)
        evidence = {
            "layers": judged.names(list(where)),
            "median of update / weight": float(values.median()),
            "threshold": high if name == "large" else low,
            "share of the record": float(layer_share[hit].min()),
        }
        side = "above" if name == "large" else "below"
        message = (
            f"a step changes the weights by {number(float(values.median()), 2)} of their size, {side} "
            f"{number(evidence['threshold'])} at {percent(evidence['share of the record'])} of the samples or more: "
            f"{listed(evidence['layers'])}"
        )
        return [Finding(f"{name}_updates", "warning", message, evidence, where)]
    return []


def died(judged: JudgedRecord) -> list[Finding]:
    """Activations most of whose units are dead at the end, and were not at first."""
    dead = judged.history.dead
    if dead is None or judged.samples < _SAMPLES:
        return []
    last = dead[-max(3, judged.samples // 4) :]
    hit = []
    for column, (first, end) in enumerate(zip(dead[0].tolist(), torch.nanmedian(last, 0).values.tolist(), strict=True)):
        if end >= DEAD[0]:
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
    severity = "error" if end >= DEAD[1] else "warning"
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
