"""A norm or a standard deviation over a whole batch where each sample's own was meant, as no axis was given."""

import math
from collections.abc import Collection, Iterator
from typing import NamedTuple

from torch.autograd.graph import Node

from gradwidgets.core.layers.axes.mixing import batch_of, depends_on_others, evaluated
from gradwidgets.core.layers.causes.smoothing import has_graph
from gradwidgets.core.layers.passes.passes import FlowError, Subject
from gradwidgets.core.losses.graph import saved, variable_of
from gradwidgets.core.operations.watching import plain_name
from gradwidgets.core.results.finding import Finding

WHOLE = "normalised batch"
_DEVIATIONS, _SUMS = ("std", "var", "std_mean", "var_mean"), ("sum", "mean")
_SQUARES = ("pow", "mul", "square")
# Operations between a tensor and the number that divides it.
_AROUND = (
    "sqrt", "rsqrt", "reciprocal", "pow", "add", "mul", "div", "clamp", "clamp_min", "maximum", "expand", "view",
    "unsqueeze", "to_copy", "clone",
)  # fmt: skip
_SAME = ("view", "clone", "to_copy", "alias", "reshape_alias", "unsafe_view", "t", "transpose")
_THROUGH = ("cat", "slice", "select", "index", *_SAME)
_PRODUCTS = ("mm", "bmm")
_FAR = 6  # the most operations between a tensor and the number that divides it
_ACTION = {
    "length": "Name the axis, and keep it: F.normalize(x, dim=-1), or x / x.norm(dim=-1, keepdim=True).",
    "deviation": "Name the axis, and keep it: x.mean(dim=-1, keepdim=True) and x.std(dim=-1, keepdim=True).",
    "layer_norm": "Give layer_norm the shape of one sample's features, x.shape[-1:] or x.shape[1:], without the batch.",
}


class Whole(NamedTuple):
    """A tensor that is normalised by a single number computed from all of it.

    Attributes:
        how: "length", "deviation", or "layer_norm".
        shape: The tensor's shape.
        place: The module that normalises it; "" for the loss.
        is_compared: Whether its rows are multiplied with each other, as for cosines.
    """

    how: str
    shape: tuple[int, ...]
    place: str
    is_compared: bool


def whole_batches(model: Collection[tuple[Node, str]], loss: Collection[Node]) -> list[Whole]:
    """Return the tensors that are normalised as a whole.

    Args:
        model: The model's operations that may normalise, with the modules that run them.
        loss: The operations of the loss.
    """
    found = [(one, _how(one), place) for one, place in (*model, *((one, "") for one in loss))]
    found = [(one, how, place) for one, how, place in found if how]
    if not found:
        return []
    compared = [one for one, _, _ in found if _is_compared(one, [*loss, *(node for node, _ in model)])]
    return [Whole(how, _shape(one), place, one in compared) for one, how, place in found]


def _how(node: Node) -> str:
    """Return by which number of the whole tensor an operation normalises; "" if it does not."""
    name, shape = plain_name(node.name()), _shape(node)
    if len(shape) < 2 or min(shape[:2]) < 2:
        return ""
    if name == "native_layer_norm":
        return "layer_norm" if math.prod(saved(node, "normalized_shape")) == math.prod(shape) else ""
    if name not in ("div", "mul") or len(node.next_functions) < 2:
        return ""
    first, second = (one for one, _ in node.next_functions[:2])
    pairs = ((first, second), (second, first)) if name == "mul" else ((first, second),)
    return next((how for x, by in pairs if (how := _by_all(name, x, by))), "")


