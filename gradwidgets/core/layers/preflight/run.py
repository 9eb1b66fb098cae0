"""A batch, a model and a loss looked at before anything is trained."""

from collections.abc import Callable

from torch import Tensor, nn

from gradwidgets.core.finding import Finding, worst_first
from gradwidgets.core.layers.passes import FlowError, Subject, checked, copied, run, without_gradient_hooks
from gradwidgets.core.layers.preflight.batch import batch_findings, reconsidered
from gradwidgets.core.layers.preflight.caught import Warned
from gradwidgets.core.layers.preflight.entry import Entry
from gradwidgets.core.layers.preflight.loss_call import LossCall
from gradwidgets.core.subject.home import at_home


@at_home
def preflight(model: nn.Module, inputs: object, targets: object, loss_fn: Callable) -> list[Finding]:
    """Look at what goes into a model and at what the loss makes of what comes out.

    One pass forward on a copy, as in `layer_flow`; the model, the batch and the process are left as they are.

    Args:
        model: Any module.
        inputs: A batch, as for `layer_flow`.
        targets: Handed to the loss.
        loss_fn: `loss_fn(model's output, targets)`, a tensor of one real number.

    Returns:
        What is wrong, the gravest first, each with the numbers that say so and their thresholds in `evidence`; empty
        where nothing is. `name` is one of "non_finite_data", "non_finite_weights", "input_scale", "target_scale",
        "batch_of_one", "broadcast", "not_logits", "not_log_probabilities", "not_probabilities", "labels",
        "target_range", "out_of_reach", "ctc", "constant_loss", "detached_loss", "torch_warning" and "raised" (by the
        model or the loss, where none of the others explains it).

    Raises:
        TypeError: `model` is no module, or `loss_fn` cannot be called.
        TooLarge: (a ValueError) There is too little memory for the pass.
    """
    return Subject.of(model, inputs, targets, loss_fn).looked_at(_looked)[0]


def _looked(subject: Subject) -> list[Finding]:
    model, inputs, targets = subject.model, copied(subject.inputs), copied(subject.targets)
    before = batch_findings(model, inputs, targets)
    entry, warned = Entry(model, inputs), Warned()
    found: list[Finding] = []
    with without_gradient_hooks(model), warned:
        try:
            with entry:
                output = run("the model", model, inputs, model)
            found, loss = _loss(subject, output, targets)
        except FlowError as error:
            found, loss = [_raised(error)], None
    return together(reconsidered(before, loss), entry.findings(), found, warned.findings())


def _loss(subject: Subject, output: object, targets: object) -> tuple[list[Finding], Tensor | None]:
    told, loss, raised = LossCall(output, targets), None, []
    try:
        with told:
            loss = run("the loss", lambda: subject.loss_fn(output, targets), (), subject.model)
        loss = checked(loss)
    except FlowError as error:
        loss, raised = None, [_raised(error)]
    trained = any(one.requires_grad for one in subject.model.parameters())
    found = told.findings(loss, lambda other: subject.loss_fn(output, other), trained=trained)
    return [*found, *raised], loss


def _raised(error: FlowError) -> Finding:
    cause = type(error.__cause__ or error).__name__
    return Finding("raised", "error", str(error), {"exception": cause}, action="Mend this first: there is no loss yet.")


def together(*parts: list[Finding]) -> list[Finding]:
    """Findings of all parts, the gravest first: one of each kind and tensor, and no failure that another explains."""
    kept: dict[object, Finding] = {}
    for one in (one for part in parts for one in part):
        key = (one.name, one.message if one.name in ("torch_warning", "raised") else one.evidence.get("tensor"))
        kept.setdefault(key, one)
    found = list(kept.values())
    if any(one.severity == "error" and one.name != "raised" for one in found):
        found = [one for one in found if one.name != "raised"]
    return worst_first(found)
