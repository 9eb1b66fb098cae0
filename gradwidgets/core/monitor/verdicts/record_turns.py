"""Two losses in turn, such as a critic's and a generator's: one is nearly 0, while the other rises."""

import math
from itertools import pairwise

import torch
from torch import Tensor

from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord, listed
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number

_CYCLES = range(2, 7)  # steps after which the turns repeat
_SAMPLES, _LOSSES = 3, 8  # of each
_NOTHING, _RISEN = 0.05, 1.5  # times its first
_PART = 5  # of a series


def turns(judged: JudgedRecord) -> list[tuple[list[int], Tensor, Tensor]]:
    """The layers, steps and losses of each of two turns that come in a fixed order; empty for any other loop."""
    history, (steps, values) = judged.history, judged.losses
    groups = [one for one in judged.groups if len(one) >= _SAMPLES]
    if len(groups) != 2 or not len(steps):
        return []
    sampled = [{int(history.steps[place]) for place in one} for one in groups]
    for cycle in _CYCLES:
        residues = [{step % cycle for step in one} for one in sampled]
        if residues[0] & residues[1] or len(residues[0] | residues[1]) < cycle:
            continue
        found = []
        for group, those in zip(groups, residues, strict=True):
            of_it = torch.isin(steps % cycle, torch.tensor(sorted(those)))
            columns = [column for column in judged.weighted if math.isfinite(float(history.norm[group[0], column]))]
            found.append((columns, steps[of_it], values[of_it]))
        return found
    return []


def unbalanced(judged: JudgedRecord) -> list[Finding]:
    """One of two losses falls to nearly 0, and the other is above its first value."""
    both = turns(judged) if judged.takes_turns else []
    if not both or any(len(values[values.isfinite()]) < _LOSSES for *_, values in both):
        return []
    for (won, when, down), (lost, _, up) in pairwise([*both, both[0]]):
        down, when, up = down[down.isfinite()], when[down.isfinite()], up[up.isfinite()]
        first, rises = float(down[:_PART].median()), float(up[:_PART].median())
        levels = [float(one.median()) for one in down.tensor_split(max(2, len(down) // _PART))]
        now = float(up[-len(up) // 4 :].median())
        if not first > 0 or min(levels) > _NOTHING * first or not now > _RISEN * rises > 0:
            continue
        since = int(when[(down <= _NOTHING * first).nonzero().flatten()[0]])
        names, others = judged.names(won), judged.names(lost)
        message = (
            f"the loss at the steps of {listed(names)} is next to nothing ({number(min(levels), 2)}, "
            f"{number(first, 3)} at first; below {number(_NOTHING * first, 2)} from step {since:,} on), "
            f"while at those of {listed(others)} it goes from {number(rises, 3)} to {number(now, 3)}: the one tells "
            "all, and the other learns nothing from it that would help"
        )
        rate = _rate(judged, won)
        action = (
            f"Hold the first one back: a lower learning rate{rate}, fewer steps for each of the other's, labels of 0.9 "
            "for 1, noise on what it sees, a penalty on its gradient; and the loss by logits, which stays finite."
        )
        evidence = {"layers": names, "others": others, "lowest": min(levels), "at first": first, "step": since}
        return [Finding("unbalanced", "warning", message, evidence, tuple(won), action)]
    return []


def _rate(judged: JudgedRecord, columns: list[int]) -> str:
    rates, norm = judged.history.rates, judged.history.norm
    if rates is None:
        return ""
    own = [float(rates[k]) for k in range(judged.samples) if math.isfinite(float(norm[k, columns[0]]))]
    return f" than {number(own[-1], 2)}" if own and math.isfinite(own[-1]) else ""
