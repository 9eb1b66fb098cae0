"""From autograd's graph of one pass to a graph of modules, and the gradients on the way back."""

import math
from collections.abc import Collection, Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from gradwidgets.core.layers.axes.along_samples import SOFTMAX, Along, softmaxes
from gradwidgets.core.layers.axes.mixing import VIEWS, Shapes
from gradwidgets.core.layers.axes.turned_views import TurnedViews
from gradwidgets.core.layers.causes.softmax_rows import ATTENTION
from gradwidgets.core.layers.misuse.operation import Operation
from gradwidgets.core.layers.passes.activation_units import is_activation
from gradwidgets.core.layers.passes.calls import Call, Calls
from gradwidgets.core.layers.passes.functional_units import slopes_of
from gradwidgets.core.layers.passes.module_graph import ModuleGraph
from gradwidgets.core.layers.passes.reduce import Place, Reducer
from gradwidgets.core.operations.watching import plain_name

# They give what they are given in another shape: the gradient is as large before them as after.
_VIEWS = frozenset((
    "view", "unsafe_view", "reshape_alias", "transpose", "permute", "squeeze", "unsqueeze", "t", "alias", "movedim",
    "contiguous", "clone", "unflatten",
))  # fmt: skip


_PRODUCTS = ("mm", "bmm")
_BAG = "embedding_bag"
# Layers whose own operations are looked at.
_KINDS = (nn.LayerNorm, nn.GroupNorm, nn.MultiheadAttention, nn.Softmax)


