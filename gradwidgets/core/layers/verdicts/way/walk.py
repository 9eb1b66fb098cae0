"""The path of the gradient from a loss down a graph of modules: where it is lost at once, and where it fades.

A vertex's *dominators* are the vertices through which all of its gradient comes: in the trunk of a residual network
these are the additions, and each branch ends at one of them. Among the dominators, layers with weights and joins
(vertices with several inputs) are *stations*. The change of the gradient from one station to the next is a *step*,
measured in decades of the norm or of the root mean square, whichever changes less: a narrow layer changes the one, a
layer with many outputs the other, and neither is a change with depth. If the two have different signs, the step is 0.

If the gradient can reach a vertex's inputs without passing the vertex, a *branch* begins at the vertex, as in each
block of a residual network. Fading is judged separately on the trunk and on each branch: in most published networks
branches begin small, and the gradient bypasses them.
"""

import math
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

from gradwidgets.core.layers.passes.module_graph import ModuleGraph
from gradwidgets.core.layers.verdicts.way.cancelling import cancelled
from gradwidgets.core.layers.verdicts.way.fade import FADE, Fade, with_trunk, worse

# Decades that a gradient may lose or gain in one step. The worst of 86 networks that train well reaches 2.3.
STEP = 3.2
IDLE = 0.1  # a step of fewer decades counts as no change
EVEN_STEPS = 5  # fewest steps of a branch that count as even: the layers of a branch often begin small together
# A step of less than LONG_STEP decades is at one place if consecutive operations lose at least this share of it.
LONG_STEP, ONE_PLACE = 5.0, 0.6
# The softmax of attention: the gradient of queries and keys is small there if the scores or the values are alike.
_SOFTMAX = ("softmax", "safe_softmax", "scaled_dot_product")
# Functions that make small factors by saturating: a layer before one is no factor that is only small at first.
BOUNDED = ("sigmoid", "tanh", "hardsigmoid", "hardtanh", "softmax", "clamp", "relu", "exp", "erf")
# Products of two tensors, also if one of them requires no gradient and the graph contains only the other.
PRODUCTS = ("mm", "bmm")


@dataclass(frozen=True)
class Leap:
    """A large change of the gradient at one place.

    Attributes:
        above: The station nearer to the loss; None for the model's output.
        below: The station nearer to the inputs.
        decades: The decades that are lost, or gained if below 0; infinite if the gradient becomes exactly 0.
        at: The vertex whose backward changes the gradient most; None if that is outside of the model.
        through: The vertices between the two stations.
        factors: The trained parameters that are inputs of the operation at that vertex.
        gates: The trained layers whose output is the other factor, if the vertex is a product.
    """

    above: int | None
    below: int
    decades: float
    at: int | None
    through: tuple[int, ...]
    factors: tuple[str, ...]
    gates: tuple[str, ...] = ()


class _State(NamedTuple):
    """What is known of the gradient at a vertex, from the beginning of its trunk or branch."""

    base: int | None = None  # the station where the trunk or branch begins
    last: int | None = None  # the nearest station above
    leapt: float = 0.0  # decades lost in large changes at one place
    most: float = 0.0  # the largest step
    least: float = 0.0  # the smallest step, below 0 if the gradient grows there
    steps: int = 0
    idle: int = 0  # how many of the steps are joins at which nothing is lost
    alive: bool = True  # whether the gradient is not yet 0
    scores: bool = False  # whether the last step passed the softmax of attention
    trunk: tuple[Fade, Fade] | None = None  # the largest loss and gain before a branch


