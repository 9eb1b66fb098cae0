"""Gradients that add up from some step on, or over several steps at a time, or that are used twice."""

import torch
from torch import Tensor

from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord, modules_of
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import counted, number, percent

_PAIRS = 5  # of samples in a row, up to the last
_STEPS = 10  # between the first and the last of them
_GROWN = 2.0  # times what norms were, where the memory alone does not tell
_OFTEN = 0.5  # of the pairs of samples
_SUMS = 3  # steps whose gradients are added up at once
_LARGER = 1.5  # times the norm, for a sum of those
_NEW, _BEGUN = 0.9, 0.3  # of the samples: in new memory; at which a sum of losses may have started again
_PASSES = 6  # a clip or a decay by hand writes too, so that a few writes need not be passes
_AGAIN = 0.25  # of the samples without anything new in the gradients
_MOVED = 1e-3  # update / weight, above which a norm in float32 changes, even by a step across the weights
_ALWAYS = 0.99  # of layers and samples
_LESS = 0.9  # of the loss at first: something was gained
_TAIL = 0.05  # of all losses
_ALIKE = 0.75  # of the steps at which gradients are thrown away: an epoch may end with fewer batches


def many_passes(judged: JudgedRecord) -> str:
    """A sentence and a space on gradients that are sums of several passes each; "" for any other."""
    history = judged.history
    if history.kept is None or history.writes is None or judged.takes_turns or judged.samples < 2:
        return ""
    anew = float((history.kept[1:] == 0).double().mean()) >= _NEW
    zeroed = history.writes.diff() / history.steps.diff() - 1
    count = float(history.writes.nanmedian() + 1 if anew else zeroed.nanmedian())
    if not count >= _PASSES:
        return ""
    return (
        f"Each step's gradient is the sum of {number(count, 3)} backward passes (or of as many uses of a weight in "
        f"one): if batches are added up, divide the loss of each by {number(count, 3)}, unless it is "
        "divided already. "
    )


def thrown_away(judged: JudgedRecord) -> list[Finding]:
    """Gradients of batches that should have been added up, but are cleared before the step."""
    told = judged.history.thrown
    if not told or told["steps"] < _PAIRS or not told["steps"] >= _OFTEN * told["of"] or "alike" not in told:
        return []
    if not told["alike"] >= _ALIKE * told["steps"]:
        return []
    passes, left = told["passes"], told["left"]
    last = "the last alone" if left == 1 else f"the last {left} alone"
    message = (
        f"before each step {passes - left} of {passes} gradients are thrown away: losses are noted and passed backward "
        "one after the other, and zero_grad() comes between (none is there any more, or zeros, when the next is "
        f"added), so that the step goes by {last}"
    )
    action = (
        "Call zero_grad() once a step, right after optimizer.step(), and not for each of the batches that are added "
        f"up; divide the loss of each by {passes}, unless it is divided already."
    )
    return [Finding("thrown_away", "warning", message, dict(told) | {"threshold": _OFTEN}, action=action)]


def tails_thrown_away(judged: JudgedRecord) -> list[Finding]:
    """Gradients that are let go before some steps alone, at equal distances: as the tail of an epoch is."""
    told = judged.history.thrown
    each, lost = told.get("each", 0), told.get("cleared", 0)
    if each < _SUMS or told["steps"] < _SUMS:
        return []
    share = lost / told["among"]
    message = (
        f"before {told['steps']:,} of {counted(told['of'], 'step')} the gradients of {counted(lost, 'loss')} in all "
        f"are cleared unused, every {each:,} losses or a multiple of that: {percent(share)} of all that were noted and "
        "passed backward teach nothing, as where an epoch begins with zero_grad() while the last batches of the one "
        "before wait for a step"
    )
    action = (
        "Call zero_grad() right after optimizer.step() alone, and not at the start of an epoch; or step at the last "
        "batch of each epoch too: if (i + 1) % accumulate == 0 or i + 1 == len(loader)."
    )
    evidence = dict(told) | {"threshold": _TAIL}
    return [Finding("thrown_away", "warning" if share >= _TAIL else "info", message, evidence, action=action)]


