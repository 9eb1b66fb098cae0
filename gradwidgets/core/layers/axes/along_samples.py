"""Operations along the first axis of their input, which may be that of the samples.

Recurrent layers and attention expect steps first without `batch_first=True`, and a softmax may have `dim=0`. The shapes
alone decide for which of these operations the model is run again.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from torch import nn
from torch.autograd.graph import Node

from gradwidgets.core.operations.watching import plain_name

STEPS_FIRST = (nn.RNNBase, nn.MultiheadAttention)
SOFTMAX = ("softmax", "safe_softmax")
# Operations that move axes: after one, a softmax's output is no factor of each sample's own numbers.
_TURNS = ("transpose", "permute", "t", "movedim")
_PASSING = ("view", "unsafe_view", "reshape_alias", "expand", "mul", "clone", "native_dropout", "unsqueeze", "squeeze")


class Along(NamedTuple):
    """An operation along the first axis.

    Attributes:
        name: The layer's name, or "softmax".
        kind: The layer's class, or "softmax".
        shape: The shape of the input.
    """

    name: str
    kind: str
    shape: tuple[int, ...]

    @property
    def is_layer(self) -> bool:
        """Whether it is a layer that expects steps first."""
        return self.kind != "softmax"


def takes_steps_first(module: nn.Module) -> bool:
    """Whether a layer expects steps first, since it has no `batch_first=True`."""
    return not module.__dict__.get("batch_first", True) and isinstance(module, STEPS_FIRST)


def are_samples(one: Along, count: int, given: Sequence[Sequence[int]], gave: Sequence[Sequence[int]]) -> bool:
    """Whether an operation is certainly along the axis of the samples.

    For inputs with steps first, the output may also have as many rows as there are steps; then it has another axis as
    long as the second axis of the inputs. An input of a single row with many steps is one sequence of the samples.

    Args:
        one: The operation along the first axis.
        count: The number of samples.
        given: The shapes of the model's inputs.
        gave: The shapes of its outputs.
    """
    second = given[0][1] if len(given[0]) > 1 else 0
    if one.kind == "softmax" and len(one.shape) == 2:  # weights for a sum along the other axis
        return one.shape[0] % count == 0
    if one.shape[0] != count or second in (0, count) or any(second in shape[1:] for shape in gave):
        return False
    others = one.shape[1:]
    return len(others) > 1 and count not in others and (others[0] > 1 or not one.is_layer)


def softmaxes(nodes: Iterable[Node], everything: Collection[Node]) -> list[Along]:
    """Return the softmaxes along the first of several axes whose output keeps that axis.

    Args:
        nodes: The softmaxes of autograd's graph.
        everything: All operations of the graph.
    """
    shapes = [(node, tuple(node._input_metadata[0].shape)) for node in nodes if getattr(node, "_saved_dim", 1) == 0]
    return [
        Along("softmax", "softmax", shape)
        for node, shape in shapes
        if len(shape) > 2 and not _is_turned(node, everything)
    ]


def _is_turned(node: Node, nodes: Collection[Node]) -> bool:
    """Whether axes are moved before the weights are used: then sums over the samples, as in routing, are intended."""
    after: dict[Node, list[Node]] = {}
    for one in nodes:
        for other, _ in one.next_functions:
            if other is not None:
                after.setdefault(other, []).append(one)
    waiting = list(after.get(node, ()))
    while waiting:
        one = waiting.pop()
        name = plain_name(one.name())
        if name in _TURNS:
            return True
        if name in _PASSING:
            waiting += after.get(one, ())
    return False
