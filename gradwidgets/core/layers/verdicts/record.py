"""All that is looked for in the record of a training, and the verdict on it."""

from dataclasses import fields, replace

from gradwidgets.core.finding import SEVERITIES, Finding, worst_first
from gradwidgets.core.layers.monitor_history import History
from gradwidgets.core.layers.verdicts.check import Check
from gradwidgets.core.layers.verdicts.record_causes import decay, first_loss, negated, penalty, summed
from gradwidgets.core.layers.verdicts.record_given import cut, evaluation, one_class, target_scale
from gradwidgets.core.layers.verdicts.record_gradients import (
    added_up,
    always_clipped,
    not_finite,
    unheld,
    unlisted,
    without,
)
from gradwidgets.core.layers.verdicts.record_jumps import jumped, momentum
from gradwidgets.core.layers.verdicts.record_loss import by_frequencies, diverging, guessing, hardly, no_step, single
from gradwidgets.core.layers.verdicts.record_outside import drawn_again, drawn_back, two_optimizers
from gradwidgets.core.layers.verdicts.record_steps import beyond_stable, died, out_of_range
from gradwidgets.core.layers.verdicts.record_sums import added_up_later, put_back, stale
from gradwidgets.core.layers.verdicts.recorded import JudgedRecord, Known
from gradwidgets.core.subject.home import at_home
from gradwidgets.core.wording import counted

_ENOUGH = 3  # samples


RECORD_CHECKS: dict[str, Check] = {
    # Causes first: of two that are as grave, what comes first is told first.
    "unheld": Check(
        "what no optimizer holds stays as it was drawn",
        "Give them to an optimizer (one that is made after them), or set requires_grad_(False) where it is meant so.",
        unheld,
    ),
    "unlisted": Check(
        "what no optimizer is given stays as it was drawn",
        "Register it: nn.ModuleList or nn.ParameterList in place of a list, nn.ModuleDict in place of a dict, "
        "nn.Parameter for a tensor.",
        unlisted,
    ),
    "two_optimizers": Check(
        "each gradient moves the weights twice, by rules that do not know of each other",
        "Give each parameter to one optimizer.",
        two_optimizers,
    ),
    "target_scale": Check(
        "the gradient is as large as the targets, or they are out of reach of the steps",
        "Scale the targets before the training, and the predictions back.",
        target_scale,
    ),
    "one_class": Check(
        "there is nothing to tell apart",
        "Look at how the labels are read.",
        one_class,
    ),
    "one_class_a_batch": Check(
        "each batch undoes what the last one taught",
        "Shuffle.",
        lambda judged: [],  # said by "one_class"
    ),
    "evaluation": Check(
        "dropout and batch norms are not what they are in training",
        "Call model.train() before the training and after each evaluation.",
        evaluation,
    ),
    "momentum": Check(
        "old gradients go on for longer than the training lasts",
        "Take a momentum of 0.9.",
        momentum,
    ),
    "negated": Check(
        "what is made smaller is how right it is",
        "Take the minus sign away.",
        negated,
    ),
    "summed": Check(
        "the gradient grows with the batch",
        "Take the mean, or divide the learning rate by the size of a batch.",
        summed,
    ),
    "penalty": Check(
        "the weights are made small, whatever the data say",
        "Make the penalty's factor smaller.",
        penalty,
    ),
    "decay": Check(
        "the weights are drawn to 0, whatever the data say",
        "Make weight decay smaller.",
        decay,
    ),
    "first_loss": Check(
        "the first steps are spent on taking back what was drawn",
        "Draw the last layer smaller.",
        first_loss,
    ),
    "non_finite": Check(
        "NaN or infinity ends the training at once",
        "Look at that batch and at what divides, takes a logarithm or a root; lower the learning rate; clip.",
        not_finite,
    ),
    "added_up": Check(
        "a step goes by all batches since the start",
        "Call optimizer.zero_grad() before each backward pass.",
        lambda judged: added_up(judged) or added_up_later(judged),
    ),
    "stale": Check(
        "a step by an old gradient goes on in a direction that may be none any more",
        "Call backward() once before each optimizer.step(); to accumulate, step with the last of the batches only.",
        stale,
    ),
    "no_step": Check(
        "without a step nothing is learned",
        "Call optimizer.step(); make the optimizer of the model that is trained, after all its parts are in place.",
        no_step,
    ),
    "put_back": Check(
        "every step is undone",
        "Look for load_state_dict, copy_ or a new draw of the weights within the loop.",
        lambda judged: put_back(judged) or drawn_back(judged),
    ),
    "drawn_again": Check(
        "what was learned is thrown away again and again",
        "Draw the weights once, before the loop.",
        drawn_again,
    ),
    "cut": Check(
        "what runs without a graph is not trained",
        "Take torch.no_grad() or detach away; or set requires_grad_(False) where it is meant so.",
        cut,
    ),
    "no_gradient": Check(
        "nothing is learned without a gradient",
        "Call zero_grad() before backward(), not between it and step(); look for detach and no_grad.",
        without,
    ),
    "unused": Check(
        "what the loss is not made of is not trained",
        "Use these layers in forward, or set requires_grad_(False) where it is meant so.",
        lambda judged: [],  # said by "no_gradient"
    ),
    "diverging": Check(
        "the steps make it worse",
        "Lower the learning rate; clip; look for a sign that is turned.",
        lambda judged: diverging(judged) or jumped(judged),
    ),
    "large_updates": Check(
        "weights are thrown about and not refined",
        "Lower the learning rate, tenfold at first.",
        out_of_range,
    ),
    "small_updates": Check(
        "the weights hardly move",
        "Raise the learning rate, tenfold at first.",
        lambda judged: [],  # said by "large_updates"
    ),
    "died": Check(
        "a unit that gives 0 for every sample gets no gradient and stays dead",
        "Lower the learning rate or warm it up; LeakyReLU or GELU; He's init.",
        died,
    ),
    "beyond_stable": Check(
        "along the steepest direction each step goes further than it came",
        "Lower the learning rate below 2/λmax.",
        beyond_stable,
    ),
    "always_clipped": Check(
        "every step has the same length, and the gradient's size has no say",
        "Raise max_norm above the usual norm, and set the learning rate anew.",
        always_clipped,
    ),
    "guessing": Check(
        "nothing is learned from the inputs",
        "Try to learn one batch by heart; look at labels against inputs, the learning rate, a softmax before the loss.",
        lambda judged: guessing(judged) or by_frequencies(judged),
    ),
    "single_samples": Check(
        "one sample's gradient is mostly noise",
        "Take larger batches, or add up the gradients of several samples for a step; else a smaller learning rate.",
        single,
    ),
}

