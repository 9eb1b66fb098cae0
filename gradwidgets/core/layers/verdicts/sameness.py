"""A model whose output is the same for all samples."""

from dataclasses import replace

from gradwidgets.core.layers.causes.same_outputs import SAME, Same
from gradwidgets.core.layers.stopped.saturated_outputs import SAME as SAME_OUTPUT
from gradwidgets.core.layers.verdicts.verdict import Judged
from gradwidgets.core.layers.verdicts.way.walk import PRODUCTS
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import counted, number

_LAST_STEP = (
    "Take the last step that is no padding: nn.utils.rnn.pack_padded_sequence before the recurrent layer, or gather "
    "its output at length − 1; or pad in front, or take a mean over the real steps."
)
_SMOOTHED = (
    "Fewer of them; a residual connection, or the first features again in each; the features of all of them side by "
    "side at last."
)
_MANY = 4  # products from which means over neighbours may be the cause
_TRAIN_FIRST = "Measure in training mode: model.train()."


def same_for_all(judged: Judged) -> list[Finding]:
    """Report an output that is the same for all samples although the inputs differ."""
    same = judged.flow.same
    if same is None:
        some = [one for one in judged.flow.operations if one.name == SAME_OUTPUT]
        return [replace(one, where=judged.places([str(one.evidence["layer"])])) for one in some]
    message = (
        f"the model says the same of all {counted(same.count, 'sample')}, though their inputs differ: what it gives "
        f"differs by {number(same.share, 2)} of its size. {_where(same)}"
    )
    evidence = {"share": same.share, "samples": same.count, "layer": same.layer or same.before, "threshold": SAME}
    places = judged.places([name for name in (same.layer, same.before) if name])
    if same.unseen:
        norms, one = counted(same.unseen, "BatchNorm"), same.unseen == 1
        verb, acts = ("has", "normalises") if one else ("have", "normalise")
        message = f"{message}; but it tells them apart once {norms}, which so far {verb} seen no batch, {acts} this one"
        return [Finding("same output", "info", message, evidence, places, _TRAIN_FIRST)]
    products = _count_products(judged, same)
    if products >= _MANY:
        message += (
            f": {products} products of matrices follow one another there. Where each takes means over neighbours, what "
            "is left is what all have in common (over-smoothing)"
        )
        evidence |= {"products": products}
    action = _LAST_STEP if same.is_padding else _SMOOTHED if products >= _MANY else ""
    return [Finding("same output", "warning", message, evidence, places, action)]


def _count_products(judged: Judged, same: Same) -> int:
    """Count the consecutive matrix products between the two layers where samples become the same."""
    graph = judged.graph
    if not same.before or not same.is_between:
        return 0
    vertex = next((v for v in range(len(graph)) if graph.is_layer[v] and graph.names[v] == same.layer), None)
    found = 0
    while vertex is not None and len(graph.back[vertex]) == 1:
        vertex = graph.back[vertex][0]
        if graph.is_layer[vertex]:
            break
        found += graph.names[vertex] in PRODUCTS
    return found


def _where(same: Same) -> str:
    before = f"{same.before} ({same.before_kind})"
    if not same.layer:
        after = f"after {before}, whose output differs by {number(same.before_gave, 2)}" if same.before else "all along"
        return f"It becomes so {after}"
    here = f"{same.layer} ({same.kind})"
    if not same.is_between:
        return f"It becomes so in {here}: what it is given differs by {number(same.given, 2)}"
    if not same.before:
        return f"It becomes so before {here}, the first layer"
    between = f"It becomes so between {before}, whose output differs by {number(same.before_gave, 2)}, and {here}"
    if same.is_padding:
        steps = f"the last {counted(same.ends, 'step')} of each sequence"
        return f"{between}: {steps} are the same for all, as padding is, and by then the state has forgotten the rest"
    return between
