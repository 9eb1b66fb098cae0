"""Faults of which optimizer steps: none, another one than the watched one, or a new one again and again."""

from gradwidgets.core.monitor.facts import LineFacts, OptimizerFacts
from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord, listed
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import counted, number

_LOSSES = 5  # without a step
_USUALLY = 2.0  # times the usual number of losses per step, or the most that came between two
_MADE = 3  # optimizers one after the other
_RETURNS = 0.02  # of their steps, by one although a later one had stepped already
_MEANT = 0.5  # of them begin with overwritten weights, as in another round or task

_MOSTLY = 0.8  # of the losses without a step that were looked at
_LOST = ": gradients were computed, and at {lost} of {of} of these that were looked at they are not finite"
_LOWER_SCALE = (
    "If the loop leaves out steps whose gradients are not finite, it leaves out all: lower the scale by which the loss "
    "is multiplied, by half at each overflow as torch.amp.GradScaler does. Without a scale, look for what makes them "
    "NaN."
)
_NEVER_FULL = (
    "Call optimizer.step(). If it waits until so many batches are added up: a count that starts again with each epoch "
    "is never full where an epoch has fewer batches; add up fewer, count on over the epochs, or step at the last batch "
    "of an epoch too."
)
_GIVE_THAT = (
    "Give the monitor the optimizer that steps, or none: GradientMonitor(model) watches all that hold its parameters."
)
_MAKE_ONCE = (
    "Make the optimizer once, before the loop, and give that to the monitor; to change its learning rate set "
    'group["lr"] for group in optimizer.param_groups, or take a scheduler.'
)


def no_step(judged: JudgedRecord) -> list[Finding]:
    """A record without samples, and the reason for it."""
    if judged.samples:
        return []
    return _not_watched(judged) or _failed(judged) or none_held(judged) or _another(judged) or _none_at_all(judged)


def _not_watched(judged: JudgedRecord) -> list[Finding]:
    history = judged.history
    if not history.optimizers.get("entered", True):
        message = "the monitor was never entered, so it has seen nothing of the training"
        action = "Put the training into its block: with GradientMonitor(model, optimizer) as monitor."
    elif not any(history.parameters):
        message = "the model has no parameters, so there is no gradient to record"
        action = "Give the monitor the model that is trained."
    else:
        return []
    return [Finding("not_watched", "warning", message, {"losses": history.waiting}, action=action)]


def _failed(judged: JudgedRecord) -> list[Finding]:
    """Steps that were seen, but whose samples failed."""
    why, seen = str(judged.history.optimizers.get("failed", "")), judged.watched_steps
    if not why or not seen:
        return []
    message = f"{counted(seen, 'step')} were seen, and no sample could be taken of them: {why}"
    action = "The training goes on as it would; nothing is known of its gradients. Look at what raises that."
    return [Finding("not_watched", "warning", message, {"steps": seen}, action=action)]


def none_held(judged: JudgedRecord) -> list[Finding]:
    """The optimizer that was given to the monitor holds parameters of another model."""
    told, weights = judged.history.optimizers, judged.history.weight_norm
    if "given" not in told or told["holds"] or bool((weights != weights[:1]).any()):
        return []  # with an optimizer of copies, as for half precision, the weights move all the same
    own = [line for line in told["lines"] if line["held"]]
    message = f"the optimizer that the monitor was given, {told['given']}, holds none of the model's parameters"
    if own:
        message += f"; {_who(own)} made {counted(_steps(own), 'step')} of them"
    action = _GIVE_THAT if own else "Make the optimizer of the parameters of the model that is trained and watched."
    evidence = {"given": told["given"], "steps of others": _steps(own), "all": True}
    return [Finding("unheld", "warning" if own else "error", message, evidence, action=action)]


def _another(judged: JudgedRecord) -> list[Finding]:
    """Steps of other optimizers that hold the model's parameters, and none of the one that was given."""
    told = judged.history.optimizers
    lines = told.get("lines", [])
    if "given" not in told or _steps(lines) < _LOSSES:
        return []
    left = _left_alone(told, lines)
    message = f"the optimizer that the monitor was given, {told['given']}, made no step"
    message += f", while {_who(lines)} made {counted(_steps(lines), 'step')}"
    if left:
        held = list(dict.fromkeys(name for line in lines for name in line["held"]))
        message += f" of {listed(held)}: nobody moves {listed(left)}"
    else:
        message += " of the same parameters, which it did not see"
    action = f"Call step() of {told['given']} as well." if left else _MAKE_ONCE if _anew(lines) else _GIVE_THAT
    evidence = {"given": told["given"], "steps of others": _steps(lines), "others": sum(one["made"] for one in lines)}
    return [Finding("no_step", "error" if left else "warning", message, evidence | {"left": left}, action=action)]