def left_over(judged: JudgedRecord) -> list[Finding]:
    """Steps by gradients to which the loss of another optimizer has contributed."""
    told = judged.history.leftover
    if not told or told["steps"] < _PAIRS or not told["steps"] >= _OFTEN * told["of"]:
        return []
    names = modules_of(told["held"])
    message = (
        f"{told['name']} steps by what another loss has left as well: before {told['steps']} of {told['of']} steps "
        f"that were looked at the backward pass of another optimizer's loss had changed the gradients of {names} too, "
        "and its own loss's were added to them"
    )
    action = (
        "Call zero_grad() of this optimizer right before the backward() of its own loss: that of the other loss runs "
        "through these weights too (such as a critic's, when the generator learns)."
    )
    if told.get("sums"):
        action = (
            f"Call requires_grad_(False) on {names} for the pass of the other loss (such as a generator's, through its "
            "critic), and requires_grad_(True) after it: zero_grad() before the own loss would throw away what is "
            "added up there."
        )
    return [Finding("left_over", "warning", message, dict(told) | {"threshold": _OFTEN}, action=action)]


def past_losses(judged: JudgedRecord) -> list[Finding]:
    """Gradients that are new at each step, with more passes each time: of a loss that contains all losses before."""
    history = judged.history
    if history.kept is None or history.writes is None or len(judged.groups) > 1 or judged.samples <= _PAIRS + 1:
        return []
    if not float((history.kept[1:] == 0).double().mean()) >= _NEW or not bool(history.writes.isfinite().all()):
        return []
    # The memory is written to as often for one pass as for two.
    apart, more = history.steps.diff()[1:].double(), history.writes.diff()[1:]
    rising = more > 0
    each = float((more / apart)[rising].median()) if bool(rising.any()) else 0.0
    evenly = more == each * apart
    if each < 1 or int(evenly.sum()) < _PAIRS or not float(evenly[more >= 0].double().mean()) >= _NEW:
        return []
    if not float(apart[evenly].sum()) >= _STEPS or float((more < 0).double().mean()) > _BEGUN:
        return []
    last, holds = int(history.steps[-1]), int(float(history.writes[-1]) / each) + 2
    message = (
        f"backward() goes through the losses of past steps too: the gradients are new at each step, so zero_grad() is "
        f"called, and yet at step {last:,} they are the sum of those of about {counted(holds, 'step')}"
    )
    action = (
        "Call backward() on the loss of this step alone: add loss.item() or loss.detach() to a running total, and "
        "detach what is carried from step to step. Then retain_graph=True is not needed."
    )
    evidence = {"step": last, "steps in its gradient": holds, "writes a step": each, "threshold": _NEW}
    return [Finding("past_losses", "error", message, evidence, action=action)]


def added_up_later(judged: JudgedRecord) -> list[Finding]:
    """Steps by the gradients of several steps, where each pass was added to the same memory and nothing cleared it."""
    history, writes = judged.history, judged.history.writes
    if writes is None or len(judged.groups) > 1 or int(history.steps[0]) != 1:
        return []
    if judged.samples <= _PAIRS or not bool(writes.isfinite().all()):
        return []
    usual = float(writes[0]) + 1  # writes per step
    kept = writes.diff() == usual * history.steps.diff()
    return _to_the_end(judged, writes, usual, kept) or _at_times(judged, writes, usual, kept)


