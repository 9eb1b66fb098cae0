"""Units that are dead, and outputs where the activation is flat."""

from collections.abc import Callable

from gradwidgets.core.finding import Finding
from gradwidgets.core.layers.functional_units import FunctionStats
from gradwidgets.core.layers.stats import LayerStats
from gradwidgets.core.layers.verdicts.check import Judged
from gradwidgets.core.wording import percent

# Shares of a layer's units that may be dead. Half of them may be by rights: deep in a ReLU network all samples look
# alike, and each unit is then on for all of them or for none.
DEAD = 0.75, 0.99
# Shares of an activation's outputs that may be saturated.
SATURATED = 1 / 3, 0.9


def dead_units(judged: Judged) -> list[Finding]:
    """Layers most of whose units give 0 whatever comes in; the first is a cause, those behind it may not be."""
    return _share(judged, "dead_units", lambda s: s.dead_fraction, DEAD, "of its units gave 0 for the whole batch")


def saturated(judged: Judged) -> list[Finding]:
    """Layers that are where their activation is flat."""
    return _share(judged, "saturated", lambda s: s.saturated_fraction, SATURATED, "of its outputs are where it is flat")


def _share(
    judged: Judged,
    name: str,
    share: Callable[[LayerStats | FunctionStats], float],
    limits: tuple[float, float],
    words: str,
) -> list[Finding]:
    hit = [one for one in (*judged.flow.layers, *judged.flow.functions) if share(one) > limits[0]]
    if not hit:
        return []
    dead = name == "dead_units"
    worst = _cause(judged, hit) if dead else max(hit, key=share)
    message = f"{_called(worst)}: {percent(share(worst))} {words}"
    if dead and worst.before:
        message += f", since what {worst.before[0]} gives them is never above 0"
    if len(hit) > 1:
        behind = ", those behind it perhaps by it" if dead else ""
        message += f"; {len(hit)} layers are above {percent(limits[0])}{behind}"
    evidence = {"layer": _called(worst), "share": share(worst), "threshold": limits[0]}
    evidence |= {"layers": [_called(one) for one in hit]}
    severity = "error" if share(worst) > limits[1] else "warning"
    layers = [one.name if isinstance(one, LayerStats) else (*one.before, one.place)[0] for one in hit]
    return [Finding(name, severity, message, evidence, judged.places(layers))]


def _called(one: LayerStats | FunctionStats) -> str:
    return one.name if isinstance(one, LayerStats) else str(one)


def _cause(judged: Judged, hit: list[LayerStats | FunctionStats]) -> LayerStats | FunctionStats:
    """The worst of those that come first: the others get what it gives."""
    ran = {layer.name: i for i, layer in enumerate(judged.flow.layers)}
    return min(hit, key=lambda one: ran.get(one.name if isinstance(one, LayerStats) else (*one.before, "")[0], 0))
