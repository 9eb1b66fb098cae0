"""A verdict: what it looks for; and of a pass, what it has to look at."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from torch import nn

from gradwidgets.core.layers.misuse.lone_softmax import LONE, SOFTMAXES
from gradwidgets.core.layers.norms.small_norms import NORM_OF_ONE, NORMS
from gradwidgets.core.layers.passes.rows import ROOT
from gradwidgets.core.layers.passes.stats import LayerFlow, LayerStats
from gradwidgets.core.layers.preflight.losses.value.flat import MET
from gradwidgets.core.layers.verdicts.way.walk import Walk
from gradwidgets.core.results.finding import SEVERITIES, Finding
from gradwidgets.core.results.wording import named

_NAMED = 3  # layers that a sentence names
_KINDS = {NORM_OF_ONE: NORMS, LONE: SOFTMAXES}


@dataclass(frozen=True)
class Check:
    """One thing to look for.

    Attributes:
        meaning: What it means for training.
        action: What to do about it.
        find: Gives the findings of a `Judged` pass or a `JudgedRecord`; none where all is well.
    """

    meaning: str
    action: str
    find: Callable[..., list[Finding]]


def gravest(*found: list[Finding]) -> list[Finding]:
    """Of several ways to see the same, the one that found what is gravest, and of equals the first."""
    return max(found, key=lambda some: max((SEVERITIES.index(one.severity) for one in some), default=-1))


class Judged:
    """A pass on its way to a verdict.

    Attributes:
        flow: What was measured.
    """

    def __init__(self, flow: LayerFlow) -> None:
        self.flow = flow

    @cached_property
    def walk(self) -> Walk | None:
        """The gradient's way down; None where there is no graph."""
        return None if self.flow.graph is None else Walk(self.flow.graph)

    @cached_property
    def weighted(self) -> list[tuple[int, LayerStats]]:
        """The layers with weights, each with its place."""
        return [(i, layer) for i, layer in enumerate(self.flow.layers) if layer.gradient != "no weights"]

    @cached_property
    def trained(self) -> list[tuple[int, LayerStats]]:
        """Those of them that get a gradient."""
        return [(i, layer) for i, layer in self.weighted if layer.gradient == "measured"]

    @cached_property
    def copies(self) -> frozenset[str]:
        """The layers whose units are all the same, now or for good; none unless those of some stay so for good."""
        alike = {layer.name: layer.alike for _, layer in self.trained if layer.calls and layer.alike}
        return frozenset(alike) if "for good" in alike.values() else frozenset()

    @property
    def is_met(self) -> bool:
        """Whether the loss asks for nothing more, so that its gradient is 0 by rights."""
        return any(one.name == MET for one in self.flow.preflight)

    @cached_property
    def blocked(self) -> frozenset[int]:
        """The vertices of which it is said already that nothing of what comes in goes on: what comes back is 0."""
        found = [one for one in self.flow.operations if one.name in _KINDS]
        said = [(one.evidence["all"], (*_KINDS[one.name], one.evidence.get("operation"))) for one in found]
        said = said if self.flow.graph else []
        graph = self.flow.graph
        return frozenset(
            vertex
            for places, kinds in said
            for vertex in range(len(graph))
            if graph.places[vertex] in places and (graph.is_layer[vertex] or graph.names[vertex] in kinds)
        )

    def called(self, name: str) -> list[str]:
        """A layer by its name; one that is none of torch's, by the names of the parameters that it owns."""
        kind = next((one.kind for one in self.flow.layers if one.name == name), "")
        above = "" if name == ROOT else f"{name}."
        sizes = self.flow.graph.sizes if self.flow.graph and not hasattr(nn, kind) else {}
        return [one for one in sizes if one.startswith(above) and "." not in one[len(above) :]] or [name]

    def places(self, names: Sequence[str]) -> tuple[int, ...]:
        """The places of layers."""
        wanted = set(names)
        return tuple(i for i, layer in enumerate(self.flow.layers) if layer.name in wanted)


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    return ", ".join(map(named, names[:_NAMED])) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def severity_of(value: float, error: float) -> str:
    """An error from a limit on, a warning below."""
    return "error" if value >= error else "warning"


def unless_fresh(judged: Judged, found: Finding) -> Finding:
    """No fault where a BatchNorm does not normalise yet: in training it does, and in evaluation once it has learned."""
    fresh = [layer.name for layer in judged.flow.layers if layer.fresh]
    if not fresh:
        return found
    verbs = ("has", "normalises") if len(fresh) == 1 else ("have", "normalise")
    message = f"{found.message}; but {listed(fresh)} {verbs[0]} seen no batch and {verbs[1]} nothing in evaluation mode"
    return replace(found, severity="info", message=message, action="Measure in training mode: model.train().")
