"""The checks of a pass, and the verdict on it."""

from dataclasses import replace

from gradwidgets.core.layers.causes.stay_alike import MODULES
from gradwidgets.core.layers.passes.stats import LayerFlow, LayerStats
from gradwidgets.core.layers.preflight.losses.first import follows
from gradwidgets.core.layers.scores.equal_scores import EQUAL
from gradwidgets.core.layers.scores.hidden_softmaxes import HIDDEN
from gradwidgets.core.layers.verdicts.attention import even
from gradwidgets.core.layers.verdicts.before import BEFORE, OPERATIONS
from gradwidgets.core.layers.verdicts.draws import drawn
from gradwidgets.core.layers.verdicts.heads import heads
from gradwidgets.core.layers.verdicts.numerics import non_finite
from gradwidgets.core.layers.verdicts.sameness import same_for_all
from gradwidgets.core.layers.verdicts.samples import mixed_samples
from gradwidgets.core.layers.verdicts.units import dead_units, saturated, units_alike
from gradwidgets.core.layers.verdicts.untaught_norms import UNTAUGHT, untaught
from gradwidgets.core.layers.verdicts.verdict import Check, Judged
from gradwidgets.core.layers.verdicts.way.along_time import along_time, limits
from gradwidgets.core.layers.verdicts.way.depth import change, cliff, exploding, vanishing
from gradwidgets.core.layers.verdicts.way.fade import FADE
from gradwidgets.core.layers.verdicts.way.reach import no_gradient
from gradwidgets.core.layers.verdicts.way.untrained_parts import frozen, padding, unlisted
from gradwidgets.core.layers.weights.between_passes import ANEW
from gradwidgets.core.layers.weights.clipped_weights import CLIPPED
from gradwidgets.core.results.finding import NAMES, Finding, worst_first
from gradwidgets.core.results.wording import number
from gradwidgets.core.subject.home import at_home

_REST = "others being on branches"


def _healthy(judged: Judged) -> Finding:
    flow = judged.flow
    count, still = len(judged.weighted), len(judged.weighted) - len(judged.trained)
    every = "all that is trained" if still else "every layer"
    waiting = [layer.name for _, layer in judged.trained if layer.weight_grad_norm == 0]
    if waiting and not judged.is_met:
        yet = " yet" if not judged.graph or any("bias" not in name for name in judged.graph.waiting) else ""
        every += f" but {len(waiting)} that {'get' if len(waiting) > 1 else 'gets'} none{yet}"
    evidence: dict[str, object] = {"loss": flow.loss, "layers": len(flow.layers), "limit in decades": FADE}
    layers = f"{count} layer{'s' if count != 1 else ''} with weights" + (
        f", {still} of them not trained" if still else ""
    )
    finite = "what it reaches is finite" if any(layer.non_finite for layer in flow.layers) else "all is finite"
    message = f"the gradient reaches {every}, and {finite}"
    if judged.is_met:
        message = f"no gradient goes to {every} since the loss is as low as it gets, and {finite}"
    lost, over = change(judged)
    if over > 1 and abs(lost) < FADE and not any(layer.fresh for layer in flow.layers):
        evidence |= {"decades lost": lost}
        branch = _branch(judged, over)
        way = f"on its way to {branch}" if branch else "from output to input"
        message = (
            f"the gradient reaches {every}; {way} it {_changed(lost)} ({number(abs(lost), 2)} decades, "
            f"where {FADE:g} would be too many) over {_counted(judged, over, branch)}"
        )
    short = limits(judged)
    message += "".join(f"; but {one}" for one in short[:1])
    return Finding("healthy", "ok", f"{message}. Looked at: {_looked_at(flow, layers)}", evidence)


def _changed(lost: float) -> str:
    """Return a clause on a gradient that loses so many decades, or gains them if below 0."""
    factor = number(10 ** abs(lost), 2)
    return "keeps its size" if factor == "1" else f"{'gains' if lost < 0 else 'loses'} a factor of {factor}"


