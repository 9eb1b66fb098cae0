"""A pass as a graph of layers and the functions between them, with the size of the gradient at each."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

_NEIGHBOURS = 8  # layers that are named as one's neighbours


@dataclass(frozen=True, eq=False, repr=False)
class ModuleGraph:
    """What fed what in one pass. Its vertices are numbered; number 0 made the loss.

    A vertex is one call of a module that runs no other inside, or one function (an operation that autograd recorded)
    anywhere else. All of what follows is by vertex.

    Attributes:
        names: The module's name, or the function's in torch's words, "mul" say.
        places: The module during whose call it ran, itself for a layer; None outside of the model, as in the loss.
        is_layer: Whether it is a call of a module.
        weighted: Whether it holds weights.
        parameters: Names of the trained parameters that come into it directly.
        onward: Who takes what it gives, towards the loss.
        back: From whom it takes, towards the inputs.
        order: All vertices, each before those that it takes from.
        norms: Euclidean norm of the loss's gradient by what it gives; NaN where that was not measured.
        elements: Of how many numbers that gradient is.
        waiting: Parameters that are all 0 and get a gradient: what they hold back, the next step lets through.
        sizes: Root mean squares of parameters, by their names.
        kinds: The classes of the layers, by their names.
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
        """How many vertices there are."""
        return len(self.names)

    def __repr__(self) -> str:
        """Its size."""
        layers = sum(self.is_layer)
        return f"<ModuleGraph of {layers} calls of layers and {len(self) - layers} functions>"

    def rms(self, vertex: int) -> float:
        """Root mean square of the gradient by what a vertex gives."""
        return self.norms[vertex] / math.sqrt(self.elements[vertex]) if self.elements[vertex] else math.nan

    @cached_property
    def dominators(self) -> tuple[int, ...]:
        """For each vertex the nearest one that all of its gradient passes; of the loss itself."""
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
        """How many vertices with weights the longest way from the loss passes, the vertex itself included."""
        found = [0] * len(self)
        for vertex in self.order:
            found[vertex] += self.weighted[vertex]
            for other in self.back[vertex]:
                found[other] = max(found[other], found[vertex])
        return tuple(found)

    @cached_property
    def trunk(self) -> tuple[int, ...]:
        """The deepest vertex with weights, and those that all of its gradient passes, up to the loss."""
        found = [max(range(len(self)), key=lambda one: self.depths[one] * self.weighted[one])]
        while found[-1]:
            found.append(self.dominators[found[-1]])
        return tuple(found)

    def is_passed_by_all(self, vertex: int) -> bool:
        """Whether each vertex with weights is between this one and the loss, or gets its gradient through it."""
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
        """Where a gradient that comes to a vertex as 0 becomes 0: who gets one, and of whom none comes back to it."""
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
        """The calls of each layer, by its name."""
        found: dict[str, list[int]] = {}
        for vertex, name in enumerate(self.names):
            if self.is_layer[vertex]:
                found.setdefault(name, []).append(vertex)
        return found

    def neighbours(self, *, onward: bool) -> list[tuple[str, ...]]:
        """For each vertex the nearest layers before it, or after it, past functions; the nearest few."""
        ways = self.onward if onward else self.back
        found: list[tuple[str, ...]] = [()] * len(self)
        for vertex in self.order if onward else reversed(self.order):
            names: dict[str, None] = {}
            for other in ways[vertex]:
                names |= {self.names[other]: None} if self.is_layer[other] else dict.fromkeys(found[other])
            names.pop(self.names[vertex] if self.is_layer[vertex] else "", None)
            found[vertex] = tuple(names)[:_NEIGHBOURS]
        return found
