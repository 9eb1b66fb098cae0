"""Weights that are not trained, and rows of an embedding that are not."""

from gradwidgets.core.layers.verdicts.verdict import Judged, listed
from gradwidgets.core.results.finding import Finding

_INSIDE = (
    "What is computed of an nn.Parameter, or moved by to(), is none any more: compute inside, "
    "nn.Parameter(0.02 * torch.randn(…)), or keep the parameter itself and compute in forward."
)


def unlisted(judged: Judged) -> list[Finding]:
    """Find tensors that require a gradient and are used, but that the model does not list as parameters."""
    missed = judged.flow.unlisted
    if not missed:
        return []
    one = len(missed) == 1
    message = (
        f"{listed([str(each) for each in missed])}: {'takes' if one else 'take'} part and "
        f"{'asks' if one else 'ask'} for a gradient, but model.parameters() does not list {'it' if one else 'them'}: "
        f"no optimizer will train {'it' if one else 'them'}"
    )
    evidence = {"tensors": [each.name for each in missed], "shapes": [each.shape for each in missed]}
    action = _INSIDE if all(each.made_by for each in missed) else ""
    return [Finding("unlisted", "warning", message, evidence, judged.places([each.place for each in missed]), action)]


def padding(judged: Judged) -> list[Finding]:
    """Find embeddings whose padding token occurs where no padding is expected."""
    found = []
    for i, layer in enumerate(judged.flow.layers):
        if layer.padded:
            row, times = layer.padded
            message = (
                f"row {row} of {layer.name} gets no gradient, though token {row} occurs {times} times and not only at "
                f"the ends, where padding stands: padding_idx={row} keeps it as it is"
            )
            found.append(Finding("padding", "warning", message, {"row": row, "times": times}, (i,)))
    return found


def frozen(judged: Judged) -> list[Finding]:
    """Report frozen layers, which are not a fault."""
    layers = [(i, layer) for i, layer in judged.weighted if layer.gradient == "frozen"]
    if not layers or not judged.trained:
        return []
    names = [layer.name for _, layer in layers]
    message = (
        f"{len(layers)} of {len(judged.weighted)} layers with weights are frozen and stay as they are: {listed(names)}"
    )
    evidence = {"layers": names, "of": len(judged.weighted)}
    return [Finding("frozen", "info", message, evidence, tuple(i for i, _ in layers))]