def _counted(judged: Judged, over: int, branch: str) -> str:
    """Return a clause on the layers that a change with depth is measured by: those that are on no branch."""
    if over >= len(_deep(judged)):
        return f"{over} layers"
    return f"{over} layers, others being beside them" if branch else f"the {over} layers that all of it passes, {_REST}"


def _branch(judged: Judged, over: int) -> str:
    """Return the layer at the end of the deepest of several parallel branches; "" if all layers are on one path."""
    graph = judged.graph
    if not graph or over >= len(_deep(judged)):
        return ""
    layers = [one for one in graph.trunk if graph.weighted[one]]
    return "" if all(map(graph.is_passed_by_all, layers)) else graph.names[layers[0]]


def _deep(judged: Judged) -> list[LayerStats]:
    return [one for _, one in judged.weighted if one.calls and not one.composite and "Norm" not in one.kind]


def _looked_at(flow: LayerFlow, layers: str) -> str:
    mode = next((note.removeprefix("measured in ") for note in flow.notes if note.startswith("measured in ")), "")
    parts = ["gradient", "units", "inputs", "loss"] + (["time steps"] if flow.along_time else [])
    return f"one batch in {mode or 'one mode'}; {layers}; {', '.join(parts)}"


CHECKS: dict[str, Check] = {
    **BEFORE,
    **OPERATIONS,
    "non_finite": Check(
        "NaN or infinity ends the training at once",
        "Look at what this layer divides by, takes the logarithm or root of; lower the learning rate; clip; in half "
        "precision scale the loss.",
        non_finite,
    ),
    "no_gradient": Check(
        "layers without a gradient stay as they are",
        "Look for detach, item, no_grad, argmax on the way to the loss, for requires_grad, and for layers that are "
        "never called.",
        no_gradient,
    ),
    "drawn": Check(
        "the layers before a draw do not learn from its result",
        "Let a gradient pass the draw, or weigh its chance by what comes of it.",
        drawn,
    ),
    "mixed samples": Check(
        "a sample is judged by parts of others, and what one batch teaches does not hold for the next",
        "view and reshape keep all numbers in their order and move nothing: transpose (or permute) changes axes "
        "over, before them where both are needed.",
        mixed_samples,
    ),
    "unlisted": Check(
        "a tensor that no optimizer gets stays as it was initialized",
        "Register it: nn.ModuleList or nn.ParameterList in place of a list, layers made in __init__ and not in "
        "forward, nn.Parameter for a tensor.",
        unlisted,
    ),
    "padding": Check(
        "the row of a padding token is never trained",
        "Give padding a token of its own, or leave padding_idx out.",
        padding,
    ),
    "units alike": Check(
        "units that get the same gradient stay copies of each other: however wide, the layer is worth one unit",
        "Draw the weights at random, as He's, Xavier's or an orthogonal init does.",
        units_alike,
    ),
    "cliff": Check(
        "the layers on one side of it learn far more slowly than those on the other",
        "Look at the operation there: a factor, a division, a function that is flat.",
        cliff,
    ),
    "vanishing": Check(
        "the layers near the input learn far more slowly than those near the output",
        "He's init with ReLU or GELU, normalisation, or residual connections.",
        vanishing,
    ),
    "exploding": Check(
        "a step that suits one end of the network throws the other away",
        "A smaller init, normalisation, a lower learning rate; clipping the gradient limits the damage.",
        exploding,
    ),
    "exploding along time": Check(
        "one step of training is as large as the longest sequence makes it",
        "Clip the gradient, and make weight_hh smaller or orthogonal.",
        along_time,
    ),
    "dead_units": Check(
        "a unit that is 0 for every sample gets no gradient and stays dead",
        "LeakyReLU or GELU, He's init, a lower learning rate, biases that are not far below 0.",
        dead_units,
    ),
    "saturated": Check(
        "where an activation is flat, hardly any gradient passes",
        "Smaller weights (Xavier's init), normalisation before the activation, or ReLU.",
        saturated,
    ),
    UNTAUGHT: Check(
        "the norm acts differently in training and in use",
        "model.train() to train; statistics that were learned to evaluate.",
        untaught,
    ),
    "even attention": Check(
        "a sum that weights all keys equally is a mean, and the layers of its scores hardly learn",
        "Look at the temperature: divide scores by the root of the queries' width, and by no more.",
        even,
    ),
    "same output": Check(
        "an output that is the same for all samples learns nothing from the inputs",
        "Look at what comes in there: a factor far too small, units that are dead or flat for all samples (smaller "
        "weights, scaled inputs, normalisation), a mean or a mask that leaves nothing.",
        same_for_all,
    ),
    "heads": Check(
        "a head that gets next to no gradient hardly learns",
        "Nothing, unless it stays so: then draw that head again, or leave it out.",
        heads,
    ),
    "along time": Check(
        "earlier steps have no influence in training",
        "Nothing, unless it has to remember for longer.",
        lambda judged: [],  # the check "exploding along time" reports these findings, too
    ),
    "frozen": Check(
        "frozen layers stay as they are",
        "Nothing, if that is intended; requires_grad_(True) trains them again.",
        frozen,
    ),
    "healthy": Check(
        "every layer gets a gradient of a fitting size",
        "",
        lambda judged: [] if _has_fault(judged) else [_healthy(judged)],
    ),
}
NAMES.update(CHECKS)

