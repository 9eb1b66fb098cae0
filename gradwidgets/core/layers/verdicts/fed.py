"""Layers and activations that are not dead by themselves: they get zeros, or a clamp behind them is at its bound."""

from gradwidgets.core.layers.causes.zeroed import Zeroed
from gradwidgets.core.layers.passes.functional_units import FunctionStats
from gradwidgets.core.layers.passes.rows import ROOT
from gradwidgets.core.layers.passes.stats import LayerStats
from gradwidgets.core.layers.stopped.begun_zeros import called
from gradwidgets.core.layers.stopped.held_clamps import HeldClamp
from gradwidgets.core.layers.verdicts.verdict import Judged


def begun_of(judged: Judged) -> list[Zeroed]:
    """Return the operations that made zeros of what layers are given, each once."""
    return list({(one.name, one.place): one for one in judged.flow.begun.values()}.values())


def held_of(judged: Judged, names: object) -> list[HeldClamp]:
    """Return the clamps at their bounds that some of these layers are behind."""
    layers = set(names) if isinstance(names, list) else set()
    clamps = [one for one in judged.flow.zeroed if isinstance(one, HeldClamp)]
    return [one for one in clamps if layers & {name.rpartition(".")[0] or ROOT for name in one.behind}]


def is_explained(judged: Judged, one: LayerStats | FunctionStats) -> bool:
    """Whether something else explains that an activation is dead or saturated throughout."""
    return is_fed_zeros(judged, one) or is_before_held(judged, one)


def is_fed_zeros(judged: Judged, one: LayerStats | FunctionStats) -> bool:
    """Whether all that an activation is given, or the layer before it, is 0 by an operation that makes it so."""
    begun = judged.flow.begun
    return bool(begun) and any(name in begun for name in (_key(one), *one.before[:1]))


def is_before_held(judged: Judged, one: LayerStats | FunctionStats) -> bool:
    """Whether its output goes straight into a clamp that is at its bound for all of it."""
    return any(isinstance(other, HeldClamp) and other.after == _key(one) for other in judged.flow.zeroed)


def _key(one: LayerStats | FunctionStats) -> str:
    if isinstance(one, LayerStats):
        return one.name
    return one.place if one.call else called(one.name, one.place)
