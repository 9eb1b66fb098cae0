"""The way of the gradient from a loss down a graph of modules: where it is lost at once, and where it fades.

A vertex's *dominators* are the vertices that all of its gradient passes: of a residual network's trunk the additions,
while each branch hangs off them. Of these, layers with weights and joins (what takes from several) are *stations*, and
the change of the gradient from one to the next is a *step*, in decades, by norm or root mean square, whichever changes
less: a narrow layer moves the one, a layer with many outputs the other, and neither is a change with depth. Two that
disagree on the sign are no change.

Where the gradient has a way around a vertex to what that vertex takes from, a *branch* begins there, as at each block
of a residual network. What fades little by little is judged on the trunk and on a branch each for itself: branches
begin small in most that are published, and the gradient passes them by.
"""

import math
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

from gradwidgets.core.layers.passes.module_graph import ModuleGraph
from gradwidgets.core.layers.verdicts.way.cancelling import cancelled
from gradwidgets.core.layers.verdicts.way.fade import FADE, Fade, with_trunk, worse

# Decades that a gradient may lose or gain in one step. Of 86 networks that train well the worst reaches 2.3.
STEP = 3.2
IDLE = 0.1  # decades that count as none
EVEN_STEPS = 5  # of which that can be said of a branch, whose layers begin small together
# A step of less than so many decades is at one place if so much of it is lost by operations one behind the other.
LONG_STEP, ONE_PLACE = 5.0, 0.6
# What has a softmax on the way to queries and keys, whose slope is small where scores and values are alike.
_SOFTMAX = ("softmax", "safe_softmax", "scaled_dot_product")
# What gates by being flat: where such is small, it is shut, and not only small at first.
BOUNDED = ("sigmoid", "tanh", "hardsigmoid", "hardtanh", "softmax", "clamp", "relu", "exp", "erf")
# Always of two tensors, also where one of them asks for no gradient and the graph shows the other alone.
PRODUCTS = ("mm", "bmm")


@dataclass(frozen=True)
class Leap:
    """A gradient that changes a great deal at one place.

    Attributes:
        above: The station nearer to the loss; None for the model's output.
        below: The station nearer to the inputs.
        decades: What is lost; below 0 what is gained; infinite where exactly 0 arrives.
        at: The vertex whose way back changes it most; None where that is outside of the model.
        through: The vertices between the two stations.
        factors: The trained parameters that go into the operation there.
        gates: The trained layers that give the other factor of a product there.
    """

    above: int | None
    below: int
    decades: float
    at: int | None
    through: tuple[int, ...]
    factors: tuple[str, ...]
    gates: tuple[str, ...] = ()


class _State(NamedTuple):
    base: int | None = None
    last: int | None = None
    leapt: float = 0.0
    most: float = 0.0
    least: float = 0.0
    steps: int = 0
    idle: int = 0  # among the steps, joins at which nothing is lost
    alive: bool = True
    scores: bool = False
    trunk: tuple["Fade", "Fade"] | None = None  # the worst of what goes before a branch, lost and gained