# The name of a finding → findings that follow from it, and are left out.
_EXPLAINS = {
    "non_finite": ("non_finite_data", "non_finite_weights"),
    "flat_loss": ("no_gradient", "vanishing", "cliff", "same output"),
    "constant_loss": ("no_gradient", "vanishing", "cliff"),
    "no_gradient": ("detached_loss",),
    "variance": ("cliff",),
    "softmax axis": ("targets seen",),
    "mask": ("exploding", "padding read"),
    "norm eps": ("vanishing",),
    "half overflow": ("no_gradient", "same output", "half underflow"),
}


# Findings that make the last layer's inputs large.
_GROWN = {"exploding", "exploding along time", "cliff"}

# Findings that may follow from inputs of a wrong scale, which are then as severe.
_OF_INPUTS = ("saturated", "dead_units", "exploding", "vanishing", "cliff")
# Findings that make samples the same.
_MAKES_SAME = (
    "cliff",
    "vanishing",
    "dead_units",
    "saturated",
    "norm_of_one",
    "softmax_of_one",
    "mask",
    "tokens",
    "unread samples",
    "sampling grid",
)
# Findings that may follow from saturated or dead units.
_OF_UNITS = ("cliff", "vanishing")


@at_home
def diagnose_flow(flow: LayerFlow) -> list[Finding]:
    """Judge one pass, as `diagnose` does.

    Args:
        flow: The measurement.

    Returns:
        Findings, as of `diagnose`.
    """
    found = _found(Judged(flow))
    found = _causes_first(found)
    return worst_first(replace(one, action=one.action or CHECKS[one.name].action) for one in found)


def _causes_first(found: list[Finding]) -> list[Finding]:
    """Put causes before their consequences, and give inputs of a wrong scale the severity of their consequences."""
    by_inputs = [one for one in found if one.name == "input_scale"]
    after = [one for one in found if one.name in _OF_INPUTS]
    if by_inputs and after:
        worst = worst_first([*by_inputs, *after])[0].severity
        said = {id(one): replace(one, message=f"{one.message}; the scale of the inputs may be why") for one in after}
        said |= {id(one): replace(one, severity=worst) for one in by_inputs}
        found = [said.get(id(one), one) for one in found]
    units = [one for one in found if one.name in ("saturated", "dead_units")]
    late = [one for one in found if one.name in _OF_UNITS] if units else []
    rest = [one for one in found if one not in late]
    place = max((rest.index(one) for one in units), default=-1) + 1
    return [*rest[:place], *late, *rest[place:]]


def _found(judged: Judged) -> list[Finding]:
    found = [one for name, check in CHECKS.items() if name != "healthy" for one in check.find(judged)]
    if any(one.name == "empty_batch" for one in found):  # without samples, other findings mean nothing
        return [one for one in found if one.name in ("empty_batch", "non_finite_weights")]
    found = [_with_cause(one, judged) for one in _without_consequences(found, judged)]
    if all(one.severity in ("ok", "info") for one in found):
        healthy = _healthy(judged)
        noted = any(one.action and not one.action.startswith("Nothing") for one in found)
        found.append(replace(healthy, message=f"but for the notes above, {healthy.message}") if noted else healthy)
    return found


