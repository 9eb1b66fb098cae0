"""A backward pass that compares the gradients into and out of every node of the graph."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import torch
from torch import Tensor
from torch.autograd.graph import Node
from torch.utils.hooks import RemovableHandle

from gradwidgets.core.layers.origin.causes import Cause
from gradwidgets.core.layers.origin.epsilons import with_epsilon
from gradwidgets.core.layers.origin.forwards import MadeSource, Record
from gradwidgets.core.layers.origin.found import Origin
from gradwidgets.core.layers.origin.places import LOSS, Place, has_numbers, is_finite
from gradwidgets.core.layers.origin.sentences import quoted, within
from gradwidgets.core.layers.origin.slopes import slope_at
from gradwidgets.core.losses.graph import nodes_of, saved, variable_of
from gradwidgets.core.operations.remedies import action_for, hidden_by_where
from gradwidgets.core.operations.watching import plain_name

# Operations that leave out some of their inputs, so that their gradient is 0.
_LEAVES_OUT = (
    "where", "nan_to_num", "masked_fill", "index", "select", "slice", "clamp", "masked_select", "gather",
    "index_select", "relu", "threshold", "masked_scatter", "split", "unbind", "minimum", "maximum",
)  # fmt: skip
_NEAR = 30  # the most nodes towards the loss that are searched for one of these
_Gradients: TypeAlias = tuple[Tensor | None, ...]
_Above: TypeAlias = dict[Node, list[tuple[Node, int]]]  # for each node those towards the loss, with the input's index


@dataclass(eq=False)
class _BadGradients:
    """The gradients at a node that returned some that are not finite.

    Attributes:
        sound: Whether all gradients into the node were finite.
        bad: The indices of the gradients out of the node that are not finite.
        given: If the node is sound, the gradients into it.
        made: If the node is sound, the gradients out of it.
    """

    sound: bool
    bad: frozenset[int]
    given: list[Tensor] = field(default_factory=list)
    made: list[Tensor] = field(default_factory=list)


class Backwards:
    """Watches the backward pass of a loss within a `with` block.

    Args:
        loss: A finite loss.
        records: The records of the forward pass, by autograd's numbers of operations.
    """

    def __init__(self, loss: Tensor, records: dict[int, Record]) -> None:
        self._loss, self._records = loss, records
        self._nodes = list(nodes_of(loss))
        self._passed: dict[Node, _BadGradients] = {}
        self._leaves: list[Tensor] = []
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> "Backwards":
        for node in self._nodes:
            if not hasattr(node, "variable"):
                self._handles.append(node.register_hook(self._recorder(node)))
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def run(self, leaves: list[Tensor]) -> None:
        """Compute the gradients of the loss by these leaves."""
        # The graph is retained because the saved tensors are read afterwards, to find the cause.
        found = torch.autograd.grad(self._loss.reshape(()), leaves, allow_unused=True, retain_graph=True)
        self._leaves = [leaf for leaf, g in zip(leaves, found, strict=True) if g is not None and _any_bad([g])]

    def _recorder(self, node: Node) -> Callable[[_Gradients, _Gradients], None]:
        def note(made: _Gradients, given: _Gradients) -> None:
            bad = frozenset(place for place, g in enumerate(made) if g is not None and _any_bad([g]))
            if bad:
                sound = not _any_bad(given)
                kept = ([g for g in given if g is not None], [g for g in made if g is not None]) if sound else ([], [])
                self._passed[node] = _BadGradients(sound, bad, *kept)

        return note

    def origin(self) -> Origin | None:
        """Return where the first gradient of a leaf that is not finite comes from; None if all are finite."""
        if not self._leaves:
            return None
        above = self._above()
        node = self._first_bad(above)
        return None if node is None else self._origin_at(node, above)

    def _above(self) -> _Above:
        above: _Above = {}
        for node in self._nodes:
            for place, (behind, _) in enumerate(node.next_functions):
                if behind is not None:
                    above.setdefault(behind, []).append((node, place))
        return above

    def _first_bad(self, above: _Above) -> Node | None:
        """Return the first node from a bad leaf towards the loss whose incoming gradients are finite."""
        ids = {id(leaf) for leaf in self._leaves}
        waiting = [node for node in self._nodes if id(variable_of(node)) in ids]
        met = set(waiting)
        while waiting:
            for node, place in above.get(waiting.pop(), ()):
                passed = self._passed.get(node)
                if passed is None or place not in passed.bad or node in met:
                    continue
                if passed.sound:
                    return node
                met.add(node)
                waiting.append(node)
        return None

    def _origin_at(self, node: Node, above: _Above) -> Origin:
        record = self._records.get(node._sequence_nr())
        passed, name = self._passed[node], _name_of(node)
        place = record.place if record is not None else Place("")
        what = "NaN" if any(bool(g.isnan().any()) for g in passed.made) else "infinity"
        cause, source = self._cause(node, name, record, passed, above)
        where = LOSS if place.module == LOSS else within(place)
        subject = f"the backward of {name}" + (f" in {where}" if where else "")
        if source is not None:
            name, place = source.operation, source.place
        sentence = f"{subject} makes {what} of finite gradients: {cause.clause}{quoted(place)}"
        return Origin(sentence, cause.action, name, place.module, place.line, "gradient", cause.samples)

    def _cause(
        self, node: Node, name: str, record: Record | None, passed: _BadGradients, above: _Above
    ) -> tuple[Cause, MadeSource | None]:
        """Return the cause, and its source if an operation of the forward pass is to blame."""
        hidden = self._left_out(node, passed, above)
        source = record.source if record is not None and isinstance(record.source, MadeSource) else None
        if source is not None and source.is_masked:
            return _with_hiding(source.cause, hidden), source
        if hidden == "where":
            clause = f"torch.where takes the other branch there, but {name} has no finite slope, and 0 × that is not 0"
            return Cause(clause, hidden_by_where([name])), None
        if (slope := slope_at(node, name)) is not None:
            cause = Cause(slope, action_for(name))
            if record is not None and record.epsilon and passed.made:
                cause = with_epsilon(cause, record.epsilon, passed.made[0].dtype)
            return cause, None
        if source is not None:
            return _with_hiding(source.cause, hidden), source
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            clause = f"{name} has a backward of its own, which gives that"
            return Cause(clause, "Test that backward with torch.autograd.gradcheck."), None
        return _overflow(name, passed), None

    def _left_out(self, node: Node, passed: _BadGradients, above: _Above) -> str:
        """Return the operation that left out the numbers whose gradient is not finite; "" for none."""
        if not any(bool((g == 0).any()) for g in passed.given):
            return ""
        bad = next((~g.isfinite() for g in passed.made if _any_bad([g])), torch.zeros(0))
        waiting, met = [node], {node}
        taken: Tensor | None = None
        while waiting and len(met) < _NEAR:
            for one, place in above.get(waiting.pop(0), ()):
                name = _name_of(one)
                if name == "where" and (condition := saved(one, "condition")).shape == bad.shape:
                    branch = condition if place == 0 else ~condition
                    taken = branch if taken is None else taken | branch
                elif name in _LEAVES_OUT:
                    return name
                elif one not in met:
                    met.add(one)
                    waiting.append(one)
        return "where" if taken is not None and not bool((taken & bad).any()) else ""


def _with_hiding(cause: Cause, by: str) -> Cause:
    """Add to a cause that a later operation left its result out, and the gradient is NaN all the same."""
    hides = f"{by or 'a later operation'} leaves that out on the way forward, but on the way back 0 × NaN is NaN"
    clause = f"{cause.clause}; {hides}"
    return replace(cause, clause=clause)


def _overflow(name: str, passed: _BadGradients) -> Cause:
    made = next((g for g in passed.made if _any_bad([g])), None)
    if made is None or bool(made.isnan().any()):
        return Cause(f"its slope is not finite at what {name} was given", action_for(name))
    far = max((float(g.abs().max()) for g in passed.given if g.numel()), default=0.0)
    kind = str(made.dtype).removeprefix("torch.")
    clause = f"gradients up to {far:.3g} grow there until they overflow {kind}"
    return Cause(clause, "Look for large factors there, and scale the loss down.")


def _name_of(node: Node) -> str:
    if isinstance(node, torch.autograd.function.BackwardCFunction):
        return node.name().removesuffix("Backward")
    name = plain_name(node.name())
    return {"linalg_vector_norm": "norm"}.get(name, name)


def _any_bad(gradients: Iterable[Tensor | None]) -> bool:
    return any(g is not None and has_numbers(g) and not is_finite(g) for g in gradients)