# What need not be said beside a finding, since it follows from it.
_EXPLAINS = {
    "non_finite": ("diverging", "large_updates", "died"),
    "added_up": ("diverging", "large_updates", "always_clipped"),
    "no_gradient": ("guessing", "small_updates", "cut"),
    "died": ("guessing",),
    "diverging": ("guessing",),
    "target_scale": ("diverging", "guessing", "large_updates", "small_updates"),
    "two_optimizers": ("stale",),
    "momentum": ("diverging", "large_updates"),
    "one_class": ("guessing",),
    "put_back": ("guessing", "small_updates"),
    "no_step": ("too_short",),
    "decay": ("large_updates", "small_updates"),
    "penalty": ("guessing", "large_updates", "first_loss"),
    "small_updates": ("guessing",),
    "unlisted": ("guessing",),
}
_ALL_UNHELD = ("added_up", "guessing", "small_updates")

# What a fault leads to: it is as grave as the gravest of these.
_LEADS_TO = {
    "negated": ("non_finite", "diverging", "large_updates", "died"),
    "summed": ("non_finite", "diverging", "large_updates", "died", "guessing"),
    "penalty": ("diverging", "large_updates"),
    "decay": ("died", "guessing"),
    "two_optimizers": ("non_finite", "diverging", "large_updates", "died"),
    "target_scale": ("non_finite", "diverging", "large_updates", "died"),
    "momentum": ("non_finite", "diverging", "large_updates", "died"),
    "diverging": ("died",),
    "large_updates": ("died",),
}