def _none_at_all(judged: JudgedRecord) -> list[Finding]:
    waiting, told = judged.history.waiting, judged.history.optimizers
    if waiting < _LOSSES:
        return []
    who = (
        f"the optimizer that the monitor was given, {told['given']}, made no step"
        if "given" in told
        else "no optimizer that holds parameters of the model made a step"
    )
    message = f"{waiting:,} losses were noted, and {who}"
    evidence = {"losses": waiting, "threshold": _LOSSES} | _overflow(judged)
    if _overflow(judged):
        return [Finding("no_step", "error", message + _LOST.format(**_overflow(judged)), evidence, action=_LOWER_SCALE)]
    passes = (told.get("overflow") or {}).get("passes", 0)
    if passes > 1:
        message += f", though gradients are there, added up over as many as {passes:,} backward passes and never used"
        return [Finding("no_step", "error", message, evidence | {"passes": passes}, action=_NEVER_FULL)]
    return [Finding("no_step", "error", message, evidence)]


def _overflow(judged: JudgedRecord) -> dict[str, int]:
    """How often gradients were not finite while no step came, where they mostly were not; else empty."""
    told = judged.history.optimizers.get("overflow") or {}
    return dict(told) if told and told["lost"] >= _MOSTLY * told["of"] > 0 else {}


def _left_early(judged: JudgedRecord) -> list[Finding]:
    """Losses that are noted after the monitor was closed, or after another monitor has replaced it."""
    told = judged.history.optimizers
    if told.get("late", 0) < _LOSSES:
        return []
    how = "a newer monitor of the same model has ended this one" if told.get("replaced") else "the monitor was closed"
    message = f"the record ends at step {judged.watched_steps:,}, when {how}: {told['late']:,} more losses were noted"
    action = "Enter one monitor, before the loop, and leave it to the end of its block; one model has one at a time."
    return [Finding("stopped", "info", message, {"losses since": told["late"], "threshold": _LOSSES}, action=action)]


def stopped(judged: JudgedRecord) -> list[Finding]:
    """Losses that are noted after the last step that was seen."""
    return _left_early(judged) or _no_more_steps(judged)


def _no_more_steps(judged: JudgedRecord) -> list[Finding]:
    waiting, told, steps = judged.history.waiting, judged.history.optimizers, judged.steps
    if not judged.samples or not told or waiting < _LOSSES:
        return []
    usual = (told["noted"] - waiting) / max(steps, 1)
    if waiting <= _USUALLY * max(usual, told["longest"]):
        return []
    own = {name for line in told["lines"] if line["watched"] for name in line["held"]}
    others = [line for line in told["lines"] if own.intersection(line["held"])] if told["since"] >= _LOSSES else []
    by = told.get("given", "any optimizer of the model")
    message = f"the record ends at step {steps:,}: {waiting:,} more losses were noted, and no step of {by} came"
    if others:
        message += f", but {told['since']:,} of {_who(others, but='given' in told)}, of the same parameters"
        action = _MAKE_ONCE if _anew(others) else _GIVE_THAT
    else:
        message += ": what came then is not judged"
        action = (
            "Is another model or another optimizer trained since then? Enter a monitor of those. If these are losses "
            "of a validation, note only those of the training."
        )
    much = waiting > steps and not others
    if not others and _overflow(judged):
        message, action, much = message.rpartition(": what came")[0], _LOWER_SCALE, True
        message += _LOST.format(**_overflow(judged))
    evidence = {"losses since": waiting, "steps": steps, "steps of others": told["since"], "threshold": _LOSSES}
    return [Finding("stopped", "warning" if much else "info", message, evidence, action=action)]


def made_anew(judged: JudgedRecord) -> list[Finding]:
    """Optimizers of the same parameters, one after the other, so that averages or momentum start again each time."""
    for line in judged.history.optimizers.get("lines", []):
        if line["memory"] and _anew([line]):
            return [_anew_finding(judged, line)]
    return []


def _anew_finding(judged: JudgedRecord, line: LineFacts) -> Finding:
    each = line["steps"] / line["made"]
    meant = len(judged.history.outside) >= _MEANT * line["made"]
    message = (
        f"{line['name']} is made again and again: {line['made']:,} of them, one after the other, made "
        f"{counted(line['steps'], 'step')}, and each begins without what the one before had seen of the gradients"
    )
    severe = each < line["memory"] and not meant
    if severe:
        message += f", which takes about {number(line['memory'], 2)} steps to be of use"
    action = _MAKE_ONCE.replace(", and give that to the monitor", "")
    if not severe:
        action = f"If each is to start from nothing, all is well. Else: {action[0].lower()}{action[1:]}"
    evidence = {"made": line["made"], "steps": line["steps"], "memory": line["memory"], "threshold": _MADE}
    return Finding("made_anew", "warning" if severe else "info", message, evidence, action=action)


def _anew(lines: list[LineFacts]) -> bool:
    return any(one["made"] >= _MADE and one["returns"] <= _RETURNS * one["steps"] for one in lines)


def _steps(lines: list[LineFacts]) -> int:
    return sum(one["steps"] for one in lines)


def _left_alone(told: OptimizerFacts, lines: list[LineFacts]) -> list[str]:
    moved = {name for line in lines for name in line["held"]}
    return [name for name in told["holds"] if name not in moved]


def _who(lines: list[LineFacts], *, but: bool = False) -> str:
    """The others in words; `but` says that the watched one is among these lines."""
    made = sum(one["made"] for one in lines) - but
    names = list(dict.fromkeys(one["name"] for one in lines))
    if made == 1:
        return f"another one, {names[-1]},"
    in_turn = " that were made one after the other" if _anew(lines) else ""
    return f"{made:,} others ({', '.join(names)}){in_turn}"
