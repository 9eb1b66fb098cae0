"""The dimension of the classes: in the output, in the targets, and in a softmax."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.preflight.losses.call import OUTPUT, TARGET, Call, shape
from gradwidgets.core.layers.preflight.made import short, summed
from gradwidgets.core.layers.preflight.reading import read, some, wide
from gradwidgets.core.losses.graph import saved
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number

LABELS, NORMALISED = "labels", "not_log_probabilities"
# Logarithm of the sum of e^x over the classes from which it is not 1, and up to which another sum is 1.
UNEVEN, EVEN = 0.1, 1e-2
# Nodes that keep all numbers of a row together: if rows sum to 1 after them, they did before.
_KEEPING = (
    "View UnsafeView ReshapeAlias Reshape Transpose Permute T Mt Squeeze Unsqueeze Clone Alias Contiguous ToCopy "
    "Movedim Log Add Clamp ClampMin"
)
_KEEPS = frozenset(_KEEPING.split())
_SOFTMAX = frozenset(("Softmax", "LogSoftmax"))
_PRODUCTS = {"Addmm": "_saved_mat2_sym_sizes", "Mm": "_saved_mat2_sym_sizes"}


def classes_last(x: Tensor, y: Tensor) -> Finding | None:
    """Report an output with the classes in the last dimension, where `cross_entropy` expects them in dimension 1."""
    if x.ndim < 3 or y.is_floating_point() or y.ndim != x.ndim - 1 or x.shape[:-1] != y.shape:
        return None
    refused = x.shape[:1] + x.shape[2:] != y.shape
    if not refused and _columns(x) != x.shape[-1]:
        return None
    classes, taken = x.shape[-1], x.shape[1]
    why = (
        f"by targets of {shape(y)} they" if refused else "a linear layer over the last dimension made it, so that they"
    )
    after = "torch refuses it" if refused else "the sizes are equal, so that torch does not notice"
    message = (
        f"cross_entropy takes the classes in dimension 1, {taken} of them in an output of {shape(x)}; {why} come last, "
        f"{classes} of them: {after}"
    )
    action = "Hand it output.transpose(1, 2)" if x.ndim == 3 else "Hand it output.movedim(-1, 1)"
    action += f", or flatten both: output.reshape(-1, {classes}) and targets.flatten()."
    evidence = {"output": list(x.shape), "target": list(y.shape), "classes": classes, "dimension": x.ndim - 1}
    return Finding(LABELS, "error" if refused else "warning", message, evidence | {"threshold": 1}, action=action)


def _columns(x: Tensor) -> int | None:
    """Return the width of the matrix product that a tensor is, in another shape; None if it is none."""
    node = x.grad_fn
    if node is not None and short(node) in _SOFTMAX and _along(node) == x.ndim - 1:
        node = node.next_functions[0][0]
    if node is not None and short(node) == "Add":  # a bias, if a linear layer's input is not contiguous
        node = node.next_functions[0][0]
    if node is None or short(node) not in ("View", "UnsafeView") or not node.next_functions:
        return None
    product = node.next_functions[0][0]
    sizes = _PRODUCTS.get(short(product)) if product is not None else None
    return int(getattr(product, sizes)[-1]) if sizes else None


def of_labels(x: Tensor, y: Tensor) -> Finding | None:
    """Report labels of a shape that torch refuses if it is certain which other shape is meant."""
    if x.ndim < 2 or y.ndim != x.ndim or x.shape[1] < 2:
        return None
    if y.shape == (*x.shape[:1], 1, *x.shape[2:]):
        action = "Take the dimension of 1 out: targets.squeeze(1)"
    elif x.ndim == 2 and y.numel() == x.shape[0]:
        action = "Flatten them as the output is: targets.flatten()"
    elif y.shape == x.shape and not y.is_floating_point():
        action = "Hand it the index of each class, targets.argmax(1), or shares: targets.float()"
    else:
        return None
    action += ".long()." if y.is_floating_point() else "."
    wanted = shape(x[:, 0])
    message = f"labels have shape {shape(y)}, and for an output of {shape(x)} cross_entropy takes {wanted}"
    evidence = {"output": list(x.shape), "target": list(y.shape), "threshold": list(x[:, 0].shape)}
    return Finding(LABELS, "error", message, evidence, action=action)


def of_softmax(call: Call) -> list[Finding]:
    """Report `nll_loss` of logarithms that are normalised over the samples or places instead of the classes."""
    x, y = call.first, call.second
    if x is None or x.ndim < 2 or y is None or x.shape[1] < 2 or _paired(x, y):
        return []
    if classes_last(x, y) is not None:
        return []
    node = _softmax(x)
    if node is None or _off(x, 1) < UNEVEN or not _whole(node, x):
        return []
    return [_normalised(node, x, 1, call.name, _off(x, 1))]


def of_doubled(call: Call) -> list[Finding]:
    """Report a log_softmax before `cross_entropy` over another dimension than that of the classes."""
    x, y = call.first, call.second
    if x is None or x.ndim < 2 or y is None or x.shape[1] < 2 or _paired(x, y) or classes_last(x, y) is not None:
        return []
    node = _softmax(x)
    if node is None or short(node) != "LogSoftmax" or saved(node, "result").shape != x.shape or _along(node) == 1:
        return []
    if _off(x, 1) < UNEVEN or _off(x, _along(node)) > EVEN:
        return []
    return [_normalised(node, x, 1, call.name, _off(x, 1))]


def of_pick(call: Call) -> list[Finding]:
    """Report a loss that selects the target's probability by hand, from a softmax over another dimension."""
    x = call.first
    if x is None or x.ndim < 2:
        return []
    node, dim = _softmax(x), _picked(call, x)
    # Only softmaxes of the same shape are checked here, as dimensions are compared by their index.
    if x is None or node is None or dim is None or saved(node, "result").shape != x.shape or x.shape[dim] < 2:
        return []
    logs = x if float(read(x).max()) <= 0 else x.log()
    if _along(node) == dim or _off(logs, dim) < UNEVEN or _off(logs, _along(node)) > EVEN:
        return []
    return [_normalised(node, x, dim, "the loss", _off(logs, dim))]


