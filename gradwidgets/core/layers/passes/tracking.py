"""The graph of modules of one pass, built from autograd's graph."""

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
from gradwidgets.core.layers.passes.reduce import NodeGradients, Norms, Reducer
from gradwidgets.core.losses.graph import variable_of
from gradwidgets.core.operations.watching import plain_name

# Operations that only change the shape, so that the gradient is as large before them as after.
_VIEWS = frozenset((
    "view", "unsafe_view", "reshape_alias", "transpose", "permute", "squeeze", "unsqueeze", "t", "alias", "movedim",
    "contiguous", "clone", "unflatten",
))  # fmt: skip
_PRODUCTS = ("mm", "bmm")
_BAG = "embedding_bag"
# Layers of torch's whose operations are checked too.
_KINDS = (nn.LayerNorm, nn.GroupNorm, nn.MultiheadAttention, nn.Softmax)


class Tracked:
    """Autograd's graph of a loss, with its operations grouped into the vertices of a `ModuleGraph`.

    Args:
        loss: The loss.
        calls: The calls of the pass that computed it.
        names: The names of the model's parameters, by id.
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
        """The tensors in the graph that require a gradient, each with the module that uses it; None for the loss."""
        found: dict[int, tuple[Tensor, str | None]] = {}
        for call, some in zip(self._call, self._parameters, strict=True):
            for one in some:
                if id(one) not in found or found[id(one)][1] is None:
                    found[id(one)] = one, None if call is None else call.name
        return list(found.values())

    def watch(self, gradients: NodeGradients) -> None:
        """Record the gradient by the output of each vertex."""
        for vertex, exits in enumerate(self._exits):
            if self._leaf[vertex] or len(self._back[vertex]) > 1 or self._label[vertex] not in _VIEWS:
                gradients.watch(exits)

    def activations(self) -> list[tuple[int, str, Tensor]]:
        """Return the results of `slopes_of` for activations that are called as functions, each with its vertex."""
        own = {node: vertex for node, vertex in self._vertex.items() if not self._is_modules(vertex)}
        shares = slopes_of({node: self._call[vertex] for node, vertex in own.items()})
        return [(own[node], *told) for node, told in shares.items()]

    def views(self) -> set[Shapes]:
        """Return the shapes before and after operations that reshape, outside of layers."""
        nodes = [n for n, v in self._vertex.items() if not self._leaf[v] and self._label[v] in VIEWS]
        shapes = ((getattr(n, "_saved_self_sym_sizes", ()), n._input_metadata[0].shape) for n in nodes)
        return {(tuple(before), tuple(after)) for before, after in shapes if len(before)}

    def scrambling(self) -> list[Shapes]:
        """Return the shapes before and after of the model's views that mix up axes."""
        nodes = [n for n, v in self._vertex.items() if not self._leaf[v] and self._label[v] in VIEWS]
        own = [n for n in nodes if self._call[self._vertex[n]] is not None]
        return TurnedViews(own, self._vertex, self._name_at).found()

    def _name_at(self, node: Node) -> str:
        """Return the name of an operation, or of its layer; "" for one outside of the graph."""
        return self._label[self._vertex[node]] if node in self._vertex else ""

    def sums(self) -> list[Node]:
        """Return the model's additions, outside of torch's own layers."""
        own = {v for v, call in enumerate(self._call) if call is not None and self._leaf[v] and _is_own(call.module)}
        plain = ((n, v) for n, v in self._vertex.items() if self._label[v] == "add" and not self._leaf[v])
        inside = [n for n, v in self._vertex.items() if v in own and plain_name(n.name()) == "add"] if own else []
        return [n for n, v in plain if self._call[v] is not None] + inside

    def products(self) -> list[Operation]:
        """Return the matrix products outside of layers if a vector norm is taken anywhere; otherwise none."""
        if "linalg_vector_norm" not in self._label:
            return []
        own = [(n, v) for n, v in self._vertex.items() if self._label[v] in _PRODUCTS and not self._leaf[v]]
        calls = ((n, v, self._call[v]) for n, v in own)
        return [Operation(self._label[v], n, call.name if call else "the loss", False) for n, v, call in calls]

    def bags(self) -> list[Node]:
        """Return the operations of `embedding_bag`, of layers and of functions."""
        kinds = {
            v for v, call in enumerate(self._call) if call is not None and isinstance(call.module, nn.EmbeddingBag)
        }
        own = {v for v, name in enumerate(self._label) if name == _BAG} | kinds
        return [n for n, v in self._vertex.items() if v in own and plain_name(n.name()) == _BAG] if own else []

    def picks(self, names: Collection[str]) -> list[tuple[int, ...]]:
        """Return the shapes of the tensors that the model selects from along the first axis, by these operations."""
        nodes = [n for n, v in self._vertex.items() if self._label[v] in names and self._call[v] is not None]
        shapes = (tuple(getattr(n, "_saved_self_sym_sizes", ())) for n in nodes if not getattr(n, "_saved_dim", 0))
        return [one for one in shapes if one]

    def of_model(self) -> list[Node]:
        """Return the operations of the model outside of layers."""
        return [n for n, v in self._vertex.items() if self._call[v] is not None and not self._leaf[v]]

    def of_loss(self) -> list[Node]:
        """Return the operations of the loss."""
        return [n for n, v in self._vertex.items() if self._call[v] is None]

    def vertex_of(self, node: Node) -> int | None:
        """Return the vertex of an operation; None for one outside of the graph."""
        return self._vertex.get(node)

    def layer_of(self, node: Node) -> str:
        """Return the module that runs an operation; "" for the loss."""
        call = self._call[self._vertex[node]] if node in self._vertex else None
        return call.name if call is not None else ""

    def nodes(self) -> list[Node]:
        """Return all operations."""
        return list(self._vertex)

    def is_half(self) -> bool:
        """Whether any operation computes in float16, whose smallest number is 6e−8."""
        return any(meta.dtype is torch.float16 for node in self._vertex for meta in node._input_metadata[:1])

    def operations(self, names: Collection[str]) -> list[Operation]:
        """Return the model's operations with one of these names."""
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
        """Return the model's softmaxes along a first axis."""
        nodes = [n for n, v in self._vertex.items() if self._label[v] in SOFTMAX or self._is_softmax(v)]
        return softmaxes([n for n in nodes if self._call[self._vertex[n]] is not None], self._vertex)

    def _layer(self, vertex: int) -> nn.Module | None:
        """Return the module that a vertex is a call of; None for a function."""
        call = self._call[vertex]
        return call.module if call is not None and self._leaf[vertex] else None

    def _is_softmax(self, vertex: int) -> bool:
        return isinstance(self._layer(vertex), nn.Softmax)

    def _is_modules(self, vertex: int) -> bool:
        """Whether a vertex is a call of an activation module, which is measured as a layer."""
        call = self._call[vertex]
        return self._leaf[vertex] and call is not None and is_activation(type(call.module))

    def graph(self, gradients: NodeGradients, numbers: Reducer, weights: Mapping[int, Norms]) -> ModuleGraph | None:
        """Build the graph of modules, once the numbers are read.

        Args:
            gradients: The gradients that `watch` was called with.
            numbers: The reducer that holds the numbers.
            weights: The norms of each parameter by its id.

        Returns:
            The graph; None if the loss has no graph, or if the calls form a cycle.
        """
        order = self._order() if self._label else None
        if order is None:
            return None
        sizes, elements = [], []
        for exits in self._exits:
            parts = gradients.all_at(exits)
            sizes.append(math.hypot(*[numbers[place][0] for _, place in parts]) if parts else math.nan)
            elements.append(sum([count for count, _ in parts]))
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
            tuple(sizes),
            tuple(elements),
            frozenset(self._waiting(numbers, weights)),
            {
                self._names[key]: numbers[norms.weight][0] / math.sqrt(norms.elements)
                for key, norms in weights.items()
                if norms.elements and key in self._names
            },
            {call.name: type(call.module).__name__ for call in self._call if call is not None and not call.inner},
        )

    def _sort(self, ordered: list[Node]) -> None:
        """Assign operations to vertices: one for each call that ran no other module, one for each other operation."""
        by_call: dict[Call, int] = {}
        for node in ordered:
            if not node.next_functions and hasattr(node, "variable"):
                continue
            call = self._calls.of(node._sequence_nr())
            layer = call if call is not None and not call.inner else None
            vertex = None if layer is None else by_call.get(layer)
            if vertex is None:
                vertex = len(self._label)
                self._label.append(plain_name(node.name()) if layer is None else layer.name)
                self._call.append(call)
                self._leaf.append(layer is not None)
                if layer is not None:
                    by_call[layer] = vertex
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
                    self._parameters[vertex].append(variable_of(other))
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
        layer = self._layer(vertex)
        if layer is None:
            return False
        return any(one is not None for one in layer._parameters.values()) or any(
            one.ndim > 1 for one in self._parameters[vertex]
        )

    def _waiting(self, numbers: Reducer, weights: Mapping[int, Norms]) -> Iterable[str]:
        for key in {id(p): None for some in self._parameters for p in some}:
            norms = weights.get(key)
            if norms is None or norms.gradient is None or key not in self._names:
                continue
            if not numbers[norms.weight][0] and numbers[norms.gradient][0]:
                yield self._names[key]


def _is_own(module: nn.Module) -> bool:
    """Whether the class of a module is not one of torch's."""
    return not type(module).__module__.startswith("torch.")


def _ordered(root: Node | None) -> list[Node]:
    """Return the operations behind one, each before those whose outputs it uses."""
    if root is None:
        return []
    seen, done = {root}, []
    waiting = [(root, iter(root.next_functions))]
    while waiting:  # not recursive: a network of a thousand layers would exceed Python's limit
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
    """Return the names of tensors by their ids, the first one where a tensor has several."""
    found: dict[int, str] = {}
    for name, tensor in pairs:
        found.setdefault(id(tensor), name)
    return found
