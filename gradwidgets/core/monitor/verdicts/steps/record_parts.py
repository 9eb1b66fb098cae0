"""Faults of one part of a training: sums of some layers' gradients or of a closure's calls, clips in turns, one rate.

Also weights of which none moves.
"""

from gradwidgets.core.monitor.facts import KeptFacts
from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord, listed
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

_PAIRS, _SAMPLES = 5, 5
_GROWN = 1.5  # times the first norm, at some sample
_ALWAYS = 0.5  # of the calls
_SEEN = 2  # clips that were reached
_NTH = {2: "second", 3: "third"}
_APART, _LARGER = 100.0, 10.0  # times the others' rate; times what the weights were


def added_in_part(judged: JudgedRecord) -> list[Finding]:
    """Layers whose gradients are kept from step to step, while those of others are cleared."""
    kept = {name: one for name, one in judged.history.parts.get("kept", {}).items() if one["of"] >= _PAIRS}
    sums = [name for name, one in kept.items() if _is_never_zeroed(one, kept) and _has_grown(judged, name)]
    others = [name for name in kept if name not in sums]
    if not sums or not others:
        return []
    where = tuple(column for column in judged.weighted if judged.history.layers[column] in sums)
    grown = max(_growth(judged, column) for column in where)
    message = (
        f"the gradients of all steps add up in {listed(sums)}, and in no other layer: their memory is the same at all "
        f"{kept[sums[0]]['of'] + 1} samples that were looked at, and nothing but backward passes is written to it, "
        f"while that of {listed(others)} is emptied each time; their norm has been up to {number(grown, 2)} times the "
        "first one"
    )
    action = (
        "Clear the gradients of the whole model before each pass: optimizer.zero_grad() of every optimizer that "
        "steps, or model.zero_grad() of the whole."
    )
    evidence = {"layers": sums, "emptied": others, "samples": kept[sums[0]]["of"] + 1, "times the first": grown}
    return [Finding("added_up", "error", message, evidence, where, action)]


def _is_never_zeroed(one: KeptFacts, every: dict[str, KeptFacts]) -> bool:
    """Whether no zeros are written to a layer's gradient, which would be one more write per step than passes."""
    if one["kept"] < one["of"]:
        return False
    anew = [other["writes"] for other in every.values() if not other["kept"]]
    filled = [other["writes"] - 1 for other in every.values() if other["kept"] and other["writes"] > one["writes"]]
    return one["writes"] == 1 if not anew else one["writes"] == min([*anew, *filled])


def _growth(judged: JudgedRecord, column: int) -> float:
    norm = judged.history.norm[:, column].nan_to_num(nan=0.0, posinf=0.0)
    first = norm[norm > 0][:1]
    return float(norm.max() / first[0]) if len(first) else 0.0


def _has_grown(judged: JudgedRecord, name: str) -> bool:
    return _growth(judged, judged.history.layers.index(name)) > _GROWN


def added_by_calls(judged: JudgedRecord) -> list[Finding]:
    """A closure that is called several times a step and adds each call's gradient to that of the call before."""
    told = judged.history.optimizers.get("closure") or {}
    if not told or told["of"] < _PAIRS or not told["added"] > _ALWAYS * told["of"]:
        return []
    name = judged.history.rule.get("name", "the optimizer")
    message = (
        f"the gradients of a closure's calls add up: {name} calls it several times a step, and at "
        f"{percent(told['added'] / told['of'])} of the calls behind the first one nothing has cleared what the call "
        "before had left, so that directions and line search go by sums"
    )
    action = "Call optimizer.zero_grad() within the closure, as its first line: before the loop's step is not enough."
    return [Finding("added_up", "error", message, dict(told) | {"threshold": _ALWAYS}, action=action)]


def added_in_turns(judged: JudgedRecord) -> list[Finding]:
    """A step after every pass, by gradients that are cleared only after several passes."""
    told = judged.history.parts.get("turns") or {}
    each = told.get("sums", 0)
    if each < 2:
        return []
    message = (
        f"gradients are cleared once in {each} steps, and there is a step at every backward pass (at all of the "
        f"{told['of']} that were looked at): a step goes by the sum of the passes since, of 1 to {each} in turn, and "
        "the first of these batches is used again and again"
    )
    action = (
        "Call optimizer.zero_grad() before each pass; or, to add up gradients, step once in as many passes too: "
        "optimizer.step() and zero_grad() belong under the same condition, the loss divided by how many they are."
    )
    # With small steps the model learns all the same.
    return [Finding("added_up", "info", message, dict(told), action=action)]


def clipped_in_turns(judged: JudgedRecord) -> list[Finding]:
    """A clip before only every few steps."""
    told = judged.history.parts.get("turns") or {}
    each, clipped = told.get("more", 0), told.get("clipped", 0)
    if each < 2 or clipped < _SEEN:
        return []
    message = (
        f"the gradient is clipped at every {_NTH.get(each, f'{each}th')} step alone, and there is a step "
        f"each time: {each - 1} of {each} steps go by gradients as they are (of {told['of']} that were looked at)"
    )
    action = (
        "If gradients are to be added up, put optimizer.step() and zero_grad() under the same condition as the clip, "
        "at the last of the batches; else clip before every step."
    )
    return [Finding("clipped_in_turns", "warning", message, dict(told), action=action)]


def fast_group(judged: JudgedRecord) -> list[Finding]:
    """A group whose rate is a hundred times the others', and whose weights have grown many times."""
    groups = judged.history.parts.get("groups", [])
    for one in groups:
        others = [other for other in groups if other is not one]
        usual = max((other["rate"] for other in others), default=0.0)
        if not usual > 0 or not one["rate"] >= _APART * usual or not one["largest"] > _LARGER * one["first"] > 0:
            continue
        grown = one["largest"] / one["first"]
        message = (
            f"a group of the optimizer, {listed(one['names'])}, has a learning rate of {number(one['rate'], 2)}, "
            f"{number(one['rate'] / usual, 2)} times that of the others ({number(usual, 2)}): its weights have grown "
            f"{number(grown, 2)} times, and a step moves them by {number(one['moves'] / one['first'], 2)} of what they "
            "were"
        )
        action = (
            f"Lower the rate of that group, to about {number(usual, 2)} at first: look for a number that was typed "
            'wrong in its "lr", or that a schedule was to multiply.'
        )
        evidence = {"rate": one["rate"], "others": usual, "grown": grown, "threshold": _LARGER}
        return [Finding("fast_group", "warning", message, evidence, action=action)]
    return []


def unmoved(judged: JudgedRecord) -> list[Finding]:
    """Weights that are the same at all samples of a loop without an optimizer, though there are gradients."""
    history, told = judged.history, judged.history.optimizers
    if not told.get("entered") or told["lines"] or history.rule or judged.samples < _SAMPLES:
        return []
    if not judged.stands_still:
        return []
    if not bool((judged.total > 0).all()):
        return []
    message = (
        f"no weight moves: their norms are the same at all {judged.samples} samples, to the last digit, though there "
        "is a gradient at each; and no optimizer has stepped"
    )
    action = (
        "Write to the weights in place: with torch.no_grad(): p -= lr * p.grad for p in model.parameters(). p = p - lr "
        "* p.grad gives a new tensor a name and leaves the weight as it is, and so does a copy of the weights; or take "
        "an optimizer and call its step(). If nothing is to be trained, all is well."
    )
    return [Finding("unmoved", "warning", message, {"samples": judged.samples}, tuple(judged.weighted), action)]
