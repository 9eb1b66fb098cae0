"""A first cross-entropy far above that of guessing: the last layer's weights, or its inputs, are too large."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.preflight.losses.call import OUTPUT, Call
from gradwidgets.core.layers.preflight.made import past, short
from gradwidgets.core.layers.preflight.reading import ENOUGH, numbers, some, wide
from gradwidgets.core.losses.graph import variable_of
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number

FIRST = "first_loss"
# The loss relative to that of guessing, and its difference: no sound network at initialization comes near either.
TIMES, MORE = 3.0, 4.0
# Standard deviation of a row's logits below which their size is not the cause.
LARGE = 3.0
# Size of the weights relative to 1/√fan-in above which they are the cause, and not the inputs.
DRAWN = 2.5
_ROWS = 1 << 10  # the most rows that are read
_FEW = 4  # the most operations between a product and a loss
_PRODUCTS = ("Addmm", "Mm", "Bmm", "Addbmm", "Baddbmm", "Linear", "Convolution", "MkldnnConvolution", "Mv")
_SHAPES = ("T", "Transpose", "Permute", "Expand", "View", "ToCopy", "Unsqueeze")


def of_size(call: Call, names: Mapping[int, str]) -> list[Finding]:
    """Report logits of a layer that are far too large.

    Args:
        call: A call of `cross_entropy` or `nll_loss`.
        names: The names of the model's parameters, by id.
    """
    x, y = call.first, call.second
    if x is None or y is None or y.is_floating_point() or x.ndim < 2 or call.role(x) != OUTPUT:
        return []
    if call.get(2, "weight") is not None or not names:
        return []
    node = past(x.grad_fn)
    if call.name == "nll_loss" and node is not None and short(node) == "LogSoftmax":
        node = past(node.next_functions[0][0])
    weight = _weight(node)
    if node is None or weight is None or id(weight) not in names:
        return []
    told = _costs(x, y, call.keywords.get("ignore_index", -100))
    if told is None:
        return []
    loss, spread = told
    guess = math.log(x.shape[1])
    if not (TIMES * guess < loss < math.inf and loss > guess + MORE and spread > LARGE):
        return []
    return [_far(names[id(weight)], weight, loss, guess, spread, x.shape[1], _gain(node, x))]


def follows(found: Finding) -> bool:
    """Whether a first loss is high because of the last layer's inputs, so that it may follow from another finding."""
    return found.name == FIRST and not found.evidence["drawn large"]


def of_pairs(x: Tensor) -> bool:
    """Whether scores are products of two computed tensors, as for all pairs of samples."""
    node = past(x.grad_fn)
    for _ in range(_FEW):
        if node is None or short(node) in _PRODUCTS:
            break
        node = past(node.next_functions[0][0]) if node.next_functions else None
    return node is not None and short(node) in _PRODUCTS and _weight(node) is None


def _weight(node: Node | None) -> Tensor | None:
    """Return the parameter among the factors of a product; None if both are computed."""
    if node is None or short(node) not in _PRODUCTS:
        return None
    for one, _ in node.next_functions:
        while one is not None and one.next_functions and short(one) in _SHAPES:
            one = one.next_functions[0][0]
        parameter = None if one is None else variable_of(one)
        if isinstance(parameter, Tensor) and parameter.ndim > 1:
            return parameter
    return None


def _costs(x: Tensor, y: Tensor, ignored: int) -> tuple[float, float] | None:
    """Return the mean loss of some rows, and the mean standard deviation of their logits; None if unreadable."""
    values, labels = numbers(x), numbers(y)
    if values is None or labels is None or values.shape[1] < 2 or labels.numel() * values.shape[1] != values.numel():
        return None
    # Only the selected rows are copied: in a large output, classes may be far apart in memory.
    step = max(-(-labels.numel() // _ROWS), -(-values.numel() // ENOUGH))
    some = _places(torch.arange(0, labels.numel(), step, device=labels.device), labels.shape)
    rows, labels = values.movedim(1, -1)[some].double(), labels[some]
    kept = (labels != ignored) & (labels >= 0) & (labels < rows.shape[1])
    rows, labels = rows[kept], labels[kept].long()
    if not len(rows):
        return None
    losses = rows.logsumexp(-1) - rows.gather(1, labels[:, None])[:, 0]
    loss, spread = torch.stack([losses.mean(), rows.std(1).mean()]).tolist()
    return loss, spread


def _places(flat: Tensor, shape: torch.Size) -> tuple[Tensor, ...]:
    """Convert flat indices to indices by axis; torch's own `unravel_index` imports SymPy first, which takes seconds."""
    places = []
    for size in reversed(shape):
        places.append(flat % size)
        flat = flat // size
    return tuple(reversed(places))


def _gain(node: Node, x: Tensor) -> float | None:
    """Return the size of the last product's output relative to its input; None if the input was not saved."""
    kept = ("_saved_input", "_saved_mat1", "_saved_self")
    given = next((one for key in kept if (one := getattr(node, key, None)) is not None), None)
    taken, gave = numbers(given) if isinstance(given, Tensor) else None, numbers(x)
    if taken is None or gave is None:
        return None
    before, after = (float(wide(some(one)).square().mean().sqrt()) for one in (taken, gave))
    return after / before if before > 0 else None


def _far(
    name: str, weight: Tensor, loss: float, guess: float, spread: float, classes: int, gain: float | None
) -> Finding:
    size = float(torch.linalg.vector_norm(weight.detach(), dtype=torch.float64)) / math.sqrt(weight.numel())
    # The weights have a row for each class, also if they are shared with a table of tokens.
    usual = 1 / math.sqrt(max(1, weight.numel() // classes))
    # An interpolating kernel has few large weights, and enlarges nothing: so its output is measured, too.
    is_large = size > DRAWN * usual
    drawn = is_large and (gain is None or gain > DRAWN)
    passes_on = f", and it makes what it is given {number(gain or 0, 2)} times as large" * (is_large and not drawn)
    message = (
        f"the loss is {number(loss, 3)}, and guessing among {classes} classes costs {number(guess, 3)}: the logits of "
        f"a row have a standard deviation of {number(spread, 2)}, where about 1 is usual at first; they come of "
        f"{name}, whose weights have a root mean square of {number(size, 2)} ({number(usual, 2)} is usual){passes_on}"
    )
    evidence = {"loss": loss, "guess": guess, "threshold": TIMES * guess, "spread": spread, "parameter": name}
    action = (
        f"Draw {name} about {number(size / usual, 2)} times smaller, or scale what comes out by that."
        if drawn
        else f"It is what comes into that layer that is large: normalise it, or make it about {number(spread, 2)} "
        "times smaller."
    )
    action += " If it has been trained already, check whether the labels are those of that training."
    evidence |= {"weights": size, "usual": usual, "drawn large": drawn}
    return Finding(FIRST, "warning", message, evidence, action=action)
