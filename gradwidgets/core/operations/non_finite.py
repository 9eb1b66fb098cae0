"""What made a loss or a gradient not finite: an operation, or the data."""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_data import MASK, first_index, flaw_of
from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.operations.items import Item, item_of, number_to_blame
from gradwidgets.core.operations.non_finite_watch import Event, NonFiniteWatch
from gradwidgets.core.operations.remedies import (
    ACTIONS,
    ITEMS,
    LIMIT,
    MASK_HIDES,
    MASK_ROWS,
    MASK_TIMES,
    MASKED,
    MASKED_WHOLE,
    NOTHING,
    SMOOTH,
    cure,
    hidden_by_where,
)

_DIVIDING = ("div", "reciprocal")
_REPLACED = {
    True: "; nan_to_num behind it hides the value, not the gradient",
    False: "; nan_to_num behind it hides NaN alone: of infinity it makes a number of 1.8e308",
}
_FACTORS = ("mul", "mv", "mm", "dot", "addmm", "bmm")


@dataclass(frozen=True)
class Culprit:
    """What made a value that is not finite.

    Attributes:
        operation: torch's name for it; "data" where no operation made it.
        which: "loss" or "gradient".
        sentence: What happened, in words.
        action: What to do.
        of: What was noted about that operation; None if there is nothing to add.
        steep: For torch.where, the operations in the branch that it does not take; else none.
    """

    operation: str
    which: str
    sentence: str
    action: str
    of: Event | None = field(default=None, compare=False)
    steep: tuple[str, ...] = ()


def blame(function: LossFunction, point: Tensor, dtype: torch.dtype = torch.float64) -> Culprit | None:
    """Run the loss at one point again, and find what makes it or its gradient not finite.

    Args:
        function: The loss.
        point: (P,), where the loss or its gradient is not finite.
        dtype: The precision in which it is run.

    Returns:
        The data that are not finite, or the first operation whose result is not finite though its inputs are, or
        whose backward makes NaN; None if none can be seen.
    """
    watch = NonFiniteWatch()
    try:
        function.run_at(point, dtype, watch)
    except Exception:
        if not (watch.data or watch.inf or watch.nan):
            # A loss that holds tensors may accept nothing but float32.
            return blame(function, point, torch.float32) if dtype == torch.float64 else None
    flaw, event = flaw_of(function) if watch.data else None, watch.event()
    if flaw is not None and (event is None or event.of_data or flaw[1] == "NaN"):
        return _of_data(*flaw, event, "gradient" if watch.loss_is_finite else "loss")
    if event is None:
        return _of_number(watch) if watch.written else None
    return _with_item(_culprit(watch, event), event, function, point)


def _of_number(watch: NonFiniteWatch) -> Culprit:
    """Blame a NaN that is written in the loss's code as a number, or is a number that the loss holds."""
    sentence = f"a number in it is NaN before any operation: the one that {watch.written} takes"
    return Culprit(
        "data", "gradient" if watch.loss_is_finite else "loss", sentence, "See where that number comes from."
    )


def hidden_at(function: LossFunction, point: Tensor) -> str:
    """The operation whose result nan_to_num hides at a point, (P,), in words; "" if there is none."""
    watch = NonFiniteWatch()
    try:
        function.run_at(point, torch.float64, watch)
    except Exception:
        return ""
    made = [one for one in (watch.nan, watch.inf) if one is not None and not one.back]
    return f"what {made[0].who} makes {_made_of(made[0])}" if made and watch.replaced else ""


def _with_item(culprit: Culprit, event: Event, function: LossFunction, point: Tensor) -> Culprit:
    """Add to a culprit the item of the data that causes it, if there is one."""
    if culprit.of is not None and not culprit.of.back:
        event = culprit.of
    if event.why in ("constant", "number", "detached") and (said := number_to_blame(function, point)):
        name = said.partition(" ")[0]
        return replace(culprit, sentence=f"{culprit.sentence}; {said}", action=LIMIT.format(name))
    if event.bad is None or event.operand is None or event.why in ("below", "beyond", "indefinite", "single"):
        return culprit
    item = item_of(function, event.operand, event.bad, event.sources, event.free)
    if item is None or (event.back and (item.whole or not item.zero)):
        return culprit if event.why != "partly" else replace(culprit, sentence=f"{culprit.sentence}, {_at(event.bad)}")
    return replace(culprit, sentence=f"{culprit.sentence}; {item.words}", action=_cure_of(item, event, culprit))


