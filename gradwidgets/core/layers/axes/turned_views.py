"""Views of the model that mix up axes, alone or several in a row."""

from collections.abc import Callable, Collection, Iterable

from torch.autograd.graph import Node

from gradwidgets.core.layers.axes.mixing import VIEWS, Shapes
from gradwidgets.core.layers.axes.scrambled import exchanges, groups_channels, joins_heads, reorders, scrambles
from gradwidgets.core.layers.causes.softmax_rows import ATTENTION
from gradwidgets.core.layers.scores.ahead_of import before

# Operations that cut off, or add, at an end of an axis.
_MOVING = ("slice", "cat", "constant_pad_nd")
_PRODUCT_PASSES = (*VIEWS, "clone", "native_dropout")
# Operations that keep the order of the numbers in memory.
_SAME_ORDER = ("squeeze", "unsqueeze", "clone", "contiguous", "alias")


class TurnedViews:
    """Finds views that mix up axes.

    Args:
        views: The views of the model.
        everything: All operations of the graph.
        named: Returns the name of an operation; "" for one outside of the graph.
    """

    def __init__(self, views: Iterable[Node], everything: Collection[Node], named: Callable[[Node], str]) -> None:
        shapes = ((n, getattr(n, "_saved_self_sym_sizes", ()), n._input_metadata[0].shape) for n in views)
        self._shapes: dict[Node, Shapes] = {n: (tuple(before), tuple(after)) for n, before, after in shapes}
        self._everything, self._named = everything, named

    def found(self) -> list[Shapes]:
        """Return the shapes before and after each such view.

        A view next to a slice is the trick that shifts each row by one, and intended.
        """
        found = {n: one for n, one in self._shapes.items() if self._turns(n, one)}
        turned = (self._in_steps(n) for n in self._shapes if n not in found)
        found |= {n: self._shapes[n] for n in list(turned) if n is not None}
        if not found:
            return []
        sliced = {other for n in self._everything if self._named(n) == "slice" for other, _ in n.next_functions}
        beside = {n for n in found if n in sliced or any(name in _MOVING for name in self._names_before(n))}
        return [one for n, one in found.items() if n not in beside]

    def _names_before(self, node: Node) -> list[str]:
        return [self._named(one) for one, _ in node.next_functions if one is not None]

    def _in_steps(self, node: Node) -> Node | None:
        """Return the view that mixes up axes in a row of views that end at a node; None if they mix up none."""
        chain: list[Node] = []
        at: Node | None = node
        while at is not None and (at in self._shapes or self._named(at) in _SAME_ORDER):
            chain += [at] if at in self._shapes else []
            at = _before(at)
        turned = next((one for one in chain if reorders(*self._shapes[one])), None)
        if turned is None:
            return None
        after = self._shapes[node][1]
        return turned if any(self._turns(node, (self._shapes[one][0], after)) for one in chain[1:]) else None

    def _turns(self, node: Node, shapes: Shapes) -> bool:
        """Whether axes are mixed up between two shapes, also if their sizes would allow another explanation."""
        if scrambles(*shapes):
            return True
        if exchanges(*shapes):
            # A group norm by hand has both this view and its reverse.
            return not (groups_channels(*shapes) and shapes[::-1] in self._shapes.values())
        return joins_heads(*shapes) and self._is_of_attention(node)

    def _is_of_attention(self, node: Node) -> bool:
        """Whether a view's input is a matrix product, or torch's own attention."""
        for _, one in before(node, len(self._everything)):
            name = self._named(one)
            if name not in _PRODUCT_PASSES:
                return name == "bmm" or name.startswith(ATTENTION)
        return False


def _before(node: Node) -> Node | None:
    """Return the operation that computed its first input with a gradient."""
    return next((one for one, _ in node.next_functions if one is not None), None)
