"""A loss that falls without end, and ever faster, while a part of the output goes on in one direction."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor
from torch.autograd.graph import Node
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.passes.passes import copied
from gradwidgets.core.layers.preflight.losses.value.constant import owns_its_loss
from gradwidgets.core.layers.preflight.losses.value.wrong_signs import ENDLESS
from gradwidgets.core.layers.preflight.made import behind, past, short
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number
from gradwidgets.core.subject.home import abroad

Part = tuple[str, Tensor, Tensor]  # in words, all of an output's numbers, and those of the part
Ask = Callable[[object], Tensor]
Way = Callable[[Tensor, int], Tensor]
# A loss without these falls no faster than a power of the output.
_STEEP = frozenset(("Exp", "Reciprocal", "Rsqrt"))
_LENGTHS = ("LinalgVectorNorm", "Norm")  # divided by its own length, the output is the same at any scale
_MOST = 100_000  # numbers of an output, which the loss is asked about several times
_COLUMNS = 8  # of an output that are moved one by one
_SAMPLES = 6  # that are moved alone
_FASTER = 5.0  # how many times as far the loss falls as in the step before: by a power or as an exponential
_STILL = 1e-6  # share of a loss up to which it is no other
_ACTION = (
    "Look at what is divided there: the negative logarithm of a density with the scale s is log s + |d| / s, or "
    "log s + d² / (2 s²), whose first term is divided by nothing, so that too small an s is paid for by the second. A "
    "bound on the output hides it, and is where the output then goes."
)


def _smaller(old: Tensor, step: int) -> Tensor:
    return old * 0.01**step


def _down(old: Tensor, step: int) -> Tensor:
    return old - 4.0 * step


def _up(old: Tensor, step: int) -> Tensor:
    return old + 4.0 * step


_WAYS = {
    "goes to 0: {} where it is 1/100, 1/10⁴ and 1/10⁶ of what it is": _smaller,
    "falls: {} where 4, 8 and 12 are taken from it": _down,
    "rises: {} where 4, 8 and 12 are added to it": _up,
}


def endless(loss: Tensor, named: Sequence[tuple[str, Tensor]], targets: object, loss_fn: Ask | None) -> list[Finding]:
    """A loss that falls ever faster as a part of the output goes to 0 or to infinity, for each sample by itself.

    What falls evenly, as a critic's loss does, is meant to. So may be what falls for some signs of its targets alone,
    as of rewards.

    Args:
        loss: What it gave.
        named: The tensors of the model's output, which hold other numbers for as long as it takes, by name.
        targets: What the loss was given.
        loss_fn: Computes the loss anew from the same output.
    """
    output = [one for _, one in named]
    if loss_fn is None or not loss.requires_grad or owns_its_loss(loss, output):
        return []
    value = float(loss.detach())
    makers = [one.grad_fn for one in output if one.grad_fn is not None]
    if not math.isfinite(value) or not any(map(_is_steep, behind([loss.grad_fn], makers))):
        return []
    asked = _Asked(value, targets, loss_fn)
    found = ((part, how, way) for part in _parts(named) for how, way in _WAYS.items() if asked.falls(part, way))
    return [_told(part[0], how, asked.losses(part[1], part[2], way), value) for part, how, way in islice(found, 1)]


class _Asked:
    """What a loss is asked.

    Args:
        value: It.
        targets: What it is given.
        loss_fn: Computes it anew.
    """

    def __init__(self, value: float, targets: object, loss_fn: Ask) -> None:
        self._value, self._targets, self._loss_fn = value, targets, loss_fn
        signed = [one for one in pytree.tree_leaves(targets) if _is_signed(one)]
        turned = {id(one): -one for one in signed}
        self._turned = pytree.tree_map(lambda one: turned.get(id(one), one), targets) if signed else None

    def falls(self, part: Part, way: Way) -> bool:
        """Whether the loss falls ever faster: of all samples, of each alone, and whatever the targets' signs."""
        _, whole, some = part
        if not self._at(whole, some, way, 3) < self._value or not self._is_steep(whole, some, way):
            return False
        if self._turned is not None and not self._is_steep(whole, some, way, self._turned):
            return False
        rows = [some[i] for i in range(0, len(some), -(-len(some) // _SAMPLES))]
        felt = [row for row in rows if abs(self._at(whole, row, way, 3) - self._value) > _STILL * abs(self._value)]
        return len(felt) > 1 and all(self._is_steep(whole, row, way) for row in felt)

    def losses(self, whole: Tensor, some: Tensor, way: Way, targets: object = None) -> list[float]:
        """The loss after one, two and three steps on that way."""
        return [self._at(whole, some, way, step, targets) for step in (1, 2, 3)]

    def _is_steep(self, whole: Tensor, some: Tensor, way: Way, targets: object = None) -> bool:
        start = self._value if targets is None else self._at(whole, some, way, 0, targets)
        first, second, third = self.losses(whole, some, way, targets)
        top = max(start, first)
        return top > second > third and second - third > _FASTER * (top - second) and third < start

    def _at(self, whole: Tensor, some: Tensor, way: Way, step: int, targets: object = None) -> float:
        """The loss where a part of the output stands elsewhere; NaN where it is refused."""
        old, kept = whole.detach().clone(), some.detach().clone()
        try:
            some.copy_(way(kept, step))
            with contextlib.suppress(Exception), abroad(), torch.random.fork_rng(devices=[]):
                return float(self._loss_fn(copied(self._targets if targets is None else targets)))
        finally:
            whole.data.copy_(old)
        return math.nan


def _parts(named: Sequence[tuple[str, Tensor]]) -> Iterator[Part]:
    """Each output, and of a single one its columns if they are few, or else its halves."""
    moved = [
        (name, one)
        for name, one in named
        if one.requires_grad and one.dtype in (torch.float32, torch.float64) and one.ndim and 1 < one.numel() <= _MOST
    ]
    for name, one in moved:
        numbers = one.data
        columns = numbers.shape[-1] if len(moved) == 1 and numbers.ndim > 1 else 1
        if 1 < columns <= _COLUMNS:
            yield from ((f"{name}[..., {k}]", numbers, numbers[..., k]) for k in range(columns))
        elif columns > 1 and columns % 2 == 0:
            half = columns // 2
            yield f"{name}[..., {half}:]", numbers, numbers[..., half:]
            yield f"{name}[..., :{half}]", numbers, numbers[..., :half]
        else:
            yield name, numbers, numbers


def _is_steep(node: Node) -> bool:
    """Whether it is an exponential, or divides by what the output is computed to be."""
    if short(node) != "Div":
        return short(node) in _STEEP
    divisor = past(node.next_functions[1][0]) if len(node.next_functions) > 1 else None
    return divisor is not None and not hasattr(divisor, "variable") and short(divisor) not in _LENGTHS


def _is_signed(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and bool((value < 0).any())


def _told(part: str, how: str, losses: list[float], value: float) -> Finding:
    first, second, third = (number(one, 3) for one in losses)
    message = (
        f"the loss falls without end, and ever faster, as {part} "
        f"{how.format(f'from {number(value, 3)} to {first}, {second} and {third}')}"
    )
    return Finding(ENDLESS, "warning", message, {"part": part, "losses": [value, *losses], "threshold": _FASTER},
                   action=_ACTION)  # fmt: skip