def _with_cause(one: Finding, judged: Judged) -> Finding:
    """Add the cause to a gradient that vanishes, if it was seen: softmaxes as activations, or clipped weights."""
    why = [each for each in judged.flow.operations if each.name in (HIDDEN, CLIPPED)]
    why = [each for each in why if each.name == HIDDEN or one.name == "vanishing"]
    if one.name not in ("vanishing", "same output") or not why:
        return one
    return replace(one, message="; ".join([one.message, *(each.message for each in why)]), action=why[0].action)


def _without_consequences(found: list[Finding], judged: Judged) -> list[Finding]:
    """Leave out findings that another finding, or a BatchNorm that has seen no batch, explains."""
    names = {one.name for one in found if one.severity in ("warning", "error")}
    if names & _GROWN or any(layer.fresh for layer in judged.flow.layers):
        found = [one for one in found if not follows(one)]
    gone = {name for cause, those in _EXPLAINS.items() if cause in names for name in those}
    if "softmax axis" in names:  # if the shares are summed along their own axis, the scores get no gradient
        found = [one for one in found if not (one.name == "cliff" and "softmax" in str(one.evidence["at"]))]
    if any(one.name == "mask" and one.severity == "error" for one in found):  # all that is seen is then alike
        found = [one for one in found if not (one.name == "cliff" and _attends(one))]
    inert = {name for one in found if one.name == EQUAL for name in one.evidence["layers"]}
    found = [one for one in found if not (one.name == "cliff" and inert & set(one.evidence["between"]))]
    if any("same neighbours" in one.evidence for one in found):  # the weights of equal values make no difference
        found = [one for one in found if not (one.name == "cliff" and "softmax" in str(one.evidence["at"]))]
        gone.add("same output")
    if any("times" in one.evidence for one in found if one.name == "same output"):  # what saturates it
        gone.add("cliff")
    found = _without_replaced(_without_effects_of_copies(found, judged))
    gone |= {"term_without_gradient"} if judged.flow.stops else set()  # "no_gradient" reports these
    same = judged.flow.same
    if same is not None and not same.is_padding and (_has_cause(found) or judged.flow.begun):
        gone.add("same output")
    return [one for one in found if one.name not in gone]


def _attends(found: Finding) -> bool:
    return any(one in str(found.evidence["at"]) for one in ("softmax", "scaled_dot_product"))


def _without_replaced(found: list[Finding]) -> list[Finding]:
    """Leave out missing gradients of parameters that are reported as replaced by others."""
    replaced = {one.evidence["layer"] for one in found if one.name == ANEW}
    return [
        one for one in found if not (replaced and one.name == "no_gradient" and set(one.evidence["layers"]) <= replaced)
    ]


def _without_effects_of_copies(found: list[Finding], judged: Judged) -> list[Finding]:
    """Leave out consequences of modules that are copies: the weights of their sum get no gradient."""
    copies = [one for one in found if one.name == MODULES]
    if not copies:
        return found
    by_softmax = [one for one in found if one.name == "cliff" and "softmax" in str(one.evidence["at"])]
    if copies[0].severity == "info":
        return [one for one in found if one not in (by_softmax or copies)]
    begun = {layer.name for _, layer in judged.trained if layer.weight_norm == 0}
    gates = [
        one for one in found if one.name in ("no_gradient", "units alike") and set(one.evidence["layers"]) <= begun
    ]
    return [one for one in found if one not in (*by_softmax, *gates)]


def _has_cause(found: list[Finding]) -> bool:
    """Whether another finding explains why samples become the same; a few dead or saturated units do not."""
    return any(
        one.severity == "error" or (one.name in _OF_UNITS and one.severity == "warning")
        for one in found
        if one.name in _MAKES_SAME
    )


def _has_fault(judged: Judged) -> bool:
    return any(one.name != "healthy" and one.severity in ("warning", "error") for one in _found(judged))