@dataclass
class Walk:
    """The changes of the gradient along its path from the loss.

    Attributes:
        graph: The graph.
        leaps: Losses and gains at one place.
        ends: The places where the gradient becomes exactly 0.
        fading: The largest loss in small steps; None if no layer lies enough steps down.
        growing: The largest gain in small steps; None likewise.
        largest: The largest step that is no leap, in decades.
    """

    graph: ModuleGraph
    leaps: list[Leap] = field(default_factory=list)
    ends: list[Leap] = field(default_factory=list)
    fading: Fade | None = None
    growing: Fade | None = None
    largest: float = 0.0

    def __post_init__(self) -> None:
        graph = self.graph
        self._cancelled = cancelled(graph)
        self._inside = [place is not None for place in graph.places]
        self._outputs = {
            v
            for v in range(len(graph))
            if self._inside[v] and (v == 0 or any(not self._inside[u] for u in graph.onward[v]))
        }
        sizes = [(graph.norms[v], graph.elements[v]) for v in self._outputs if self._is_measured(v)]
        self._output = math.hypot(*[norm for norm, _ in sizes]), sum([count for _, count in sizes])
        self._branches = self._bypassed()
        self._descend()

    def is_station(self, vertex: int) -> bool:
        """Whether a vertex is a layer with weights, or a join."""
        graph = self.graph
        product = graph.names[vertex] in PRODUCTS and not graph.is_layer[vertex]
        return graph.weighted[vertex] or product or len(graph.back[vertex]) > 1

    def lost(self, above: int | None, below: int) -> float:
        """Return the decades lost from one vertex to another; infinite if nothing is left, 0 if that is not known."""
        (norm, rms), (norm_below, rms_below) = self._size(above), self._size(below)
        if norm_below == 0:
            return math.inf if norm > 0 else 0.0
        if not (norm > 0 and math.isfinite(norm) and math.isfinite(norm_below)):
            return 0.0
        by_norm, by_rms = math.log10(norm / norm_below), math.log10(rms / rms_below)
        return min(by_norm, by_rms, key=abs) if by_norm * by_rms > 0 else 0.0

    def chain(self, vertex: int) -> list[int]:
        """Return the vertices of the model that all of a vertex's gradient passes, from the loss to the vertex."""
        found = [vertex]
        while vertex and self._inside[self.graph.dominators[vertex]]:
            vertex = self.graph.dominators[vertex]
            found.append(vertex)
        return found[::-1]

    def _size(self, vertex: int | None) -> tuple[float, float]:
        """Return the norm and the root mean square of the gradient at a vertex, or at the model's output."""
        norm, count = self._output if vertex is None else (self.graph.norms[vertex], self.graph.elements[vertex])
        return norm, norm / math.sqrt(count) if count else math.nan

    def _descend(self) -> None:
        graph = self.graph
        states: dict[int, _State] = {}
        by_layer: dict[str, list[tuple[float, int, _State]]] = {}
        for vertex in graph.order:
            if not self._inside[vertex]:
                continue
            above = graph.dominators[vertex]
            first = vertex == 0 or not self._inside[above]
            measured = self._is_measured(vertex)
            if first:
                state = _State(vertex, vertex) if vertex in self._outputs and measured else _State()
            else:
                state = states[above]
                if vertex in self._branches and measured and state.alive and state.last == above:
                    state = self._branch_off(above, state)
            state = states[vertex] = self._step(vertex, state) if measured else state
            if graph.weighted[vertex] and state.alive and measured:
                lost = self.lost(state.base, vertex) - state.leapt
                by_layer.setdefault(graph.names[vertex], []).append((lost, vertex, state))
        self._find_fades(by_layer)

    def _is_measured(self, vertex: int) -> bool:
        """Whether the size of the gradient is known, and is not just the rounding error of parts that cancel out."""
        return self.graph.norms[vertex] == self.graph.norms[vertex] and vertex not in self._cancelled

    def _bypassed(self) -> set[int]:
        """Return the vertices at which a branch begins: the gradient reaches one of their inputs without them, too."""
        graph = self.graph
        found: set[int] = set()
        for vertex in range(len(graph)):
            for other in graph.back[vertex]:
                one, join = vertex, graph.dominators[other]
                while one != join and graph.dominators[one] != join:
                    one = graph.dominators[one]
                if one != join:
                    found.add(one)
        return found

    def _branch_off(self, join: int, state: _State) -> _State:
        """Return the state at the beginning of a branch: nothing is lost yet, and the trunk's losses are recorded."""
        lost = self.lost(state.base, join) - state.leapt
        trunk = self._fades(lost, join, state, state.steps)
        return _State(join, join, alive=state.alive, scores=state.scores, trunk=trunk)

    def _fades(self, lost: float, vertex: int, state: _State, count: int) -> tuple[Fade, Fade]:
        """Return the loss and the gain down to a vertex, on its branch or before it, whichever is larger."""
        faded = self._fade(lost, state.most, vertex, state, count)
        grown = self._fade(-lost, -state.least, vertex, state, count)
        return (
            (faded, grown)
            if state.trunk is None
            else (with_trunk(faded, state.trunk[0]), with_trunk(grown, state.trunk[1]))
        )

    def _step(self, vertex: int, state: _State) -> _State:
        """Return the state at a vertex, from that at its dominator, and record leaps and ends."""
        graph = self.graph
        single = state.base is not None and state.base == state.last and graph.elements[state.base] < 2
        if single and graph.elements[vertex] > 1:  # the model computes the loss itself: the path begins before it
            state = state._replace(base=vertex, last=vertex)
        if vertex == state.base or not state.alive or not self.is_station(vertex):
            return state
        decades = self.lost(state.last, vertex)
        if math.isinf(decades):
            before = state.leapt + self.lost(state.base, state.last) if state.last is not None else 0.0
            if before < FADE:  # otherwise the gradient may have become too small for its dtype
                self.ends.append(self._leap(state.last, vertex, decades))
            return state._replace(alive=False)
        if self._size(vertex)[0] == 0:
            return state._replace(alive=False)
        softmax = self._attends(state.last, vertex)
        attends = softmax or state.scores
        if abs(decades) >= (2 if attends else 1) * STEP and self._at_one_place(state.last, vertex, decades):
            self.leaps.append(self._leap(state.last, vertex, decades))
            return state._replace(leapt=state.leapt + decades, last=vertex, scores=False)
        if attends:  # no change with depth: the gradient of the values bypasses the softmax
            return state._replace(leapt=state.leapt + decades, last=vertex, scores=softmax)
        if graph.weighted[vertex]:
            self.largest = max(self.largest, abs(decades))
        return state._replace(
            most=max(state.most, decades),
            least=min(state.least, decades),
            steps=state.steps + 1,
            idle=state.idle + (not graph.weighted[vertex] and abs(decades) < IDLE),
            last=vertex,
        )

    def _attends(self, above: int | None, below: int) -> bool:
        """Whether the path from one station to the next passes the softmax of attention."""
        path = self.chain(below)
        path = path[path.index(above) : -1] if above is not None and above in path else []
        return any(not self.graph.is_layer[one] and self.graph.names[one].startswith(_SOFTMAX) for one in path)

    def _at_one_place(self, above: int | None, below: int, decades: float) -> bool:
        """Whether consecutive operations lose it, and not a part of the graph with many paths."""
        if decades < 0 or decades >= LONG_STEP:
            return True
        several = [
            math.log10(over / under)
            for (over, at), (under, of) in pairwise(self._sizes(above, below))
            if at is not None and of is not None and not self._neighbours(at, of) and over > 0 and under > 0
        ]
        return decades - sum(several) >= ONE_PLACE * decades

    def _neighbours(self, above: int, below: int) -> bool:
        """Whether only changes of shape are between two vertices."""
        ways = self.graph.onward[below]
        while len(ways) == 1 and ways[0] != above and self.graph.norms[ways[0]] != self.graph.norms[ways[0]]:
            ways = self.graph.onward[ways[0]]
        return above in ways

    def _sizes(self, above: int | None, below: int) -> list[tuple[float, int | None]]:
        """Return the known norms on the path from one station to the next, with their vertices."""
        return [(size, one) for one in self._path(above, below) if (size := self._size(one)[0]) == size]

    def _path(self, above: int | None, below: int) -> list[int | None]:
        """Return the vertices from one station to the next, both included; None stands for the model's output."""
        path = self.chain(below)
        if above is not None and above in path:
            return [*path[path.index(above) :]]
        return [None, *path]

    def _leap(self, above: int | None, below: int, decades: float) -> Leap:
        """Return a leap with the vertex that changes the gradient most."""
        path = self._path(above, below)
        pairs = list(pairwise(self._sizes(above, below)))
        if decades > 0:
            (_, at), (_, under) = max(pairs, key=lambda pair: _ratio(pair[0][0], pair[1][0]))
        else:
            (_, at), (_, under) = max(pairs, key=lambda pair: _ratio(pair[1][0], pair[0][0]))
        through = tuple(one for one in path[1:-1] if one is not None)
        if at is None or under is None:
            return Leap(above, below, decades, at, through, ())
        gates = self._gates(at, under) if self.graph.names[at] == "mul" else ()
        return Leap(above, below, decades, at, through, self.factors(at, under), gates)

    def _gates(self, product: int, but: int) -> tuple[str, ...]:
        """Return the layers of a product's other factors, behind functions that are not `BOUNDED`.

        Args:
            product: The vertex of the product.
            but: The vertex of the factor that is left out.
        """
        graph, seen = self.graph, {but}
        found: list[str] = []
        waiting = [one for one in graph.back[product] if not self._leads(one, but)]
        while waiting and len(seen) < 20:
            one = waiting.pop()
            if one in seen:
                continue
            seen.add(one)
            if graph.weighted[one]:
                found.append(graph.names[one])
            elif graph.names[one] not in BOUNDED:
                waiting += graph.back[one]
        return tuple(found)

    def _leads(self, vertex: int, below: int) -> bool:
        """Whether a vertex is another one, or only changes the shape of its output."""
        return vertex == below or self._neighbours(vertex, below)

    def factors(self, vertex: int, but: int) -> tuple[str, ...]:
        """Return the trained parameters that are inputs of a vertex, directly or through functions.

        Args:
            vertex: The vertex.
            but: One of its inputs, which is left out.
        """
        graph, found = self.graph, list(self.graph.parameters[vertex])
        seen: set[int] = set()
        waiting = [one for one in graph.back[vertex] if one != but]
        while waiting and len(seen) < 20:
            one = waiting.pop()
            if one in seen:
                continue
            seen.add(one)
            if graph.weighted[one]:  # a layer's own weights are a factor if they are all 0
                found += [name for name in graph.parameters[one] if name in graph.waiting and "bias" not in name]
            else:
                found += graph.parameters[one]
                waiting += graph.back[one]
        return tuple(dict.fromkeys(found))

    def _find_fades(self, by_layer: dict[str, list[tuple[float, int, _State]]]) -> None:
        for calls in by_layer.values():
            # Of a layer that is called several times, the best call counts.
            fades = [self._fades(lost, v, state, _counted(state)) for lost, v, state in calls]
            self.fading = worse(self.fading, [lost for lost, _ in fades])
            self.growing = worse(self.growing, [gained for _, gained in fades])

    def _fade(self, whole: float, largest: float, vertex: int, state: _State, count: int) -> Fade:
        """Return a fade without its largest step, or with it if the steps are even and steep."""
        fade = Fade(whole - largest, vertex, state.steps, whole, largest, count)
        enough = state.trunk is None or state.steps >= EVEN_STEPS
        return replace(fade, decades=whole) if enough and fade.is_steep else fade

    def stations(self, vertex: int) -> list[int]:
        """Return the stations on the path down to a vertex, itself included."""
        return [one for one in self.chain(vertex) if self.is_station(one)]


def _counted(state: _State) -> int:
    """Count the steps of a fade; without idle joins on the trunk if all other steps have the same sign."""
    one_way = min(state.most, -state.least) < IDLE
    return state.steps - state.idle if state.trunk is None and one_way else state.steps


def _ratio(above: float, below: float) -> float:
    return above / below if below > 0 else math.inf if above > 0 else 0.0
