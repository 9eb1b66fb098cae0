"""Cosines in a loss: of single numbers, which are 1 or −1, and as logits, which are too small without a factor."""

import math

from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.preflight.losses.call import Call, shape
from gradwidgets.core.layers.preflight.losses.given import LOGITS
from gradwidgets.core.layers.preflight.losses.value.flat import FLAT
from gradwidgets.core.operations.watching import plain_name
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number

_PRODUCTS = ("mm", "bmm", "addmm")
_PASSES = ("t", "transpose", "permute", "expand", "view", "unsafe_view", "reshape_alias", "clone", "unsqueeze", "alias")
_NORMS = ("linalg_vector_norm", "norm")
_GUARDS = ("clone", "clamp_min", "expand", "add", "sqrt", "sum", "pow", "unsqueeze", "maximum", *_NORMS)
_ROUNDING = 1e-3
_FEWEST = 3  # classes: for two, cosines from −1 to 1 are large enough
_SINGLE = (
    "Compare single numbers by their difference (mse_loss); or name the axis along which a vector lies: dim=-1 of "
    "(samples, features)."
)
_FACTOR = (
    "Multiply them before the loss by a factor that is learned, as exp of a parameter, or fixed (16 to 64 are usual); "
    "a temperature of 0.07 is a factor of 14."
)


def of_one(call: Call) -> list[Finding]:
    """Report `cosine_similarity` along an axis with a single entry."""
    x, y = call.get(0, "x1"), call.get(1, "x2")
    if not isinstance(x, Tensor) or not isinstance(y, Tensor) or not x.ndim:
        return []
    axis = call.get(2, "dim", 1)
    whole = x.ndim if x.ndim >= y.ndim else y.ndim
    if not -whole <= axis < whole or max(_long(x, axis, whole), _long(y, axis, whole)) != 1 or x.numel() < 2:
        return []
    message = (
        f"cosine_similarity is taken along axis {axis} of {shape(x)}, which holds a single number: the cosine of two "
        "numbers is 1 or −1, by their signs alone, and no gradient comes back through it"
    )
    evidence = {"shape": list(x.shape), "axis": axis, "entries": 1, "threshold": 2}
    return [Finding(FLAT, "error", message, evidence, action=_SINGLE)]


def of_logits(call: Call) -> list[Finding]:
    """Report `cross_entropy` of cosines, which are between −1 and 1 whatever is learned."""
    x = call.first
    if x is None or x.ndim < 2 or x.shape[1] < _FEWEST or x.grad_fn is None or not _are_cosines(x.grad_fn):
        return []
    if not bool((x.detach().abs() <= 1 + _ROUNDING).all()):
        return []
    classes = x.shape[1]
    least = math.log1p((classes - 1) * math.exp(-2))
    message = (
        f"{call.name} takes logits and gets cosines, products of vectors of length 1: between −1 and 1, its softmax "
        f"gives the right one of {classes} classes no more than {number(math.exp(-least), 2)}, and the loss stays "
        f"above {number(least, 3)}, whatever is learned (guessing costs {number(math.log(classes), 3)})"
    )
    evidence = {"classes": classes, "lowest loss": least, "largest logit": 1.0, "threshold": 1.0}
    return [Finding(LOGITS, "warning", message, evidence, action=_FACTOR)]


def _long(tensor: Tensor, axis: int, whole: int) -> int:
    """Return a tensor's length along an axis of a tensor with so many axes, to which it is broadcast."""
    place = axis % whole - (whole - tensor.ndim)
    return tensor.shape[place] if place >= 0 else 1


def _are_cosines(made: Node) -> bool:
    """Whether a node is a product of unit vectors, possibly times a plain number."""
    node = _past(made)
    while node is not None and plain_name(node.name()) in ("mul", "div") and _by_a_number(node):
        node = _past(node.next_functions[0][0])
    if node is not None and plain_name(node.name()) == "sum":  # as cosine_similarity does it
        node = _past(node.next_functions[0][0])
        return node is not None and plain_name(node.name()) == "mul" and _of_units(node)
    return node is not None and plain_name(node.name()) in _PRODUCTS and _of_units(node)


def _by_a_number(node: Node) -> bool:
    return sum(one is not None for one, _ in node.next_functions) == 1


def _of_units(product: Node) -> bool:
    factors = [one for one, _ in product.next_functions if one is not None]
    return len(factors) >= 2 and all(_is_unit(one) for one in factors[-2:])


def _past(node: Node | None) -> Node | None:
    while node is not None and plain_name(node.name()) in _PASSES:
        node = node.next_functions[0][0]
    return node


def _is_unit(node: Node | None) -> bool:
    """Whether a node divides a tensor by a norm."""
    node = _past(node)
    if node is None or plain_name(node.name()) != "div" or len(node.next_functions) < 2:
        return False
    below = node.next_functions[1][0]
    for _ in range(8):
        if below is None or plain_name(below.name()) not in _GUARDS:
            return False
        if plain_name(below.name()) in _NORMS:
            return True
        below = below.next_functions[0][0]
    return False
