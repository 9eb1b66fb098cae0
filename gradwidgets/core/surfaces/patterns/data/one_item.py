"""Items whose data are 0 and that a loss treats unlike the others: without a gradient, or with most of the weight."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_data import data_tensors
from gradwidgets.core.operations.watching import Args, Kwargs, Op
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.surfaces.patterns.look import Look

_POINTS = (0.2, 0.5, 0.8)  # of the lattice: points at all of which a finding must hold
_REDUCING = frozenset(("mean", "sum"))
_FEWEST = 4  # items
_OUTWEIGHS = 1e4  # times the median item
_OF_THEM = 0.25  # of the items: more cannot outweigh the others
_LABELS = (
    "Labels of 0 multiply the output away: give it 2 · {0} − 1 in place of {0}, labels of −1 and 1, as a hinge takes "
    "them."
)
_WEIGHS = (
    "What is divided by {0} there has only an eps to divide by: leave such items out, divide by the mean of |{0}| over "
    "all, or take an eps of the size of {0}."
)


@dataclass(frozen=True, eq=False)
class _Items:
    """The items whose mean or sum a loss takes, and which of them have a gradient; both (N,)."""

    values: Tensor
    led: Tensor


class _Last(FunctionMode):
    """Keeps the input of the last mean or sum of a loss."""

    def __init__(self) -> None:
        super().__init__()
        self.items: _Items | None = None
        self._of: Tensor | None = None

    def __torch_function__(self, func: Op, types: object, args: Args = (), kwargs: Kwargs | None = None) -> object:
        result = func(*args, **(kwargs or {}))
        of = args[0] if args and getattr(func, "__name__", "") in _REDUCING else None
        if isinstance(of, Tensor) and of.ndim == 1 and of.requires_grad and len(of) >= _FEWEST:
            self._of = of
        return result

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Compute each item's gradient in one pass, by the derivative with respect to a vector of weights."""
        if self._of is None or not value.requires_grad:
            return
        weights = torch.ones_like(self._of, requires_grad=True)
        slopes = torch.autograd.grad(self._of, leaves, weights, create_graph=True, allow_unused=True)
        led = torch.zeros_like(self._of)
        for slope in (one for one in slopes if one is not None and one.requires_grad):
            (own,) = torch.autograd.grad(slope.sum(), weights, retain_graph=True, allow_unused=True)
            led = led if own is None else led + own.abs()
        self.items = _Items(self._of.detach(), led.detach() > 0)


def one_item(look: Look) -> Finding | None:
    """Items with a 0 in their data that a loss treats unlike the others at all points that are tried."""
    data = [(name, one.detach()) for name, one in data_tensors(look.own) if one.ndim == 1 and len(one) >= _FEWEST]
    data = [(name, one) for name, one in data if bool((one == 0).any()) and not bool((one == 0).all())]
    if not data or look.own.method == "vectorized":
        return None
    seen: list[_Items] = []
    for share in _POINTS:
        items = _items(look, share)
        if items is None:
            return None
        seen.append(items)
        data = [(name, one) for name, one in data if _finding(name, one, seen) is not None]
        if not data:
            return None
    return _finding(*data[0], seen)


def _items(look: Look, share: float) -> _Items | None:
    """The items of the loss at a point after a share of the lattice; None if there are none."""
    watch = _Last()
    return watch.items if look.ran_in(watch, share) else None


def _finding(name: str, data: Tensor, seen: list[_Items]) -> Finding | None:
    if any(len(items.values) != len(data) for items in seen):
        return None
    return _of_labels(name, data, seen) or _outweighing(name, data, seen)


def _of_labels(name: str, data: Tensor, seen: list[_Items]) -> Finding | None:
    """The finding on labels of 0 and 1 if the items labelled 0 add a constant without a gradient."""
    zero = data == 0
    if not bool((zero | (data == 1)).all()):
        return None
    held = torch.cat([items.values[zero] for items in seen])
    idle = not any(bool(items.led[zero].any()) for items in seen)
    if not idle or float(held[0]) == 0 or bool((held != held[0]).any()) or not any(bool(i.led.any()) for i in seen):
        return None
    count = int(zero.sum())
    message = (
        f"the {count} items whose {name} is 0, of {len(data)}, add {number(float(held[0]))} each whatever the "
        "parameters are, and no gradient"
    )
    return Finding("wrong_input", "warning", message, {"operation": "labels"}, action=_LABELS.format(name))


def _outweighing(name: str, data: Tensor, seen: list[_Items]) -> Finding | None:
    """The finding on a few items whose data are 0 and whose values are thousands of times the others'."""
    zero = data == 0
    if float(zero.double().mean()) > _OF_THEM:
        return None
    times = [float((i.values[zero].abs().min() / i.values[~zero].abs().median()).nan_to_num(0)) for i in seen]
    if min(times) < _OUTWEIGHS:
        return None
    place = zero.nonzero().flatten().tolist()[0]
    message = (
        f"item {place}, where {name}[{place}] is 0, is {number(min(times), 2)} times the median of the others and more"
    )
    action = _WEIGHS.format(name)
    return Finding(
        "wrong_input", "warning", f"{message}: the loss is about it alone", {"times": min(times)}, None, action
    )
