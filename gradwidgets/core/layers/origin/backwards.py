"""A pass backward in which every node of the graph is looked at: what goes in, what comes out."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.origin.causes import Cause
from gradwidgets.core.layers.origin.epsilons import with_epsilon
from gradwidgets.core.layers.origin.forwards import Record, Source
from gradwidgets.core.layers.origin.found import Origin
from gradwidgets.core.layers.origin.places import LOSS, Place, has_numbers, is_finite
from gradwidgets.core.layers.origin.sentences import quoted, within
from gradwidgets.core.layers.origin.slopes import slope_at
from gradwidgets.core.losses.graph import nodes_of
from gradwidgets.core.operations.remedies import action_for, hidden_by_where
from gradwidgets.core.operations.watching import plain_name

# What leaves numbers out on the way forward, so that their gradient is 0 and not missing.
_LEAVES_OUT = ("where", "nan_to_num", "masked_fill", "index", "select", "slice", "clamp", "masked_select", "gather")
_LEAVES_OUT += ("index_select", "relu", "threshold", "masked_scatter", "split", "unbind", "minimum", "maximum")
_NEAR = 30  # nodes towards the loss among which that is looked for


@dataclass(eq=False)
class _Passed:
    """What was not finite at a node.

    Attributes:
        sound: Whether all gradients that came to it were finite.
        bad: To which of the nodes behind it something not finite went.
        given: Of one that made it: what came to it.
        made: And what it gave.
    """

    sound: bool
    bad: frozenset[int]
    given: list[Tensor] = field(default_factory=list)
    made: list[Tensor] = field(default_factory=list)


class Backwards:
    """Watches the way back from a loss within a `with` block.

    Args:
        loss: A finite one.
        records: What is known of the operations, by autograd's numbers.
    """

    def __init__(self, loss: Tensor, records: dict[int, Record]) -> None:
        self._loss, self._records = loss, records
        self._nodes = list(nodes_of(loss))
        self._passed: dict[Node, _Passed] = {}
        self._leaves: list[Tensor] = []
        self._handles: list = []

    def __enter__(self) -> "Backwards":
        for node in self._nodes:
            if not hasattr(node, "variable"):
                self._handles.append(node.register_hook(self._seen(node)))
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def run(self, leaves: list[Tensor]) -> None:
        """Follow the loss back to these."""
        # What nodes keep is read afterwards, to say why.
        found = torch.autograd.grad(self._loss.reshape(()), leaves, allow_unused=True, retain_graph=True)
        self._leaves = [leaf for leaf, g in zip(leaves, found, strict=True) if g is not None and _bad([g])]

    def _seen(self, node: Node) -> Callable:
        def note(made: tuple, given: tuple) -> None:
            bad = frozenset(place for place, g in enumerate(made) if g is not None and _bad([g]))
            if bad:
                sound = not _bad(given)
                kept = ([g for g in given if g is not None], [g for g in made if g is not None]) if sound else ([], [])
                self._passed[node] = _Passed(sound, bad, *kept)

        return note

    def origin(self) -> Origin | None:
        """Who is to blame for the first leaf whose gradient is not finite; None where all are finite."""
        if not self._leaves:
            return None
        above = self._above()
        node = self._maker(above)
        return None if node is None else self._blamed(node, above)

    def _above(self) -> dict[Node, list[tuple[Node, int]]]:
        above: dict[Node, list[tuple[Node, int]]] = {}
        for node in self._nodes:
            for place, (behind, _) in enumerate(node.next_functions):
                if behind is not None:
                    above.setdefault(behind, []).append((node, place))
        return above

    def _maker(self, above: dict) -> Node | None:
        """The first node on the way up from a bad leaf that is given finite gradients and gives others."""
        ids = {id(leaf) for leaf in self._leaves}
        waiting = [node for node in self._nodes if id(getattr(node, "variable", None)) in ids]
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

    def _blamed(self, node: Node, above: dict) -> Origin:
        record = self._records.get(node._sequence_nr())
        passed, name = self._passed[node], _called(node)
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
        self, node: Node, name: str, record: Record | None, passed: _Passed, above: dict
    ) -> tuple[Cause, Source | None]:
        """Why, and what is to blame if that ran forwards."""
        hidden = self._left_out(node, passed, above)
        source = record.source if record is not None and record.source is not None and record.source.cause else None
        if source is not None and source.cause.masked:
            return _hidden(source.cause, hidden), source
        if hidden == "where":
            clause = f"torch.where takes the other branch there, but {name} has no finite slope, and 0 × that is not 0"
            return Cause(clause, hidden_by_where([name])), None
        if (clause := slope_at(node, name)) is not None:
            cause, made = Cause(clause, action_for(name)), next(iter(passed.made), None)
            lost = record.epsilon if record is not None and made is not None else ""
            return with_epsilon(cause, lost, made.dtype) if lost else cause, None
        if source is not None:
            return _hidden(source.cause, hidden), source
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            clause = f"{name} has a backward of its own, which gives that"
            return Cause(clause, "Test that backward with torch.autograd.gradcheck."), None
        return _overflow(name, passed), None

    def _left_out(self, node: Node, passed: _Passed, above: dict) -> str:
        """What left out, on the way forward, the numbers whose gradient is not finite; "" for nothing."""
        if not any(bool((g == 0).any()) for g in passed.given):
            return ""
        bad = next((~g.isfinite() for g in passed.made if _bad([g])), torch.zeros(0))
        waiting, met, taken = [node], {node}, None
        while waiting and len(met) < _NEAR:
            for one, place in above.get(waiting.pop(0), ()):
                name = _called(one)
                if name == "where" and one._saved_condition.shape == bad.shape:
                    branch = one._saved_condition if place == 0 else ~one._saved_condition
                    taken = branch if taken is None else taken | branch
                elif name in _LEAVES_OUT:
                    return name
                elif one not in met:
                    met.add(one)
                    waiting.append(one)
        return "where" if taken is not None and not bool((taken & bad).any()) else ""


def _hidden(cause: Cause, by: str) -> Cause:
    hides = f"{by or 'a later operation'} leaves that out on the way forward, but on the way back 0 × NaN is NaN"
    clause = f"{cause.clause}; {hides}"
    return replace(cause, clause=clause)


def _overflow(name: str, passed: _Passed) -> Cause:
    made = next((g for g in passed.made if _bad([g])), None)
    if made is None or bool(made.isnan().any()):
        return Cause(f"its slope is not finite at what {name} was given", action_for(name))
    far = max((float(g.abs().max()) for g in passed.given if g.numel()), default=0.0)
    kind = str(made.dtype).removeprefix("torch.")
    clause = f"gradients up to {far:.3g} grow there until they overflow {kind}"
    return Cause(clause, "Look for large factors there, and scale the loss down.")


def _called(node: Node) -> str:
    if isinstance(node, torch.autograd.function.BackwardCFunction):
        return node.name().removesuffix("Backward")
    name = plain_name(node.name())
    return {"linalg_vector_norm": "norm"}.get(name, name)


def _bad(gradients: Iterable[Tensor | None]) -> bool:
    return any(g is not None and has_numbers(g) and not is_finite(g) for g in gradients)
