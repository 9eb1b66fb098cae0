"""Gates with their softmax along the samples whose weights are summed along another axis, as with experts."""

from collections.abc import Collection, Iterator, Sequence

from torch.autograd.graph import Node

from gradwidgets.core.layers.axes.along_samples import Along
from gradwidgets.core.layers.misuse.lone_softmax import SOFTMAXES
from gradwidgets.core.layers.misuse.operation import Operation
from gradwidgets.core.layers.misuse.softmax_axes import PRODUCTS, softmax_behind
from gradwidgets.core.operations.watching import plain_name

_PASSING = ("view", "unsafe_view", "reshape_alias", "expand", "unsqueeze", "clone", "native_dropout", "permute")


def gates(looked_at: Sequence[Operation], nodes: Collection[Node]) -> list[Along]:
    """Return softmaxes of two axes along the first whose weights are summed along the second.

    Args:
        looked_at: The softmaxes and products of the model.
        nodes: All operations of a pass.
    """
    some = {one.node: _shape(one.node) for one in looked_at if one.name in SOFTMAXES and _is_first(one.node)}
    if not some:
        return []
    products = [one.node for one in looked_at if one.name in PRODUCTS]
    summing = {*_by_products(products), *_by_sums(nodes)}
    return [Along("softmax", "softmax", shape) for node, shape in some.items() if node in summing]


def _shape(node: Node) -> tuple[int, ...]:
    return tuple(node._input_metadata[0].shape)


def _is_first(node: Node) -> bool:
    shape = _shape(node)
    return len(shape) == 2 and min(shape) > 1 and getattr(node, "_saved_dim", 1) in (0, 2**64 - 2)


def _by_products(products: Sequence[Node]) -> Iterator[Node]:
    for one in products:
        for place, contracted in ((0, -1), (1, -2)):
            found = softmax_behind(one.next_functions[place][0], contracted)
            if found is not None and found[1] != found[2]:
                yield found[0]


def _by_sums(nodes: Collection[Node]) -> Iterator[Node]:
    """Yield the operations that compute the factors of products that are summed along their second axis."""
    for one in nodes:
        if plain_name(one.name()) != "sum" or tuple(getattr(one, "_saved_dim", None) or ()) != (1,):
            continue
        product = one.next_functions[0][0]
        if product is None or plain_name(product.name()) != "mul":
            continue
        for factor, _ in product.next_functions:
            while factor is not None and plain_name(factor.name()) in _PASSING:
                factor = factor.next_functions[0][0]
            if factor is not None:
                yield factor
