"""The checks of a verdict, and the pass that they judge."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from torch import nn

from gradwidgets.core.layers.misuse.lone_softmax import LONE, SOFTMAXES
from gradwidgets.core.layers.norms.small_norms import NORM_OF_ONE, NORMS
from gradwidgets.core.layers.passes.module_graph import ModuleGraph
from gradwidgets.core.layers.passes.rows import ROOT
from gradwidgets.core.layers.passes.stats import LayerFlow, LayerStats
from gradwidgets.core.layers.preflight.losses.value.flat import MET
from gradwidgets.core.layers.verdicts.way.walk import Walk
from gradwidgets.core.results.finding import SEVERITIES, Finding, Severity

_NAMED = 3  # the most layers that a sentence names
_KINDS = {NORM_OF_ONE: NORMS, LONE: SOFTMAXES}
_NO_GRAPH = ModuleGraph((), (), (), (), (), (), (), (), (), ())


@dataclass(frozen=True)
class Check:
    """One check of a verdict.

    Attributes:
        meaning: What its findings mean for training.
        action: What to do about them.
        find: Returns the findings on a `Judged` pass or a `JudgedRecord`; none if all is well.
    """

    meaning: str
    action: str
    find: Callable[..., list[Finding]]


def gravest(*found: list[Finding]) -> list[Finding]:
    """Return the list with the most severe finding; the first of those that are equally severe."""
    return max(found, key=lambda some: max((SEVERITIES.index(one.severity) for one in some), default=-1))


class Judged:
    """A measured pass, with what several checks derive from it.

    Attributes:
        flow: The measurement.
    """

    def __init__(self, flow: LayerFlow) -> None:
        self.flow = flow

    @cached_property
    def graph(self) -> ModuleGraph:
        """The graph of the pass; one without vertices if the pass has none."""
        return self.flow.graph or _NO_GRAPH

    @cached_property
    def walk(self) -> Walk:
        """The gradient's path from the loss down the graph."""
        return Walk(self.graph)

    @cached_property
    def weighted(self) -> list[tuple[int, LayerStats]]:
        """The layers with weights, each with its index."""
        return [(i, layer) for i, layer in enumerate(self.flow.layers) if layer.gradient != "no weights"]

    @cached_property
    def trained(self) -> list[tuple[int, LayerStats]]:
        """The layers with weights that get a gradient, each with its index."""
        return [(i, layer) for i, layer in self.weighted if layer.gradient == "measured"]

    @cached_property
    def copies(self) -> frozenset[str]:
        """The layers whose units are all the same; none unless those of at least one layer stay the same for good."""
        alike = {layer.name: layer.alike for _, layer in self.trained if layer.calls and layer.alike}
        return frozenset(alike) if "for good" in alike.values() else frozenset()

    @property
    def is_met(self) -> bool:
        """Whether the loss is already as low as it gets, so that a gradient of 0 is correct."""
        return any(one.name == MET for one in self.flow.preflight)

    @cached_property
    def blocked(self) -> frozenset[int]:
        """The vertices that another finding reports as independent of their input, so that no gradient passes them."""
        found = [one for one in self.flow.operations if one.name in _KINDS]
        said = [(one.evidence["all"], (*_KINDS[one.name], one.evidence.get("operation"))) for one in found]
        graph = self.graph
        return frozenset(
            vertex
            for places, kinds in said
            for vertex in range(len(graph))
            if graph.places[vertex] in places and (graph.is_layer[vertex] or graph.names[vertex] in kinds)
        )

    def called(self, name: str) -> list[str]:
        """Return a layer's name in a list; for a layer that is not torch's, the names of its own parameters.

        Where some of these take part with a gradient, however small, the others are left out: they may be frozen.
        """
        kind = next((one.kind for one in self.flow.layers if one.name == name), "")
        above = "" if name == ROOT else f"{name}."
        sizes = {} if hasattr(nn, kind) else self.graph.sizes
        own = [one for one in sizes if one.startswith(above) and "." not in one[len(above) :]]
        return [one for one in own if one in self._taking_part] or own or [name]

    @cached_property
    def _taking_part(self) -> frozenset[str]:
        """The parameters that autograd followed."""
        return frozenset(name for some in self.graph.parameters for name in some)

    def places(self, names: Sequence[str]) -> tuple[int, ...]:
        """Return the indices of layers, by their names."""
        wanted = set(names)
        return tuple(i for i, layer in enumerate(self.flow.layers) if layer.name in wanted)


def listed(names: Sequence[str], most: int = _NAMED) -> str:
    """Join the first names, and say how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def severity_of(value: float, error: float) -> Severity:
    """Return "error" from a limit on, "warning" below."""
    return "error" if value >= error else "warning"


def unless_fresh(judged: Judged, found: Finding) -> Finding:
    """Reduce a finding to an info if a BatchNorm has seen no batch, and so normalises nothing in evaluation mode."""
    fresh = [layer.name for layer in judged.flow.layers if layer.fresh]
    if not fresh:
        return found
    verbs = ("has", "normalises") if len(fresh) == 1 else ("have", "normalise")
    message = f"{found.message}; but {listed(fresh)} {verbs[0]} seen no batch and {verbs[1]} nothing in evaluation mode"
    return replace(found, severity="info", message=message, action="Measure in training mode: model.train().")