@dataclass
class Walk:
    """What happens to the gradient on its way down.

    Attributes:
        graph: The graph.
        leaps: Losses and gains at one place.
        ends: Where exactly 0 arrives.
        fading: The worst that is lost little by little; None where nothing goes down so far.
        growing: The worst that is gained.
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
        self._dust = cancelled(graph)
        self._inside = [place is not None for place in graph.places]
        self._tops = {
            v
            for v in range(len(graph))
            if self._inside[v] and (v == 0 or any(not self._inside[u] for u in graph.onward[v]))
        }
        sizes = [(graph.norms[v], graph.elements[v]) for v in self._tops if self._is_measured(v)]
        self._output = math.hypot(*[norm for norm, _ in sizes]), sum([count for _, count in sizes])
        self._branches = self._bypassed()
        self._go()

    def is_station(self, vertex: int) -> bool:
        """Whether it is a layer with weights, or a join."""
        graph = self.graph
        product = graph.names[vertex] in PRODUCTS and not graph.is_layer[vertex]
        return graph.weighted[vertex] or product or len(graph.back[vertex]) > 1

    def lost(self, above: int | None, below: int) -> float:
        """Decades lost from one vertex to another; infinite where nothing is left, 0 where that cannot be told."""
        (norm, rms), (norm_below, rms_below) = self._size(above), self._size(below)
        if norm_below == 0:
            return math.inf if norm > 0 else 0.0
        if not (norm > 0 and math.isfinite(norm) and math.isfinite(norm_below)):
            return 0.0
        by_norm, by_rms = math.log10(norm / norm_below), math.log10(rms / rms_below)
        return min(by_norm, by_rms, key=abs) if by_norm * by_rms > 0 else 0.0

    def chain(self, vertex: int) -> list[int]:
        """The vertices inside of the model that all of a vertex's gradient passes, from the loss to itself."""
        found = [vertex]
        while vertex and self._inside[self.graph.dominators[vertex]]:
            vertex = self.graph.dominators[vertex]
            found.append(vertex)
        return found[::-1]

    def _size(self, vertex: int | None) -> tuple[float, float]:
        norm, count = self._output if vertex is None else (self.graph.norms[vertex], self.graph.elements[vertex])
        return norm, norm / math.sqrt(count) if count else math.nan

    def _go(self) -> None:
        graph, states = self.graph, {}
        by_layer: dict[str, list[tuple[float, int, _State]]] = {}
        for vertex in graph.order:
            if not self._inside[vertex]:
                continue
            above = graph.dominators[vertex]
            first = vertex == 0 or not self._inside[above]
            measured = self._is_measured(vertex)
            if first:
                state = _State(vertex, vertex) if vertex in self._tops and measured else _State()
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
        """Whether the size of a gradient is known, and is no dust that rounding leaves of ways that cancel out."""
        return self.graph.norms[vertex] == self.graph.norms[vertex] and vertex not in self._dust

    def _bypassed(self) -> set[int]:
        """Where a branch begins: below it something is taken from that the gradient reaches without it, too."""
        graph, found = self.graph, set()
        for vertex in range(len(graph)):
            for other in graph.back[vertex]:
                one, join = vertex, graph.dominators[other]
                while one != join and graph.dominators[one] != join:
                    one = graph.dominators[one]
                if one != join:
                    found.add(one)
        return found

    def _branch_off(self, join: int, state: _State) -> _State:
        """The state at the beginning of a branch: nothing is lost yet, and what the trunk has lost is kept."""
        lost = self.lost(state.base, join) - state.leapt
        trunk = self._fades(lost, join, state, state.steps)
        return _State(join, join, alive=state.alive, scores=state.scores, trunk=trunk)

    def _fades(self, lost: float, vertex: int, state: _State, count: int) -> tuple[Fade, Fade]:
        """What has faded and what has grown down to a vertex, on its branch or before it, whichever is more."""
        own = self._fade(lost, state.most, vertex, state, count), self._fade(-lost, -state.least, vertex, state, count)
        return own if state.trunk is None else tuple(map(with_trunk, own, state.trunk))

    def _step(self, vertex: int, state: _State) -> _State:
        graph = self.graph
        single = state.base is not None and state.base == state.last and graph.elements[state.base] < 2
        if single and graph.elements[vertex] > 1:  # a loss that the model computes itself: the way begins behind it
            state = state._replace(base=vertex, last=vertex)
        if vertex == state.base or not state.alive or not self.is_station(vertex):
            return state
        decades = self.lost(state.last, vertex)
        if math.isinf(decades):
            before = state.leapt + self.lost(state.base, state.last) if state.last is not None else 0.0
            if before < FADE:  # after less than that, it is no gradient that got too small for its dtype
                self.ends.append(self._leap(state.last, vertex, decades))
            return state._replace(alive=False)
        if self._size(vertex)[0] == 0:
            return state._replace(alive=False)
        softmax = self._attends(state.last, vertex)
        attends = softmax or state.scores
        if abs(decades) >= (2 if attends else 1) * STEP and self._at_one_place(state.last, vertex, decades):
            self.leaps.append(self._leap(state.last, vertex, decades))
            return state._replace(leapt=state.leapt + decades, last=vertex, scores=False)
        if attends:  # no change with depth: the values beside this branch do not pass the softmax
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
        """Whether the way from one station to the next goes through a softmax of attention."""
        path = self.chain(below)
        path = path[path.index(above) : -1] if above in path else []
        return any(not self.graph.is_layer[one] and self.graph.names[one].startswith(_SOFTMAX) for one in path)

    def _at_one_place(self, above: int | None, below: int, decades: float) -> bool:
        """Whether operations one behind the other lose it, and not a web of them with many ways through."""
        if decades < 0 or decades >= LONG_STEP:
            return True
        several = [
            math.log10(over / under)
            for (over, at), (under, of) in pairwise(self._sizes(above, below))
            if at is not None and not self._neighbours(at, of) and over > 0 and under > 0
        ]
        return decades - sum(several) >= ONE_PLACE * decades

    def _neighbours(self, above: int, below: int) -> bool:
        """Whether nothing is between two vertices but what only gives another shape."""
        ways = self.graph.onward[below]
        while len(ways) == 1 and ways[0] != above and self.graph.norms[ways[0]] != self.graph.norms[ways[0]]:
            ways = self.graph.onward[ways[0]]
        return above in ways

    def _sizes(self, above: int | None, below: int) -> list[tuple[float, int | None]]:
        """The norms that are known on the way from one station to the next, with their vertices."""
        path = self.chain(below)
        path = path[path.index(above) :] if above in path else [None, *path]
        return [(size, one) for one in path if (size := self._size(one)[0]) == size]

    def _leap(self, above: int | None, below: int, decades: float) -> Leap:
        path = self.chain(below)
        path = path[path.index(above) :] if above in path else [None, *path]
        pairs = list(pairwise(self._sizes(above, below)))
        if decades > 0:
            (_, at), (_, under) = max(pairs, key=lambda pair: _ratio(pair[0][0], pair[1][0]))
        else:
            (_, at), (_, under) = max(pairs, key=lambda pair: _ratio(pair[1][0], pair[0][0]))
        factors = self.factors(at, under) if at is not None else ()
        gates = self._gates(at, under) if at is not None and self.graph.names[at] == "mul" else ()
        return Leap(above, below, decades, at, tuple(one for one in path[1:-1] if one is not None), factors, gates)

    def _gates(self, product: int, but: int) -> tuple[str, ...]:
        """The layers whose outputs, past functions without bounds, are multiplied with what a gradient comes from."""
        graph, found, seen = self.graph, [], {but}
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
        """Whether a vertex is what comes from another, or only gives it another shape."""
        return vertex == below or self._neighbours(vertex, below)

    def factors(self, vertex: int, but: int) -> tuple[str, ...]:
        """Trained parameters that go into a vertex other than through another one, by functions alone."""
        graph, found, seen = self.graph, list(self.graph.parameters[vertex]), set()
        waiting = [one for one in graph.back[vertex] if one != but]
        while waiting and len(seen) < 20:
            one = waiting.pop()
            if one in seen:
                continue
            seen.add(one)
            if graph.weighted[one]:  # a layer's own weights are a factor where they are all 0
                found += [name for name in graph.parameters[one] if name in graph.waiting and "bias" not in name]
            else:
                found += graph.parameters[one]
                waiting += graph.back[one]
        return tuple(dict.fromkeys(found))

    def _find_fades(self, by_layer: dict[str, list[tuple[float, int, _State]]]) -> None:
        for calls in by_layer.values():
            # A layer that is called several times is as well off as its best call.
            fades = [self._fades(lost, v, state, _counted(state)) for lost, v, state in calls]
            self.fading = worse(self.fading, [lost for lost, _ in fades])
            self.growing = worse(self.growing, [gained for _, gained in fades])

    def _fade(self, whole: float, largest: float, vertex: int, state: _State, count: int) -> Fade:
        fade = Fade(whole - largest, vertex, state.steps, whole, largest, count)
        enough = state.trunk is None or state.steps >= EVEN_STEPS
        return replace(fade, decades=whole) if enough and fade.is_steep else fade

    def stations(self, vertex: int) -> list[int]:
        """The stations on the way down to a vertex, itself included."""
        return [one for one in self.chain(vertex) if self.is_station(one)]


def _counted(state: _State) -> int:
    """The steps over which a fade is spread; not the additions of blocks in a row, where all else goes one way."""
    one_way = min(state.most, -state.least) < IDLE
    return state.steps - state.idle if state.trunk is None and one_way else state.steps


def _ratio(above: float, below: float) -> float:
    return above / below if below > 0 else math.inf if above > 0 else 0.0