def _to_the_end(judged: JudgedRecord, writes: Tensor, usual: float, kept: Tensor) -> list[Finding]:
    history, others = judged.history, (~kept).nonzero().flatten()
    begin = int(others[-1]) + 1 if len(others) else 0  # the sample from which on all is kept
    if len(kept) - begin < _PAIRS or int(history.steps[-1] - history.steps[begin]) < _STEPS or not begin:
        return []
    before, after = judged.total[: begin + 1], judged.total[-_PAIRS:]
    grown = float(after.median() / before.median())
    let_go = bool((writes[: begin + 1].diff() <= 0).any())
    if not let_go and not grown > _GROWN:
        return []  # zeros are written to the memory too, and another write may have stopped
    last = int(history.steps[-1])
    since = last - int((float(writes[-1]) + 1) / usual) + 1 if let_go else int(history.steps[begin])
    message = (
        f"gradients add up: at step {last:,} they still hold those of every step since step {since:,}, and until then "
        f"they were cleared; their norm is {number(grown, 2)} times what it was"
    )
    evidence = {"since step": since, "last step": last, "norm before": float(before.median())}
    return [Finding("added_up", "error", message, evidence | {"norm, last": float(after.median())})]


def _at_times(judged: JudgedRecord, writes: Tensor, usual: float, kept: Tensor) -> list[Finding]:
    """Sums that are cleared only after several steps."""
    total = judged.total
    share = float(kept.double().mean())
    if len(kept) < 2 * _PAIRS or not bool((writes.diff() < 0).any()):
        return []
    in_a_row = bool(kept.unfold(0, 2 * _PAIRS, 1).all(1).any())
    if share < _OFTEN and not in_a_row:
        return []
    sums = (writes + 1) / usual
    most, high = int(sums.max()), sums >= _SUMS
    if most < _SUMS or not bool(high.any()):
        return []
    times = float(total[high].median() / total[sums < _SUMS].median())
    if not times > _LARGER:
        return []
    message = (
        f"the optimizer steps by the gradients of several steps at once: between {percent(share)} of the samples and "
        f"the next nothing cleared them, they hold up to {counted(most, 'step')}, and their norm is "
        f"{number(times, 2)} times as large where they hold {_SUMS} or more"
    )
    evidence = {"share of pairs of samples": share, "threshold": _OFTEN, "most steps at once": most, "times": times}
    action = (
        "Call optimizer.zero_grad() before each step's first backward pass; to accumulate, step only after the last of "
        "the batches and divide the loss by how many they are."
    )
    return [Finding("added_up", "warning", message, evidence, action=action)]


def stale(judged: JudgedRecord) -> list[Finding]:
    """Steps at which the gradients are those of the step before, as no backward pass came between."""
    history = judged.history
    if history.written is None or judged.samples < 2 * _PAIRS:
        return []
    again = history.written == 0
    share = float(again.double().mean())
    if share < _AGAIN or not bool((judged.total[again] > 0).any()):
        return []
    message = f"at {percent(share)} of the sampled steps the gradients are the very ones of the sample before: no pass "
    message += "backward has reached this model between"
    return [Finding("stale", "warning", message, {"share of samples": share, "threshold": _AGAIN})]


def put_back(judged: JudgedRecord) -> list[Finding]:
    """Weights that are the same before each step, though each step moves them."""
    ratio, weights = judged.history.update_ratio, judged.history.weight_norm[:, judged.weighted]
    _, losses = judged.losses
    if ratio is None or judged.samples < 2 * _PAIRS or not len(losses) >= 2 * _PAIRS:
        return []
    first, *_, last = losses.tensor_split(4)
    if not float(last.mean()) > _LESS * float(first.mean()):
        return []
    moved = ratio[:, judged.weighted]
    moves = (moved > _MOVED) & (moved < torch.inf) & (weights > 0)
    pairs = moves[1:-1]  # not the first sample: something else may have moved the weights before it
    same = (weights[2:] == weights[1:-1]) & pairs
    share = float(same.sum() / pairs.sum()) if bool(pairs.any()) else 0.0
    if share < _ALWAYS:
        return []
    message = (
        f"each step moves the weights, by {number(float(moved[moves].median()), 2)} of their size, and at the next "
        f"sample their norms are what they were, in {percent(share)} of layers and samples: something puts them back"
    )
    return [Finding("put_back", "error", message, {"share": share, "threshold": _ALWAYS})]