def _by_all(name: str, x: Node | None, by: Node | None) -> str:
    """Return whether a divisor is the "length" or the "deviation" of the whole dividend; "" if neither."""
    if x is None or by is None or math.prod(_shape(by)) != 1 or hasattr(by, "variable"):
        return ""
    rooted = name == "div"
    for _ in range(_FAR):
        now = plain_name(by.name())
        kind = "deviation" if now in _DEVIATIONS else "length"
        if now in (*_DEVIATIONS, "linalg_vector_norm", "norm"):
            return kind if rooted and _is_of(x, by) else ""
        if now in _SUMS:
            square = next((one for one, _ in by.next_functions if one is not None), None)
            if square is None or plain_name(square.name()) not in _SQUARES:
                return ""
            return "length" if rooted and _is_of(x, square) else ""
        if now not in _AROUND:
            return ""
        rooted = rooted or now in ("rsqrt", "reciprocal", "pow")
        by = next((one for one, _ in by.next_functions if one is not None), None)
        if by is None:
            return ""
    return ""


def _is_of(x: Node, reduction: Node) -> bool:
    """Whether a reduction is of all of a computed tensor, possibly minus its mean."""
    count = math.prod(_shape(x))
    under = {one for node, _ in reduction.next_functions for one in _sources(node, count)}
    return any(one in under for one in _sources(x, count))


def _sources(node: Node | None, count: int) -> Iterator[Node]:
    """Yield an operation and those before it that are only shifted or reshaped; none from a parameter on."""
    found: list[Node] = []
    while node is not None and math.prod(_shape(node)) == count and len(found) < _FAR:
        if hasattr(node, "variable"):
            return
        found.append(node)
        if plain_name(node.name()) not in ("sub", *_SAME):
            break
        node = next((one for one, _ in node.next_functions if one is not None), None)
    yield from found


def _shape(node: Node) -> tuple[int, ...]:
    if hasattr(node, "variable"):
        return tuple(variable_of(node).shape)
    return tuple(node._input_metadata[0].shape) if node._input_metadata else ()


def _is_compared(node: Node, nodes: list[Node]) -> bool:
    """Whether a product compares rows of a tensor with each other."""
    products = (one for one in nodes if plain_name(one.name()) in _PRODUCTS and len(set(_shape(one)[-2:])) == 1)
    return any(node in _behind(one) for one in products)


def _behind(product: Node) -> set[Node]:
    """Return the operations before a product, past selections and changes of shape."""
    seen: set[Node] = set()
    waiting = [one for one, _ in product.next_functions if one is not None]
    while waiting and len(seen) < 5 * _FAR:
        one = waiting.pop()
        seen.add(one)
        if plain_name(one.name()) in _THROUGH:
            waiting += [other for other, _ in one.next_functions if other is not None and other not in seen]
    return seen


def whole_in(subject: Subject, output: object, whole: Collection[Whole]) -> list[Finding]:
    """Report the first such tensor whose rows are samples.

    Args:
        subject: A copy of the model; it runs, to see whether a sample depends on others.
        output: The model's output.
        whole: See `whole_batches`.
    """
    batch = batch_of(subject.inputs, output)
    if batch is None:
        return []
    some = [one for one in whole if one.shape[0] % batch[1] == 0]
    if not some or batch[0] or has_graph(subject, batch[1]):
        return []
    for one in some:
        if not one.place:
            if one.is_compared and len(set(one.shape)) > 1:
                return [_told(one, "")]
            continue
        with evaluated(subject.model):
            try:
                many = depends_on_others(subject, *batch)
            except FlowError:
                return []
        if many:
            stayed = f"{many} of the {batch[1] // 2} that stayed"
            changed = f"; when other samples were exchanged, {stayed} got another output"
            return [_told(one, changed)]
    return []


def _told(one: Whole, changed: str) -> Finding:
    where = one.place if one.place and one.place != "(model)" else "the model" if one.place else "the loss"
    message = {
        "length": f"{where} divides {one.shape} by one length, of all samples together: no sample has a length of 1",
        "deviation": f"{where} divides {one.shape} by one deviation, of all samples together",
        "layer_norm": f"in {where}, layer_norm takes mean and deviation of all of {one.shape}, all samples together",
    }[one.how]
    compared = one.is_compared and one.how == "length"
    message += ", products of them are no cosines, and these get smaller with the batch" * compared + changed
    evidence = {"layer": one.place, "shape": one.shape, "how": one.how, "threshold": 0}
    return Finding(WHOLE, "warning", message, evidence, action=_ACTION[one.how])