def of_frames(call: Call) -> list[Finding]:
    """Report `ctc_loss` of logarithms that are not normalised over the last dimension, that of the classes."""
    x = call.first
    if x is None or x.ndim < 2 or x.shape[-1] < 2:
        return []
    node = _softmax(x)
    if node is None or saved(node, "result").shape != x.shape or _along(node) == x.ndim - 1:
        return []
    if _off(x, x.ndim - 1) < UNEVEN or _off(x, _along(node)) > EVEN:
        return []
    return [_normalised(node, x, x.ndim - 1, call.name, _off(x, x.ndim - 1))]


def of_divergence(call: Call) -> list[Finding]:
    """Report `kl_div` of logarithms that are normalised over another dimension than the targets."""
    x, y = call.first, call.second
    if x is None or y is None or x.shape != y.shape or x.ndim < 2:
        return []
    node = _softmax(x)
    if node is None or saved(node, "result").shape != x.shape or call.keywords.get("log_target"):
        return []
    along, logs = _along(node), y.detach().clamp(min=0).log()
    sums = [dim for dim in range(x.ndim) if _off(logs, dim) < EVEN]
    if len(sums) != 1 or sums[0] == along or _off(x, along) > EVEN or _off(x, sums[0]) < UNEVEN:
        return []
    return [_normalised(node, x, sums[0], call.name, _off(x, sums[0]))]


def of_product(call: Call) -> list[Finding]:
    """Report a product of logarithms and probabilities that are normalised over different dimensions."""
    if len(call.tensors) < 2:
        return []
    first, second = call.tensors[:2]
    x, y = (first, second) if first.requires_grad else (second, first)
    node = _softmax(x) if x.ndim > 1 and _has_one_for_each(x, y) else None
    if node is None or saved(node, "result").shape != x.shape or not call.role(x) & OUTPUT:
        return []
    dim, along = summed(y), _along(node)
    # For all pairs of samples, softmaxes along both axes are usual, one after the other.
    if float(read(x).max()) > 0 or dim is None or x.shape[dim] == x.shape[along]:
        return []
    if _off(x, dim) < UNEVEN or _off(x, along) > EVEN:
        return []
    return [_normalised(node, x, dim, "the loss", _off(x, dim))]


