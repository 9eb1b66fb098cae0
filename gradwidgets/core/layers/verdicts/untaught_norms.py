"""BatchNorms that normalise by a running mean and variance that have their initial values."""

from gradwidgets.core.layers.passes.stats import LayerStats
from gradwidgets.core.layers.preflight.losses.first import follows
from gradwidgets.core.layers.verdicts.verdict import Judged, listed
from gradwidgets.core.results.finding import Finding, Severity
from gradwidgets.core.results.wording import number

UNTAUGHT = "batch norm"
_LARGE = 5.0  # root mean square of such a norm's output from which it is reported; 1 is usual
_MOMENTUM = (
    "Leave momentum at 0.1: torch's is the share of the new batch, where others' is that of the old ones, so that "
    "their 0.99 is 0.01 here. Nothing, if a mean and a variance are to be loaded later."
)


def untaught(judged: Judged) -> list[Finding]:
    """Report those that cannot learn a mean and variance, and those with a large output for want of them."""
    layers = [(i, layer) for i, layer in enumerate(judged.flow.layers) if layer.calls]
    still = [(i, layer) for i, layer in layers if layer.still]
    large = [(i, layer) for i, layer in layers if layer.fresh and not layer.still and layer.activation_rms > _LARGE]
    found = [_still(still)] if still else []
    # The model may only be inspected before training; a warning needs inputs so large that the loss shows it.
    first = next((layer for _, layer in layers if layer.fresh), None)
    shows = any(one.severity == "warning" and follows(one) for one in judged.flow.preflight)
    shows = shows and first is not None and first.activation_rms > _LARGE
    return found + ([_large(large, "warning" if shows else "info")] if large else [])


def _still(layers: list[tuple[int, LayerStats]]) -> Finding:
    names = [layer.name for _, layer in layers]
    one = len(names) == 1
    message = (
        f"{listed(names)} {'has' if one else 'have'} a momentum of 0: {'its' if one else 'their'} running mean and "
        "variance are 0 and 1 as they were made, and stay so however long it trains; in evaluation mode "
        f"{'it normalises' if one else 'they normalise'} nothing"
    )
    return Finding(UNTAUGHT, "warning", message, {"layers": names, "momentum": 0.0}, _places(layers), _MOMENTUM)


def _large(layers: list[tuple[int, LayerStats]], severity: Severity) -> Finding:
    names = [layer.name for _, layer in layers]
    worst = max((layer for _, layer in layers), key=lambda layer: layer.activation_rms)
    verbs = ("has", "normalises", "it was") if len(names) == 1 else ("have", "normalise", "they were")
    message = (
        f"{listed(names)} {verbs[0]} seen no batch, and in evaluation mode {verbs[1]} by the mean of 0 and the "
        f"variance of 1 that {verbs[2]} made with: what {worst.name} gives has a size of "
        f"{number(worst.activation_rms, 2)}, where 1 is usual"
    )
    evidence = {"layers": names, "size": worst.activation_rms, "threshold": _LARGE}
    action = (
        "model.train() to train it and to measure training; in evaluation mode a model that has been trained, or whose "
        "state was loaded with its running statistics."
    )
    return Finding(UNTAUGHT, severity, message, evidence, _places(layers), action)


def _places(layers: list[tuple[int, LayerStats]]) -> tuple[int, ...]:
    return tuple(i for i, _ in layers)