@at_home
def diagnose_record(history: History, **known: object) -> list[Finding]:
    """Say what went wrong in a training, or that nothing did.

    What was not recorded is not judged: updates and units are when the monitor was asked for them, the loss where it
    was noted.

    Args:
        history: What a `GradientMonitor` recorded.
        **known: What else is known of the training: `losses`, all that the monitor noted; `lr` of plain descent
            and `largest_curvature`, λmax of the loss; `max_norm`, what the gradient is clipped to; `classes`, how many
            there are, where the width of the last layer does not say it.

    Returns:
        What the first pass showed of the batch and the loss (`preflight`), then what the steps did, each the gravest
        first; "healthy" where none is a warning or an error, "too_short" for a record of less
        than three samples. `where` holds the indices of layers in `history.layers`, `evidence` numbers and thresholds.

    Raises:
        TypeError: Something else is told than these.
    """
    names = [one.name for one in fields(Known)]
    wrong = [name for name in known if name not in names]
    if wrong:
        raise TypeError(f"a record's verdict may be told {', '.join(names)}; got {', '.join(wrong)}")
    judged = JudgedRecord(history, Known(**known))
    found = (
        [one for check in RECORD_CHECKS.values() for one in check.find(judged)] if judged.samples else no_step(judged)
    )
    found = _with_causes(found)
    gone = {name for one in found for name in _explained(one)}
    found = [replace(one, action=one.action or RECORD_CHECKS[one.name].action) for one in found if one.name not in gone]
    if judged.samples < _ENOUGH and "too_short" not in gone:
        found.append(_too_short(judged))
    before = [_of_a_training(judged, one) for one in history.preflight]
    if not found and not any(one.severity in ("warning", "error") for one in before):
        found.append(_healthy(judged))
    return [*worst_first(before), *worst_first(found)]


def _of_a_training(judged: JudgedRecord, finding: Finding) -> Finding:
    """What is a note on one pass, and a fault of a training: inputs that are all the same, for targets that are not."""
    chance = judged.history.chance
    differ = finding.evidence.get("targets differ") or any(
        chance.get(name, 0.0) > 0 for name in ("frequencies", "base rate", "variance")
    )
    return replace(finding, severity="warning") if finding.name == "constant_inputs" and differ else finding


def _explained(finding: Finding) -> tuple[str, ...]:
    """What need not be said beside a finding."""
    return _ALL_UNHELD if finding.evidence.get("all") else _EXPLAINS.get(finding.name, ())


def _with_causes(found: list[Finding]) -> list[Finding]:
    """Causes as grave as what they lead to; a sum is none by itself."""
    graver, names = [], {one.name for one in found}
    for one in found:
        if one.name == "small_updates" and "always_clipped" in names and "learning rate" not in one.evidence:
            continue  # since it is clipped
        after = [other.severity for other in found if other.name in _LEADS_TO.get(one.name, ())]
        if after or one.name != "summed":
            graver.append(replace(one, severity=max([one.severity, *after], key=SEVERITIES.index)))
    return graver


def _too_short(judged: JudgedRecord) -> Finding:
    message = f"{counted(judged.samples, 'sample')}: too short a record for a verdict"
    evidence = {"samples": judged.samples, "needed": _ENOUGH}
    return Finding("too_short", "info", message, evidence, None, "Train on, or record with every=1.")


def _healthy(judged: JudgedRecord) -> Finding:
    evidence = {"steps": judged.steps, "samples": judged.samples}
    looked = f"{counted(judged.steps, 'step')}, {counted(judged.samples, 'sample')}; {', '.join(_looked_at(judged))}"
    message = ", ".join(filter(None, ("nothing went wrong in what was recorded", hardly(judged))))
    return Finding("healthy", "ok", f"{message}. Looked at: {looked}", evidence)


def _looked_at(judged: JudgedRecord) -> list[str]:
    history, known = judged.history, judged.known
    return [
        name
        for name, there in {
            "loss": len(judged.losses[1]),
            "gradients": True,
            "updates": judged.updates is not None,
            "units": history.dead is not None and not bool(history.dead.isnan().all()),
            "learning rate": known.lr is not None and known.largest_curvature is not None,
        }.items()
        if there
    ] + ([f"of the first batch {', '.join(history.looked_at)}"] if history.looked_at else [])