def _has_one_for_each(x: Tensor, y: Tensor) -> bool:
    """Whether a tensor without a gradient has a number for each logarithm."""
    return x.shape == y.shape and y.is_floating_point() and x.requires_grad and not y.requires_grad


def _picked(call: Call, x: Tensor) -> int | None:
    """Return the dimension along which the targets select numbers; None if they select none."""
    if call.name in ("gather", "take_along_dim"):
        at, where = (1, 2) if call.name == "gather" else (2, 1)
        dim, index = call.get(at, "dim"), call.get(where, "index", call.get(where, "indices"))
        by_targets = isinstance(index, Tensor) and call.role(index) == TARGET and isinstance(dim, int)
        return dim % x.ndim if by_targets else None
    places = call.arguments[1] if len(call.arguments) > 1 else None
    if not isinstance(places, tuple) or any(one is None or one is Ellipsis for one in places):
        return None
    told = [k for k, one in enumerate(places) if isinstance(one, Tensor) and call.role(one) & TARGET]
    whole = all(isinstance(one, Tensor) and not one.is_floating_point() for one in places)
    return told[0] if len(told) == 1 and whole and len(places) > 1 else None


def _softmax(x: Tensor) -> Node | None:
    """Return the softmax whose complete output a tensor is, possibly in another shape; None if there is none."""
    for node in _kept(x.grad_fn):
        if short(node) in _SOFTMAX:
            return node
    return None


def _kept(node: Node | None) -> Iterator[Node]:
    while node is not None:
        yield node
        before = [one for one, _ in node.next_functions if one is not None]
        node = before[0] if short(node) in _KEEPS and len(before) == 1 else None


def _whole(node: Node, x: Tensor) -> bool:
    """Whether a tensor contains a softmax's complete output, without additions."""
    result, along = saved(node, "result"), _along(node)
    if result.shape == x.shape and along == 1:
        return False
    ones = result.numel() / result.shape[along]
    return abs(float(wide(read(x)).exp().sum()) / ones - 1) < EVEN


def _along(node: Node) -> int:
    """Return the dimension of a softmax; autograd saves a negative one as an unsigned number."""
    dim = int(saved(node, "dim"))
    dim = dim - (1 << 64) if dim >= 1 << 63 else dim
    return dim % max(saved(node, "result").ndim, 1)


def _paired(x: Tensor, y: Tensor) -> bool:
    """Whether the output is a matrix of all pairs of samples, for which both ways of normalising are usual."""
    return x.ndim == 2 and x.shape[0] == x.shape[1] and torch.equal(y, torch.arange(len(y), device=y.device))


def _off(x: Tensor, dim: int) -> float:
    """Return the logarithm of a row's sum of e^x that is farthest from 0."""
    rows = wide(some(read(x).movedim(dim, -1), max(1 << 16, 8 * x.shape[dim]), keep=1))
    return float(rows.logsumexp(-1).abs().max())


def _normalised(node: Node, x: Tensor, dim: int, function: str, off: float) -> Finding:
    along, result, classes = _along(node), saved(node, "result"), x.shape[dim]
    name = "log_softmax" if short(node) == "LogSoftmax" else "softmax"
    message = (
        f"{name} is taken along dimension {along} of {shape(result)}, and {function} reads {classes} classes along "
        f"dimension {dim}{'' if result.shape == x.shape else f' of {shape(x)}'}: their probabilities do not sum to "
        f"1, but to {number(_sum(x, dim), 2)} on average"
    )
    evidence = {"softmax along": along, "classes along": dim, "classes": classes, "output": list(x.shape)}
    evidence |= {"log of a row's sum": off, "threshold": UNEVEN}
    place = dim if result.shape == x.shape else result.ndim - 1 if result.shape[-1] == classes else dim
    return Finding(NORMALISED, "error", message, evidence, action=f"Take it over the classes: dim={place}.")


def _sum(x: Tensor, dim: int) -> float:
    values = wide(read(x))
    return float((values.exp() if float(values.max()) <= 0 else values).sum(dim).mean())
