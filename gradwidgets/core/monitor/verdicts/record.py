"""The verdict on the record of a training."""

from dataclasses import fields, replace
from typing import Any

from gradwidgets.core.monitor.history import History
from gradwidgets.core.monitor.verdicts.course.running_sum import of_its_own, running_sum
from gradwidgets.core.monitor.verdicts.course.what_follows import ALL_UNHELD, EXPLAINS, LEADS_TO, WITHOUT_SAMPLES
from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord, Known
from gradwidgets.core.monitor.verdicts.record_checks import RECORD_CHECKS
from gradwidgets.core.monitor.verdicts.record_given import same_inputs
from gradwidgets.core.monitor.verdicts.record_level import level
from gradwidgets.core.monitor.verdicts.record_loss import hardly
from gradwidgets.core.results.finding import SEVERITIES, Finding, worst_first
from gradwidgets.core.results.wording import counted
from gradwidgets.core.subject.home import at_home

_ENOUGH = 3  # samples
_MOSTLY = 0.5  # of the samples
_MANY = 5  # monitors of one model
# Faults that make sound numbers grow without end, whatever the loss is and however short the steps are.
_FIRST = {
    "added_up": "Clear the gradients as described above",
    "scaled": "Divide by the scale before the step, or make it smaller where gradients are infinite while they have it",
}


@at_home
def diagnose_record(history: History, **known: Any) -> list[Finding]:
    """Say what went wrong in a training, or that nothing did.

    Only what was recorded is judged: updates and units if the monitor was asked for them, the loss if it was noted.

    Args:
        history: What a `GradientMonitor` recorded.
        **known: What else is known of the training: `losses`, all that the monitor noted; `lr` of plain descent
            and `largest_curvature`, λmax of the loss; `max_norm`, to which the gradient is clipped; `classes`, their
            number, where the width of the last layer is another one.

    Returns:
        Findings on the batch and the loss of the first pass (`preflight`), then on the steps, both with the most severe
        first; "healthy" where there are none on the steps, or "hardly_learned" where the loss is hardly below a guess,
        "too_short" for a record of less than three samples. `where` holds the indices of layers in `history.layers`,
        `evidence` numbers and thresholds.

    Raises:
        TypeError: Something other than these is given, or one is of the wrong type.
        ValueError: One is out of its range.
    """
    names = [one.name for one in fields(Known)]
    wrong = [name for name in known if name not in names]
    if wrong:
        raise TypeError(f"a record's verdict may be told {', '.join(names)}; got {', '.join(wrong)}")
    noted = JudgedRecord(history, Known(**known))
    judged = of_its_own(noted)
    checks = RECORD_CHECKS if judged.samples else WITHOUT_SAMPLES
    found = running_sum(noted) + [one for name in checks for one in RECORD_CHECKS[name].find(judged)]
    found = _with_causes(found)
    gone = {name for one in found for name in _explained(one)}
    found = [replace(one, action=one.action or RECORD_CHECKS[one.name].action) for one in found if one.name not in gone]
    if judged.samples < _ENOUGH and "too_short" not in gone:
        found.append(_too_short(judged))
    before = [_of_a_training(judged, one) for one in history.preflight]
    if not found and not any(one.severity in ("warning", "error") for one in before):
        found += hardly(judged) or [_healthy(judged)]
    return [*worst_first(before), *worst_first(found)]


def _of_a_training(judged: JudgedRecord, finding: Finding) -> Finding:
    """A finding on one pass as it counts for a training.

    Inputs that are all the same become a fault where targets differ; of data that are not finite in a later step, the
    step and the batch are named.
    """
    step = finding.evidence.get("step")
    if step is not None:
        batch = judged.batch(step)
        where = f"step {step:,}" + ("" if batch is None else f" (batch {batch:,})")
        more = {} if batch is None else {"batch": batch}
        return replace(finding, message=f"at {where}: {finding.message}", evidence={**finding.evidence, **more})
    chance = judged.history.chance
    differ = finding.evidence.get("targets differ") or any(
        chance.get(name, 0.0) > 0 for name in ("frequencies", "base rate", "variance")
    )
    return replace(finding, severity="warning") if finding.name == "constant_inputs" and differ else finding


def _explained(finding: Finding) -> tuple[str, ...]:
    """The names of findings that need not be said beside this one."""
    return ALL_UNHELD if finding.evidence.get("all") else EXPLAINS.get(finding.name, ())


def _with_causes(found: list[Finding]) -> list[Finding]:
    """Causes with the severity of what they lead to; a loss that is a sum is left out where it leads to nothing."""
    graver, names = [], {one.name for one in found}
    first = next((_FIRST[one.name] for one in found if one.name in _FIRST and _is_grave(one)), "")
    for one in found:
        if one.name == "small_updates" and "always_clipped" in names and "learning rate" not in one.evidence:
            continue  # the clip makes them small
        if one.name == "non_finite" and first:
            one = replace(one, action=f"{first}, and see whether it is so still.")
        after = [other.severity for other in found if other.name in LEADS_TO.get(one.name, ())]
        if after or one.name != "summed":
            graver.append(replace(one, severity=max([one.severity, *after], key=SEVERITIES.index)))
    return graver


def _is_grave(cause: Finding) -> bool:
    return cause.severity == "error" or cause.name == "scaled"


def _too_short(judged: JudgedRecord) -> Finding:
    of = f" of {counted(judged.steps, 'step')}" if judged.steps > judged.samples else ""
    message = f"{counted(judged.samples, 'sample')}{of}: too short a record for a verdict"
    action = "Train on, or record with every=1."
    evidence: dict[str, Any] = {"samples": judged.samples, "needed": _ENOUGH}
    begun = judged.history.optimizers.get("begun", 0)
    if begun >= _MANY and judged.steps < _ENOUGH:
        message += f"; {begun:,} monitors of this model have been entered, each of which starts from nothing"
        action = "Enter one monitor before the loop, and let its block hold the whole training."
        evidence["monitors"] = begun
    return Finding("too_short", "info", message, evidence, None, action)


def _healthy(judged: JudgedRecord) -> Finding:
    steps = max(judged.steps, judged.watched_steps)
    evidence = {"steps": steps, "samples": judged.samples}
    looked = f"{counted(steps, 'step')}, {counted(judged.samples, 'sample')}; {', '.join(_looked_at(judged))}"
    words = "nothing went wrong in what was recorded", level(judged), same_inputs(judged)
    message = "; ".join(filter(None, words))
    return Finding("healthy", "ok", f"{message}. Looked at: {looked}", evidence)


def _loss_of(judged: JudgedRecord) -> str:
    """The loss in words, with the number of steps where it is known at few of them."""
    known = len(judged.losses[1])
    return "loss" if known >= _MOSTLY * max(judged.samples, 1) else f"the loss of {counted(known, 'step')}"


def _looked_at(judged: JudgedRecord) -> list[str]:
    history, known = judged.history, judged.known
    return [
        name
        for name, there in {
            _loss_of(judged): len(judged.losses[1]),
            "gradients": True,
            "updates": judged.updates is not None,
            "units": history.dead is not None and not bool(history.dead.isnan().all()),
            "learning rate": known.lr is not None and known.largest_curvature is not None,
        }.items()
        if there
    ] + ([f"of the first batch {', '.join(history.looked_at)}"] if history.looked_at else [])
