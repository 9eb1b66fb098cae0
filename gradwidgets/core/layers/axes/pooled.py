"""Means and maxima over the axis of the samples if that of the steps is as long, so that shapes do not differ."""

from collections.abc import Iterable

from torch import Tensor
from torch.autograd.graph import Node
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.axes.mixing import batch_of, depends_on_others, evaluated
from gradwidgets.core.layers.passes.passes import FlowError, Subject
from gradwidgets.core.operations.watching import plain_name
from gradwidgets.core.results.finding import Finding

POOLED = "pooled samples"
_POOLS = ("mean", "sum", "amax", "amin", "max", "min", "median", "logsumexp")
_ACTION = (
    "Take it over the steps, mean(1) of (samples, steps, features). Nothing, if steps come first here; a batch of "
    "another size than the sequences are long would tell."
)


def pools_of(nodes: Iterable[Node]) -> list[tuple[int, ...]]:
    """Return the input shapes of means and the like over the first axis alone, if the second axis is as long."""
    some = ((plain_name(one.name()), one) for one in nodes)
    shapes = [_shape(one) for name, one in some if name in _POOLS]
    return [one for one in shapes if len(one) > 2 and one[0] == one[1]]


def _shape(node: Node) -> tuple[int, ...]:
    """Return the shape of an operation's input if it is along the first axis alone; otherwise ()."""
    dim: object = getattr(node, "_saved_dim", None)
    along = list(dim) if isinstance(dim, (tuple, list)) else [dim]
    kept: object = getattr(node, "_saved_self", None)
    shape = tuple(getattr(node, "_saved_self_sym_sizes", ())) or tuple(kept.shape if isinstance(kept, Tensor) else ())
    return shape if along in ([0], [2**64 - len(shape)]) else ()


def pooled_in(subject: Subject, output: object, pools: Iterable[tuple[int, ...]]) -> list[Finding]:
    """Report the first pool over the samples, if the batch has as many samples as the sequences have steps.

    Args:
        subject: A copy of the model, which runs only if there is such a pool.
        output: The model's output.
        pools: See `pools_of`.
    """
    axis, count = batch_of(subject.inputs, output) or (1, 0)
    shapes = [one for one in pools if one[0] == count]
    if not shapes or axis or not _are_sequences(subject.inputs, count):
        return []
    with evaluated(subject.model):
        try:
            many = depends_on_others(subject, axis, count)
            reads = any(getattr(one, "batch_first", False) for one in subject.model.modules())  # sequences
            sure = bool(many) and reads and bool(depends_on_others(subject, 1, count))
        except FlowError:
            return []
    return [_told(shapes[0], many, count, sure=sure)] if many else []


def _are_sequences(inputs: object, count: int) -> bool:
    """Whether each sample has so many steps; an input of (nodes, features) has no steps."""
    first = next(one for one in pytree.tree_leaves(inputs) if isinstance(one, Tensor))
    return first.ndim > 1 and first.shape[1] == count and (first.ndim > 2 or not first.is_floating_point())


def _told(shape: tuple[int, ...], many: int, count: int, *, sure: bool) -> Finding:
    """Report a pool; it is certain if samples are mixed along both axes, and a layer reads sequences."""
    whose = "that of the samples" if sure else "that of the samples if these come first"
    message = (
        f"the model takes a mean or the like over the first axis of {shape}, {whose}: the batch has as many samples as "
        f"there are steps, {count}, so that no shape tells. When other samples were exchanged, {many} of the "
        f"{count // 2} that stayed got another output"
    )
    message += ", and so it is along the second axis" if sure else ""
    evidence = {"shape": shape, "changed": many, "of": count // 2, "threshold": 0}
    return Finding(POOLED, "warning" if sure else "info", message, evidence, action=_ACTION)