class NodeGradients:
    """Sizes of the gradients that come to operations of autograd's graph.

    Args:
        numbers: Reduces them.
    """

    def __init__(self, numbers: Reducer) -> None:
        self._numbers = numbers
        self._found: dict[Node, dict[int, tuple[int, Place]]] = {}
        self._handles: list = []

    def watch(self, nodes: Iterable[Node]) -> None:
        """Note what comes to these, once each."""
        for node in nodes:
            if node not in self._found:
                found = self._found[node] = {}
                self._handles.append(node.register_prehook(self._noting(found)))

    def remove(self) -> None:
        """Take all hooks away."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def at(self, node: Node, output: int) -> tuple[int, Place] | None:
        """Elements and place of the norm of the gradient by one output of an operation; None where none came."""
        return self._found.get(node, {}).get(output)

    def all_at(self, nodes: Iterable[Node]) -> list[tuple[int, Place]]:
        """The same of all outputs of some operations."""
        return [one for node in nodes for one in self._found.get(node, {}).values()]

    def _noting(self, found: dict[int, tuple[int, Place]]):
        norm = self._numbers.norm

        def note(gradients: tuple[Tensor | None, ...]) -> None:
            for output, gradient in enumerate(gradients):
                if gradient is not None and not gradient.is_nested:
                    found[output] = gradient.numel(), norm(gradient)

        return note


class Tracked:
    """Autograd's graph behind a loss, its operations put together to the vertices of a `ModuleGraph`.

    Args:
        loss: A loss.
        calls: The pass that led to it.
        names: The model's parameters' names, by id.
    """

    def __init__(self, loss: Tensor, calls: Calls, names: Mapping[int, str]) -> None:
        self._names, self._calls = names, calls
        self._vertex: dict[Node, int] = {}
        self._label: list[str] = []
        self._call: list[Call | None] = []
        self._leaf: list[bool] = []
        self._parameters: list[list[Tensor]] = []
        self._exits: list[list[Node]] = []
        ordered = _ordered(loss.grad_fn)
        self._sort(ordered)
        self._connect(ordered)

    @property
    def leaves(self) -> list[tuple[Tensor, str | None]]:
        """The tensors that ask for a gradient and took part, each once, and whose call uses it; None for the loss's."""
        found: dict[int, tuple[Tensor, str | None]] = {}
        for call, some in zip(self._call, self._parameters, strict=True):
            for one in some:
                if id(one) not in found or found[id(one)][1] is None:
                    found[id(one)] = one, call and call.name
        return list(found.values())

    def watch(self, gradients: NodeGradients) -> None:
        """Have the gradient by what each vertex gives noted."""
        for vertex, exits in enumerate(self._exits):
            if self._leaf[vertex] or len(self._back[vertex]) > 1 or self._label[vertex] not in _VIEWS:
                gradients.watch(exits)

    def activations(self) -> list[tuple[int, str, Tensor]]:
        """What `slopes_of` tells of activations that are called as functions, each with its vertex."""
        own = {node: vertex for node, vertex in self._vertex.items() if not self._is_modules(vertex)}
        shares = slopes_of({node: self._call[vertex] for node, vertex in own.items()})
        return [(own[node], *told) for node, told in shares.items()]

    def views(self) -> set[Shapes]:
        """Shapes before and after what counts anew, outside of layers."""
        nodes = [n for n, v in self._vertex.items() if not self._leaf[v] and self._label[v] in VIEWS]
        shapes = ((getattr(n, "_saved_self_sym_sizes", ()), n._input_metadata[0].shape) for n in nodes)
        return {(tuple(before), tuple(after)) for before, after in shapes if len(before)}

    def scrambling(self) -> list[Shapes]:
        """Shapes before and after of the model's views that change axes over."""
        nodes = [n for n, v in self._vertex.items() if not self._leaf[v] and self._label[v] in VIEWS]
        own = [n for n in nodes if self._call[self._vertex[n]] is not None]
        return TurnedViews(own, self._vertex, self._named).found()

    def _named(self, node: Node) -> str:
        """What an operation, or the layer that it is of, is called; "" for one outside of the graph."""
        return self._label[self._vertex[node]] if node in self._vertex else ""

    def sums(self) -> list[Node]:
        """The model's operations that add, outside of torch's own layers."""
        own = {v for v, call in enumerate(self._call) if call is not None and self._leaf[v] and _is_own(call.module)}
        plain = ((n, v) for n, v in self._vertex.items() if self._label[v] == "add" and not self._leaf[v])
        inside = [n for n, v in self._vertex.items() if v in own and plain_name(n.name()) == "add"] if own else []
        return [n for n, v in plain if self._call[v] is not None] + inside

    def products(self) -> list[Operation]:
        """The products of matrices outside of layers, where something is normalised by its length; else none."""
        if "linalg_vector_norm" not in self._label:
            return []
        own = [(n, v) for n, v in self._vertex.items() if self._label[v] in _PRODUCTS and not self._leaf[v]]
        calls = ((n, v, self._call[v]) for n, v in own)
        return [Operation(self._label[v], n, call.name if call else "the loss", False) for n, v, call in calls]

    def bags(self) -> list[Node]:
        """The look-ups of bags of tokens, in layers or by functions."""
        kinds = {
            v for v, call in enumerate(self._call) if call is not None and isinstance(call.module, nn.EmbeddingBag)
        }
        own = {v for v, name in enumerate(self._label) if name == _BAG} | kinds
        return [n for n, v in self._vertex.items() if v in own and plain_name(n.name()) == _BAG] if own else []

    def picks(self, names: Collection[str]) -> list[tuple[int, ...]]:
        """Shapes of what the model picks from, by operations of these names."""
        nodes = [n for n, v in self._vertex.items() if self._label[v] in names and self._call[v] is not None]
        shapes = (tuple(getattr(n, "_saved_self_sym_sizes", ())) for n in nodes if not getattr(n, "_saved_dim", 0))
        return [one for one in shapes if one]

    def of_model(self) -> list[Node]:
        """The operations of the model outside of layers."""
        return [n for n, v in self._vertex.items() if self._call[v] is not None and not self._leaf[v]]

    def of_loss(self) -> list[Node]:
        """The operations of the loss itself."""
        return [n for n, v in self._vertex.items() if self._call[v] is None]

    def vertex_of(self, node: Node) -> int | None:
        """The vertex that an operation belongs to."""
        return self._vertex.get(node)

    def nodes(self) -> list[Node]:
        """All operations."""
        return list(self._vertex)

    def is_half(self) -> bool:
        """Whether something is computed in half precision, whose smallest number is 6e−8."""
        return any(meta.dtype is torch.float16 for node in self._vertex for meta in node._input_metadata[:1])

    def operations(self, names: Collection[str]) -> list[Operation]:
        """Those of the model's operations that have one of these names."""
        found = []
        for node, vertex in self._vertex.items():
            call, leaf = self._call[vertex], self._leaf[vertex]
            if call is None or (leaf and not isinstance(call.module, _KINDS)):
                continue
            name = plain_name(node.name().split("::")[-1]) if leaf else self._label[vertex]
            name = ATTENTION if name.startswith(ATTENTION) else name
            if name in names:
                found.append(Operation(name, node, call.name, leaf))
        return found

    def along_samples(self) -> list[Along]:
        """The model's softmaxes that run along a first axis."""
        nodes = [n for n, v in self._vertex.items() if self._label[v] in SOFTMAX or self._is_softmax(v)]
        return softmaxes([n for n in nodes if self._call[self._vertex[n]] is not None], self._vertex)

    def _is_softmax(self, vertex: int) -> bool:
        return self._leaf[vertex] and isinstance(self._call[vertex].module, nn.Softmax)

    def _is_modules(self, vertex: int) -> bool:
        """Whether an activation's module made it, which is looked at by itself."""
        return self._leaf[vertex] and is_activation(type(self._call[vertex].module))

    def graph(self, gradients: NodeGradients, numbers: Reducer, weights: Mapping[int, tuple]) -> ModuleGraph | None:
        """The graph of modules, once the numbers are read.

        Args:
            gradients: What `watch` was given.
            numbers: Where the numbers are.
            weights: Elements, place of its norm, and place of its gradient's norm or None, of each parameter by its id.

        Returns:
            None where there is nothing behind the loss, or calls go round in a circle, as autograd's graph has them.
        """
        order = self._order() if self._label else None
        if order is None:
            return None
        norms, elements = [], []
        for exits in self._exits:
            sizes = gradients.all_at(exits)
            norms.append(math.hypot(*[numbers[place][0] for _, place in sizes]) if sizes else math.nan)
            elements.append(sum([count for count, _ in sizes]))
        own = [[self._names[id(p)] for p in some if id(p) in self._names] for some in self._parameters]
        return ModuleGraph(
            tuple(self._label),
            tuple(call.name if call else None for call in self._call),
            tuple(self._leaf),
            tuple(self._weighted(vertex) for vertex in range(len(self._label))),
            tuple(tuple(dict.fromkeys(some)) for some in own),
            tuple(self._onward),
            tuple(self._back),
            tuple(order),
            tuple(norms),
            tuple(elements),
            frozenset(self._waiting(numbers, weights)),
            {
                self._names[key]: numbers[place][0] / math.sqrt(count)
                for key, (count, place, *_) in weights.items()
                if count and key in self._names
            },
            {call.name: type(call.module).__name__ for call in self._call if call is not None and not call.inner},
        )

    def _sort(self, ordered: list[Node]) -> None:
        """Put each operation to its vertex: all of a call that ran no other together, others by themselves."""
        by_call: dict[Call, int] = {}
        for node in ordered:
            if not node.next_functions and hasattr(node, "variable"):
                continue
            call = self._calls.of(node._sequence_nr())
            leaf = call is not None and not call.inner
            vertex = by_call.get(call) if leaf else None
            if vertex is None:
                vertex = len(self._label)
                self._label.append(call.name if leaf else plain_name(node.name()))
                self._call.append(call)
                self._leaf.append(leaf)
                if leaf:
                    by_call[call] = vertex
            self._vertex[node] = vertex

    def _connect(self, ordered: list[Node]) -> None:
        count = len(self._label)
        self._parameters = [[] for _ in range(count)]
        back: list[dict[int, None]] = [{} for _ in range(count)]
        exits: list[dict[Node, None]] = [{} for _ in range(count)]
        if ordered:
            exits[0][ordered[0]] = None
        vertex_of = self._vertex
        for node in ordered:
            vertex = vertex_of.get(node)
            if vertex is None:
                continue
            for other, _ in node.next_functions:
                if other is None:
                    continue
                before = vertex_of.get(other)
                if before is None:
                    self._parameters[vertex].append(other.variable)
                elif before != vertex:
                    back[vertex][before] = None
                    exits[before][other] = None
        self._exits = [list(some) for some in exits]
        self._back = [list(some) for some in back]
        onward: list[list[int]] = [[] for _ in range(count)]
        for vertex, some in enumerate(self._back):
            for before in some:
                onward[before].append(vertex)
        self._onward = onward

    def _order(self) -> list[int] | None:
        waiting, ready, order = [len(some) for some in self._onward], [0], []
        while ready:
            vertex = ready.pop()
            order.append(vertex)
            for before in self._back[vertex]:
                waiting[before] -= 1
                if not waiting[before]:
                    ready.append(before)
        return order if len(order) == len(self._label) else None

    def _weighted(self, vertex: int) -> bool:
        if not self._leaf[vertex]:
            return False
        own = self._call[vertex].module._parameters.values()
        return any(one is not None for one in own) or any(one.ndim > 1 for one in self._parameters[vertex])

    def _waiting(self, numbers: Reducer, weights: Mapping[int, tuple]) -> Iterable[str]:
        for key in {id(p): None for some in self._parameters for p in some}:
            _, own, gradient = weights.get(key, (0, None, None))
            if gradient is not None and key in self._names and not numbers[own][0] and numbers[gradient][0]:
                yield self._names[key]


def _is_own(module: nn.Module) -> bool:
    """Whether somebody wrote it, and not torch."""
    return not type(module).__module__.startswith("torch.")


def _ordered(root: Node | None) -> list[Node]:
    """The operations behind one, each before those that it takes from."""
    if root is None:
        return []
    seen, done = {root}, []
    waiting = [(root, iter(root.next_functions))]
    while waiting:  # by hand: a network of a thousand layers would end Python's own recursion
        node, rest = waiting[-1]
        for other, _ in rest:
            if other is not None and other not in seen:
                seen.add(other)
                waiting.append((other, iter(other.next_functions)))
                break
        else:
            done.append(node)
            waiting.pop()
    return done[::-1]


def names_by_id(pairs: Iterable[tuple[str, Tensor]]) -> dict[int, str]:
    """Names of tensors by their ids, the first where one has several."""
    found: dict[int, str] = {}
    for name, tensor in pairs:
        found.setdefault(id(tensor), name)
    return found
