"""What runs along the first axis of what it is given, where a batch may have its samples.

Recurrent layers and attention take steps first unless they are told `batch_first=True`, and a softmax may be given
`dim=0`. Which of these are worth asking a model about is told from shapes alone.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from torch import nn
from torch.autograd.graph import Node

from gradwidgets.core.operations.watching import plain_name

STEPS_FIRST = (nn.RNNBase, nn.MultiheadAttention)
SOFTMAX = ("softmax", "safe_softmax")
# They change axes over: what a softmax gives is then no factor of each sample's own numbers.
_TURNS = ("transpose", "permute", "t", "movedim")
_PASSING = ("view", "unsafe_view", "reshape_alias", "expand", "mul", "clone", "native_dropout", "unsqueeze", "squeeze")


class Along(NamedTuple):
    """Something that runs along the first axis.

    Attributes:
        name: The layer's, or "softmax".
        kind: The layer's class, or "softmax".
        shape: Of what it is given.
    """

    name: str
    kind: str
    shape: tuple[int, ...]

    @property
    def is_layer(self) -> bool:
        """Whether it is a layer that takes steps first."""
        return self.kind != "softmax"


def takes_steps_first(module: nn.Module) -> bool:
    """Whether it is a layer that was not told that samples come first."""
    return not module.__dict__.get("batch_first", True) and isinstance(module, STEPS_FIRST)


def are_samples(one: Along, count: int, given: Sequence[Sequence[int]], gave: Sequence[Sequence[int]]) -> bool:
    """Whether an axis that something runs along is that of the samples for sure.

    Of inputs with steps first, too, the output may have as many rows as there are steps: it then has another axis as
    long as the second one of the inputs. One row beside many is a single sequence, whose steps are the samples.

    Args:
        one: What runs along the first axis.
        count: How many samples there are.
        given: Shapes of the model's inputs.
        gave: Shapes of what it gave.
    """
    second = given[0][1] if len(given[0]) > 1 else 0
    if (
        one.kind == "softmax" and len(one.shape) == 2
    ):  # of scores, and its shares weigh what stands along the other axis
        return one.shape[0] % count == 0
    if one.shape[0] != count or second in (0, count) or any(second in shape[1:] for shape in gave):
        return False
    others = one.shape[1:]
    return len(others) > 1 and count not in others and (others[0] > 1 or not one.is_layer)


def softmaxes(nodes: Iterable[Node], everything: Collection[Node]) -> list[Along]:
    """Those that run along the first of several axes, and whose shares weigh what goes on along that axis.

    Args:
        nodes: Softmaxes of autograd's graph.
        everything: All operations of it.
    """
    shapes = [(node, tuple(node._input_metadata[0].shape)) for node in nodes if getattr(node, "_saved_dim", 1) == 0]
    return [
        Along("softmax", "softmax", shape)
        for node, shape in shapes
        if len(shape) > 2 and not _is_turned(node, everything)
    ]


def _is_turned(node: Node, nodes: Collection[Node]) -> bool:
    """Whether axes are changed over before the shares are used: sums over samples, as in routing, are meant."""
    after: dict[Node, list[Node]] = {}
    for one in nodes:
        for other, _ in one.next_functions:
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
