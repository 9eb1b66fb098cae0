"""A cross-entropy far above what guessing costs: a last layer that is drawn too large, or given too much."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from gradwidgets.core.layers.preflight.losses.call import OUTPUT, Call
from gradwidgets.core.layers.preflight.made import past, short
from gradwidgets.core.layers.preflight.reading import ENOUGH, numbers, some, wide
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number

FIRST = "first_loss"
# Times what guessing costs, and by how much at least: of sound networks that begin none comes near either.
TIMES, MORE = 3.0, 4.0
# Standard deviation of the logits of a row, below which it is not their size that costs so much.
LARGE = 3.0
# Times 1/√fan-in, above which it is the weights that are large, and not what comes in.
DRAWN = 2.5
_ROWS = 1 << 10  # that are read
_FEW = 4  # operations between a product and a loss
_PRODUCTS = ("Addmm", "Mm", "Bmm", "Addbmm", "Baddbmm", "Linear", "Convolution", "MkldnnConvolution", "Mv")
_SHAPES = ("T", "Transpose", "Permute", "Expand", "View", "ToCopy", "Unsqueeze")


def of_size(call: Call, names: Mapping[int, str]) -> list[Finding]:
    """What to say of logits that come of a layer's product with its weights, and are far too sure.

    Args:
        call: Of `cross_entropy` or `nll_loss`.
        names: The model's parameters' names, by id.
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
    told = None if weight is None or id(weight) not in names else _costs(x, y, call.keywords.get("ignore_index", -100))
    if told is None:
        return []
    loss, spread = told
    guess = math.log(x.shape[1])
    if not (TIMES * guess < loss < math.inf and loss > guess + MORE and spread > LARGE):
        return []
    return [_far(names[id(weight)], weight, loss, guess, spread, x.shape[1], _gain(node, x))]


def follows(found: Finding) -> bool:
    """Whether a first loss is high by what comes into the last layer, and so may follow from something else."""
    return found.name == FIRST and not found.evidence["drawn large"]


def of_pairs(x: Tensor) -> bool:
    """Whether scores are products of two things that are both computed, as those of all pairs of samples are."""
    node = past(x.grad_fn)
    for _ in range(_FEW):
        if node is None or short(node) in _PRODUCTS:
            break
        node = past(node.next_functions[0][0]) if node.next_functions else None
    return node is not None and short(node) in _PRODUCTS and _weight(node) is None


def _weight(node: object | None) -> Tensor | None:
    """The parameter that a product takes; None where both of its factors are computed."""
    if node is None or short(node) not in _PRODUCTS:
        return None
    for one, _ in node.next_functions:
        while one is not None and one.next_functions and short(one) in _SHAPES:
            one = one.next_functions[0][0]
        if one is not None and hasattr(one, "variable") and one.variable.ndim > 1:
            return one.variable
    return None


def _costs(x: Tensor, y: Tensor, ignored: int) -> tuple[float, float] | None:
    """The mean of some rows' losses, and how far the logits of a row spread."""
    values, labels = numbers(x), numbers(y)
    if values is None or labels is None or values.shape[1] < 2 or labels.numel() * values.shape[1] != values.numel():
        return None
    # Only what is read is brought together: classes may lie far apart in a large output.
    step = max(-(-labels.numel() // _ROWS), -(-values.numel() // ENOUGH))
    some = _places(torch.arange(0, labels.numel(), step, device=labels.device), labels.shape)
    rows, labels = values.movedim(1, -1)[some].double(), labels[some]
    kept = (labels != ignored) & (labels >= 0) & (labels < rows.shape[1])
    rows, labels = rows[kept], labels[kept].long()
    if not len(rows):
        return None
    losses = rows.logsumexp(-1) - rows.gather(1, labels[:, None])[:, 0]
    return tuple(torch.stack([losses.mean(), rows.std(1).mean()]).tolist())


def _places(flat: Tensor, shape: torch.Size) -> tuple[Tensor, ...]:
    """Where flat indices lie; torch's own `unravel_index` imports SymPy first, which takes seconds."""
    places = []
    for size in reversed(shape):
        places.append(flat % size)
        flat = flat // size
    return tuple(reversed(places))


def _gain(node: object, x: Tensor) -> float | None:
    """How many times larger than what it is given is what the last product gives; None where that is not kept."""
    kept = ("_saved_input", "_saved_mat1", "_saved_self")
    given = next((one for key in kept if (one := getattr(node, key, None)) is not None), None)
    sizes = [numbers(one) for one in (given, x) if isinstance(one, Tensor)]
    if len(sizes) < 2 or any(one is None for one in sizes):
        return None
    before, after = (float(wide(some(one)).square().mean().sqrt()) for one in sizes)
    return after / before if before > 0 else None


def _far(
    name: str, weight: Tensor, loss: float, guess: float, spread: float, classes: int, gain: float | None
) -> Finding:
    size = float(torch.linalg.vector_norm(weight.detach(), dtype=torch.float64)) / math.sqrt(weight.numel())
    # A layer's weights give a row for each class; those of a table of tokens that is used for both, too.
    usual = 1 / math.sqrt(max(1, weight.numel() // classes))
    # A kernel that interpolates has few weights above 0, and makes nothing larger: what it gives is measured.
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
    action += " If it has been trained already, look whether the labels are those of that training."
    evidence |= {"weights": size, "usual": usual, "drawn large": drawn}
    return Finding(FIRST, "warning", message, evidence, action=action)
