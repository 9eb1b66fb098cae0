"""Means and maxima over the axis of samples where that of steps is as long, so that no shape tells them apart."""

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
    """Shapes of what the model takes a mean or the like of along the first axis alone, of two that are as long."""
    some = ((plain_name(one.name()), one) for one in nodes)
    shapes = [_shape(one) for name, one in some if name in _POOLS]
    return [one for one in shapes if len(one) > 2 and one[0] == one[1]]


def _shape(node: Node) -> tuple[int, ...]:
    dim = getattr(node, "_saved_dim", None)
    along = list(dim) if isinstance(dim, (tuple, list)) else [dim]
    kept = getattr(node, "_saved_self_sym_sizes", None) or getattr(getattr(node, "_saved_self", None), "shape", ())
    shape = tuple(kept)
    return shape if along in ([0], [2**64 - len(shape)]) else ()


def pooled_in(subject: Subject, output: object, pools: Iterable[tuple[int, ...]]) -> list[Finding]:
    """What to say of them where the batch has as many samples as the sequences have steps.

    Args:
        subject: A copy that may run: it is asked only where there is such a pool.
        output: What the model gave.
        pools: See `pools_of`.
    """
    batch = batch_of(subject.inputs, output)
    shapes = [one for one in pools if batch is not None and one[0] == batch[1]]
    if not shapes or batch[0] or not _are_sequences(subject.inputs, batch[1]):
        return []
    with evaluated(subject.model):
        try:
            many = depends_on_others(subject, *batch)
            reads = any(
                getattr(one, "batch_first", False) for one in subject.model.modules()
            )  # sequences, samples first
            sure = bool(many) and reads and bool(depends_on_others(subject, 1, batch[1]))
        except FlowError:
            return []
    return [_told(shapes[0], many, batch[1], sure=sure)] if many else []


def _are_sequences(inputs: object, count: int) -> bool:
    """Whether each sample has as many steps: features of nodes, as many as these are, are none."""
    first = next(one for one in pytree.tree_leaves(inputs) if isinstance(one, Tensor))
    return first.ndim > 1 and first.shape[1] == count and (first.ndim > 2 or not first.is_floating_point())


def _told(shape: tuple[int, ...], many: int, count: int, *, sure: bool) -> Finding:
    """What is said; it is sure where samples are mixed whichever axis they stand along, and a layer reads sequences."""
    whose = "that of the samples" if sure else "that of the samples if these come first"
    message = (
        f"the model takes a mean or the like over the first axis of {shape}, {whose}: the batch has as many samples as "
        f"there are steps, {count}, so that no shape tells. When other samples were exchanged, {many} of the "
        f"{count // 2} that stayed got another output"
    )
    message += ", and so it is along the second axis" if sure else ""
    evidence = {"shape": shape, "changed": many, "of": count // 2, "threshold": 0}
    return Finding(POOLED, "warning" if sure else "info", message, evidence, action=_ACTION)
