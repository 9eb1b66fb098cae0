"""Weights that something other than their optimizer writes to: put back, initialized again, stepped by two."""

import torch
from torch import Tensor

from gradwidgets.core.monitor.facts import RivalFacts
from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord, listed
from gradwidgets.core.results.finding import Finding, Severity
from gradwidgets.core.results.wording import number, percent

_SAMPLES = 5
_LEFT = 0.5  # of a step, at most, is left of one that is mostly undone
_NEXT_TO_NOTHING = 0.1  # of a step that is left: no averaging leaves so little on purpose, whatever the loss does
_ALIKE = 0.2  # relative distance of the rests from their median: an average keeps the same share each time
_NOTHING = 0.02  # of a step: the rest of other steps may add or remove that much
_LESS = 0.9  # of the loss at first: something was gained
_SELDOM = 0.25  # of the steps: writes at more steps than this are no new initialization each time
_BACK = 0.5  # of the way from the losses before to the first one
_FALLEN = 0.9  # of the first loss, for something to be lost
_BEFORE = 5  # losses
_SEVERAL, _SURELY = 4, 4.0  # times it happens; standard errors
_MOSTLY = 0.7  # of the times
_OFTEN, _AGAINST = 20, -0.5  # gradients of two losses; their cosine
_AGAIN = 0.4  # of the steps that two optimizers make: one of each pair uses a gradient again

_Loss = tuple[int, tuple[float, float]]  # a step, and the loss before it and at it


def drawn_back(judged: JudgedRecord) -> list[Finding]:
    """Steps that are mostly undone before the next one, by the same share each time."""
    left = judged.history.left
    known = left[~left.isnan()] if left is not None else torch.empty(0)
    if len(known) < _SAMPLES or not bool((known < _LEFT).double().mean() > _MOSTLY):
        return []
    share = float(known.median())
    alike = (known - share).abs() <= max(_ALIKE * abs(share), _NOTHING)
    if not float(alike.double().mean()) > _MOSTLY:
        return []
    _, losses = judged.losses
    first, *_, last = losses.tensor_split(4) if len(losses) >= 4 else (losses, losses)
    gains = len(losses) >= 4 and (not float(first.mean()) > 0 or float(last.mean()) <= _LESS * float(first.mean()))
    message = (
        f"of each step {percent(1 - share)} is taken back before the next one: something else than the optimizer "
        f"writes to the weights, and moves them back to where they were, all by the same share"
    )
    action = (
        "Is an average of the weights copied over them after each step? Keep it in a model of its own and copy "
        "nothing back. Else look for load_state_dict, copy_ and lerp_ within the loop."
    )
    evidence = {"left of a step": share, "samples": len(known), "threshold": _LEFT}
    return [
        Finding(
            "put_back", "info" if gains and share > _NEXT_TO_NOTHING else "warning", message, evidence, action=action
        )
    ]


def drawn_again(judged: JudgedRecord) -> list[Finding]:
    """Weights that are overwritten now and then, after which the loss is back at its first value."""
    outside, (steps, values) = judged.history.outside, judged.losses
    if len(outside) < 2 or len(outside) > _SELDOM * judged.steps or not len(values) or int(steps[0]) != 1:
        return []
    lost = [(step, one) for step in outside if (one := _lost(steps, values, step)) is not None]
    fell = [one for one in lost if one[1][0] < _FALLEN * float(values[0])] or _surely_below(lost, float(values[0]))
    back = [(step, *one) for step, one in fell if one[1] > one[0] + _BACK * (float(values[0]) - one[0])]
    if len(back) < 2 or len(back) < _MOSTLY * len(fell):
        return []
    first, before, after = back[0]
    message = (
        f"before {len(outside)} of {judged.steps:,} steps ({', '.join(str(one[0]) for one in back[:3])} …) something "
        f"else than the optimizer wrote to the weights, and the loss was back near {number(float(values[0]), 3)}, "
        f"where it began: at step {first:,} from {number(before, 3)} to {number(after, 3)}"
    )
    action = (
        "Draw the weights once, before the loop: look for reset_parameters, init and a new model within it. Where "
        "averaged or loaded weights are put in for an evaluation, keep a copy of the trained ones and put it back."
    )
    evidence = {"steps": [one[0] for one in back], "before": before, "after": after, "at first": float(values[0])}
    return [Finding("drawn_again", "warning", message, evidence, action=action)]


def _surely_below(lost: list[_Loss], first: float) -> list[_Loss]:
    """All of these, where the loss rises significantly from below its first value; else none."""
    if len(lost) < _SEVERAL:
        return []
    before, after = torch.tensor([one for _, one in lost], dtype=torch.float64).unbind(1)
    rises = after - before
    surely = float(rises.mean()) > _SURELY * float(rises.std()) / len(lost) ** 0.5
    return lost if surely and float(before.max()) < first else []


def _lost(steps: Tensor, values: Tensor, step: int) -> tuple[float, float] | None:
    """The level of the loss before a step, and the loss at that step; None where they are unknown."""
    before, now = values[(steps < step) & (steps >= step - _BEFORE)], values[steps == step]
    if len(before) < 2 or not len(now) or not bool(before.isfinite().all()):
        return None
    return float(before.median()), float(now[-1])


def two_optimizers(judged: JudgedRecord) -> list[Finding]:
    """Two optimizers that hold the same parameters, and each step by the same gradients."""
    told = judged.history.rivals
    if not told or told["again"] < _SAMPLES or not told["again"] >= _AGAIN * told["steps"]:
        return _holds_the_others(told)
    names, shared = told["names"], told["shared"]
    message = (
        f"two optimizers, {names[0]} and {names[1]}, hold {listed(shared)}, and step one after the other by the same "
        f"gradient, {told['again']:,} times"
    )
    action = "Give each parameter to one optimizer; to change from one to another, let only one of them step."
    return [Finding("two_optimizers", "warning", message, dict(told) | {"threshold": _AGAIN}, action=action)]


def _holds_the_others(told: RivalFacts) -> list[Finding]:
    """An optimizer that holds all of another one's parameters and more, and steps by another loss."""
    if not told or "more" not in told or told["others"] < _OFTEN:
        return []
    first, second = told["names"]
    along = float(told["along"])
    message = (
        f"{listed(told['shared'])}, all that {second if told['more'] == first else first} holds, are held by a second "
        f"optimizer ({told['more']}), which holds more, too: the two step in turn, by gradients whose cosine is "
        f"{number(along, 2)} in the mean"
    )
    against = along < _AGAINST
    message += ": what the one does the other undoes" if against else ""
    action = "Give the second one its own part's parameters alone (part.parameters() in place of model.parameters())."
    if not against:
        action = f"If both losses are to move them, all is well. Else: {action[0].lower()}{action[1:]}"
    severity: Severity = "warning" if against else "info"
    return [Finding("two_optimizers", severity, message, dict(told) | {"threshold": _AGAINST}, action=action)]
