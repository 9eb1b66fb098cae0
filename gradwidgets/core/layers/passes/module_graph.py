"""A pass as a graph of layers and the functions between them, with the size of the gradient at each."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

_NEIGHBOURS = 8  # the most layers that are listed as neighbours of a layer


@dataclass(frozen=True, eq=False, repr=False)
class ModuleGraph:
    """The data flow of one pass. The vertices are numbered; vertex 0 is the operation that computed the loss.

    A vertex is one call of a module that runs no other module, or one function (an operation that autograd recorded)
    anywhere else. The attributes up to `elements` are indexed by vertex, except `order`.

    Attributes:
        names: The module's name, or torch's name of the function, "mul" for example.
        places: The module during whose call the vertex ran, for a layer the layer itself; None outside of the model, as
            in the loss.
        is_layer: Whether the vertex is a call of a module.
        weighted: Whether the vertex has weights.
        parameters: Names of the trained parameters that are direct inputs of the vertex.
        onward: The vertices that use the output, towards the loss.
        back: The vertices whose outputs are used, towards the inputs.
        order: All vertices, each before those whose outputs it uses.
        norms: Euclidean norm of the loss's gradient by the output; NaN where it was not measured.
        elements: The number of elements of that gradient.
        waiting: Names of parameters that are all 0 and get a gradient: they block the gradient of the layers before
            them until the first step.
        sizes: Root mean squares of parameters, by name.
        kinds: The classes of the layers, by the layers' names.
    """

    names: tuple[str, ...]
    places: tuple[str | None, ...]
    is_layer: tuple[bool, ...]
    weighted: tuple[bool, ...]
    parameters: tuple[tuple[str, ...], ...]
    onward: tuple[Sequence[int], ...]
    back: tuple[Sequence[int], ...]
    order: tuple[int, ...]
    norms: tuple[float, ...]
    elements: tuple[int, ...]
    waiting: frozenset[str] = field(default=frozenset())
    sizes: Mapping[str, float] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        """The number of vertices."""
        return len(self.names)

    def __repr__(self) -> str:
        """Return the numbers of layers and functions."""
        layers = sum(self.is_layer)
        return f"<ModuleGraph of {layers} calls of layers and {len(self) - layers} functions>"

    def rms(self, vertex: int) -> float:
        """Return the root mean square of the gradient by the output of a vertex."""
        return self.norms[vertex] / math.sqrt(self.elements[vertex]) if self.elements[vertex] else math.nan

    @cached_property
    def dominators(self) -> tuple[int, ...]:
        """For each vertex the nearest other one through which all of its gradient comes; vertex 0 for the loss."""
        nearest, level = [0] * len(self), [0] * len(self)
        for vertex in self.order[1:]:
            one = self.onward[vertex][0]
            for other in self.onward[vertex][1:]:
                while one != other:
                    if level[one] >= level[other]:
                        one = nearest[one]
                    if level[other] > level[one]:
                        other = nearest[other]
            nearest[vertex], level[vertex] = one, level[one] + 1
        return tuple(nearest)

    @cached_property
    def depths(self) -> tuple[int, ...]:
        """For each vertex the number of vertices with weights on the longest path from the loss, itself included."""
        found = [0] * len(self)
        for vertex in self.order:
            found[vertex] += self.weighted[vertex]
            for other in self.back[vertex]:
                found[other] = max(found[other], found[vertex])
        return tuple(found)

    @cached_property
    def trunk(self) -> tuple[int, ...]:
        """The deepest vertex with weights and the vertices through which all of its gradient comes, up to the loss."""
        found = [max(range(len(self)), key=lambda one: self.depths[one] * self.weighted[one])]
        while found[-1]:
            found.append(self.dominators[found[-1]])
        return tuple(found)

    def is_passed_by_all(self, vertex: int) -> bool:
        """Whether each vertex with weights is between this one and the loss, or gets all its gradient through it."""
        onward, waiting = {vertex}, [vertex]
        while waiting:
            more = set(self.onward[waiting.pop()]) - onward
            onward |= more
            waiting += more
        behind = {vertex}
        for one in self.order[1:]:  # a dominator comes before what it dominates
            if self.dominators[one] in behind:
                behind.add(one)
        return all(one in onward or one in behind for one in range(len(self)) if self.weighted[one])

    def stoppers(self, vertex: int) -> list[tuple[int, int]]:
        """Return where a vertex's gradient of 0 arises: pairs of a vertex with a gradient and one before it without."""
        found, seen, waiting = [], {vertex}, [vertex]
        while waiting:
            under = waiting.pop()
            for one in self.onward[under]:
                if self.norms[one] > 0:
                    found.append((one, under))
                elif one not in seen:
                    seen.add(one)
                    waiting.append(one)
        return found

    def by_layer(self) -> dict[str, list[int]]:
        """Return the vertices of each layer's calls, by the layer's name."""
        found: dict[str, list[int]] = {}
        for vertex, name in enumerate(self.names):
            if self.is_layer[vertex]:
                found.setdefault(name, []).append(vertex)
        return found

    def neighbours(self, *, onward: bool) -> list[tuple[str, ...]]:
        """Return for each vertex the nearest layers before or after it, skipping functions; at most eight."""
        ways = self.onward if onward else self.back
        found: list[tuple[str, ...]] = [()] * len(self)
        for vertex in self.order if onward else reversed(self.order):
            names: dict[str, None] = {}
            for other in ways[vertex]:
                names |= {self.names[other]: None} if self.is_layer[other] else dict.fromkeys(found[other])
            names.pop(self.names[vertex] if self.is_layer[vertex] else "", None)
            found[vertex] = tuple(names)[:_NEIGHBOURS]
        return found
