"""Numbers that are not finite, and where they come from."""

import math

from gradwidgets.core.layers.verdicts.verdict import Judged, listed
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number

_WAYS = (
    ("weight", False, "the weights of {} are not finite"),
    ("activation", False, "the output of {} is the first that is not finite"),
    ("activation gradient", True, "the gradient first stops being finite at the output of {}"),
    ("weight gradient", True, "the gradient first stops being finite at the weights of {}"),
)
_LEFT_OUT = "but the loss and the gradients of all weights are finite: what takes these numbers leaves them out"
_KEEP_OUT = (
    "Nothing, as long as it stays so; safer is a number that is finite in their place before the division, logarithm "
    "or root, as in log(torch.where(x > 0, x, 1))."
)


def _is_left_out(judged: Judged) -> bool:
    """Whether the loss and all weights' gradients are finite in spite of them."""
    flow, spoilt = judged.flow, {"weight", "weight gradient"}
    return math.isfinite(flow.loss) and not any(spoilt & set(layer.non_finite) for layer in flow.layers)


def non_finite(judged: Judged) -> list[Finding]:
    """Report the first layer whose numbers are not finite, or the loss itself."""
    flow = judged.flow
    layers = list(enumerate(flow.layers))
    loss: dict[str, object] = {"loss": flow.loss}
    loss |= {"samples": flow.culprit.samples} if flow.culprit and flow.culprit.samples else {}
    action = flow.culprit.action if flow.culprit else ""
    for what, backwards, sentence in _WAYS:
        hit = [(i, layer) for i, layer in (layers[::-1] if backwards else layers) if what in layer.non_finite]
        if "gradient" in what and hit and not math.isfinite(flow.loss):
            break  # the gradient of such a loss says nothing about layers
        if hit:
            i, layer = hit[0]
            others = {"first layer": layer.name, "what": what, "layers with it": len(hit)}
            named = listed(judged.called(layer.name)) if what.startswith("weight") else layer.name
            message = sentence.format(named) + (f" ({len(hit)} layers are like that)" if len(hit) > 1 else "")
            if flow.origin:
                message = f"{flow.origin}; {message}"
            if _is_left_out(judged):
                return [Finding("non_finite", "info", f"{message}; {_LEFT_OUT}", loss | others, (i,), _KEEP_OUT)]
            return [Finding("non_finite", "error", message, loss | others, (i,), action)]
    if not math.isfinite(flow.loss):
        message = f"the loss is {number(flow.loss)}, and all outputs are finite: it comes from the loss function"
        evidence = loss | {"what": "loss"}
        return [Finding("non_finite", "error", flow.origin or message, evidence, (), action)]
    return []