def _at(bad: Tensor) -> str:
    shape = str(tuple(bad.shape)).replace(",)", ")")
    return f"{first_index(bad)} of shape {shape}"


def _cure_of(item: Item, event: Event, culprit: Culprit) -> str:
    if event.why == "energy":
        return cure(event.who, event.why)
    if event.operation not in _DIVIDING:
        data = "It is the data: clamp it before, or leave such items out."
        return cure(event.who, "data") if item.zero else f"{culprit.action} {data}"
    if not item.zero and not item.whole:
        return f"It is the data: clamp {item.words.partition('[')[0]} before, away from that, or leave such items out."
    if not item.mask:
        return ITEMS
    empty = "[" not in item.words  # all of the mask
    return SMOOTH if not event.free else NOTHING if empty else MASK_ROWS


def _of_data(where: str, kind: str, event: Event | None, which: str) -> Culprit:
    """Blame the data; for a mask of minus infinity, say how it reaches the loss."""
    if not kind.startswith(MASK):
        return Culprit("data", which, f"{where} is {kind}", ACTIONS["data"])
    then = "it comes through to the loss" if event is None else f"{event.operation} makes NaN of it"
    times = event is not None and event.operation in _FACTORS
    action = MASKED_WHOLE if kind != MASK else MASK_TIMES if times else MASK_HIDES
    return Culprit("data", which, f"{where} is {kind}, and {then}", action)


def _culprit(watch: NonFiniteWatch, event: Event) -> Culprit:
    """Say in words which operation is to blame."""
    first, chain = _chain(watch.inf, event)
    chain += _REPLACED[watch.loss_is_finite] * watch.replaced
    if first.lost_by and first.operation != first.lost_by:
        rounded = "is rounded to 0" if "−" in first.lost_by else "is next to 0" if first.back else "underflows"
        chain = f"{first.lost_by} {rounded}: {chain}"
    if not watch.loss_is_finite:
        masked = event.of_infinity and event.operation in _FACTORS and first is not event
        return Culprit(first.who, "loss", chain, cure(first.who, first.why, first.lost_by) + MASKED * masked, first)
    if event.of_where or (watch.hid and not event.taken):
        steep = list(dict.fromkeys([*watch.steep, (watch.inf or first).who]))
        has = "have" if len(steep) > 1 else "has"
        said = f"torch.where takes the finite branch, but {' and '.join(steep)} in the other one {has} no finite "
        said += "gradient, and 0 × that is NaN"
        return Culprit("where", "gradient", said, hidden_by_where(steep), steep=tuple(steep))
    chain += "; torch.where takes that branch there" * (first is event and event.taken)
    own = "own" if first.own else "" if first.back else first.why
    return Culprit(first.who, "gradient", chain, cure(first.who, own, first.lost_by), first)


def _chain(inf: Event | None, event: Event) -> tuple[Event, str]:
    """The event to blame, and its consequences in words."""
    if event.own:
        return event, f"{event.operation} in {event.name} makes it"
    if not event.of_infinity:
        return event, f"{event.name} makes it" + ("" if event.back else f" {_made_of(event)}")
    product = "then 0 × infinity, which is NaN" if event.operation in _FACTORS else "then NaN of it"
    if event.is_sum and inf is not None:
        return inf, f"{inf.name} makes infinity, and where gradients meet behind it, ∞ − ∞ is NaN"
    if inf is None or inf.who == event.who:
        return event, f"{event.name} makes it" + (f": {product}" if event.operation in _FACTORS else "")
    return inf, f"{inf.name} makes infinity, and {event.name} {product}"


def _made_of(event: Event) -> str:
    """What an operation made its result from, in words."""
    of = "of that" if event.lost_by and event.lost_by != event.operation else "from finite numbers"
    return _MADE_OF.get(event.why, of)


_MADE_OF = {
    "below": "of a number below zero",
    "beyond": "of a number beyond ±1",
    "constant": "of a divisor that is 0 whatever the parameters are",
    "energy": "of a divisor that is 0 whatever the parameters are",
    "count": "of a count that is 0 there",
    "detached": "of a divisor that is 0 there, and detached",
    "empty": "of nothing: its input is empty",
    "partly": "of a divisor that is 0 in part",
    "number": "of a divisor that is the number 0",
    "single": "of a single value",
    "indefinite": "of a matrix whose determinant is below zero",
}
