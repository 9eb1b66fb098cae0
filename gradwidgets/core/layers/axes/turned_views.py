"""The model's views that change axes over, by themselves or several one behind the other."""

from collections.abc import Callable, Collection, Iterable

from torch.autograd.graph import Node

from gradwidgets.core.layers.axes.mixing import VIEWS, Shapes
from gradwidgets.core.layers.axes.scrambled import exchanges, groups_channels, joins_heads, reorders, scrambles
from gradwidgets.core.layers.causes.softmax_rows import ATTENTION

# What cuts off or adds at an end of an axis.
_MOVING = ("slice", "cat", "constant_pad_nd")
_PRODUCT_PASSES = (*VIEWS, "clone", "native_dropout")
# What leaves numbers in the order in which they are counted.
_SAME_ORDER = ("squeeze", "unsqueeze", "clone", "contiguous", "alias")


class TurnedViews:
    """Looks for them.

    Args:
        views: The views of the model.
        everything: All operations of the graph.
        named: Gives the name of an operation of the graph; "" for others.
    """

    def __init__(self, views: Iterable[Node], everything: Collection[Node], named: Callable[[Node], str]) -> None:
        shapes = ((n, getattr(n, "_saved_self_sym_sizes", ()), n._input_metadata[0].shape) for n in views)
        self._shapes: dict[Node, Shapes] = {n: (tuple(before), tuple(after)) for n, before, after in shapes}
        self._everything, self._named = everything, named

    def found(self) -> list[Shapes]:
        """Shapes before and after.

        Where a slice stands beside one, it is the trick by which each row moves on by one, and meant.
        """
        found = {n: one for n, one in self._shapes.items() if self._turns(n, one)}
        turned = (self._in_steps(n) for n in self._shapes if n not in found)
        found |= {n: self._shapes[n] for n in list(turned) if n is not None}
        if not found:
            return []
        sliced = {other for n in self._everything if self._named(n) == "slice" for other, _ in n.next_functions}
        beside = {n for n in found if n in sliced or any(self._named(one) in _MOVING for one, _ in n.next_functions)}
        return [one for n, one in found.items() if n not in beside]

    def _in_steps(self, node: Node) -> Node | None:
        """Of views one behind the other, which together change axes over, the one that does it; None for none."""
        chain, one = [], node
        while one in self._shapes or self._named(one) in _SAME_ORDER:
            chain += [one] if one in self._shapes else []
            one = _before(one)
        turned = next((one for one in chain if reorders(*self._shapes[one])), None)
        if turned is None:
            return None
        after = self._shapes[node][1]
        return turned if any(self._turns(node, (self._shapes[one][0], after)) for one in chain[1:]) else None

    def _turns(self, node: Node, shapes: Shapes) -> bool:
        """Whether axes are changed over between two shapes, also where their sizes would allow another reading."""
        if scrambles(*shapes):
            return True
        if exchanges(*shapes):
            # A norm of groups by hand has both.
            return not (groups_channels(*shapes) and shapes[::-1] in self._shapes.values())
        return joins_heads(*shapes) and self._is_of_attention(node)

    def _is_of_attention(self, node: Node | None) -> bool:
        """Whether what is counted anew was made by a product of matrices, or by torch's own attention."""
        while node is not None:
            node = _before(node)
            name = self._named(node)
            if name not in _PRODUCT_PASSES:
                return name == "bmm" or name.startswith(ATTENTION)
        return False


def _before(node: Node) -> Node | None:
    """The operation that it takes its first argument with a gradient from."""
    return next((one for one, _ in node.next_functions if one is not None), None)
