"""What made a value or a gradient that is not finite: an operation, or the data."""

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from gradwidgets.core.loss_function import LossFunction
from gradwidgets.core.watching import Watching, floats_in

ACTIONS = {
    "log": "Clamp its input away from zero, or use log1p, logsigmoid or log_softmax.",
    "acosh": "Clamp its input a little above 1: there its slope is infinite, and below it acosh is not defined.",
    "atanh": "Clamp its input a little inside (−1, 1): there it is infinite.",
    "acos": "Clamp its input a little inside (−1, 1), or take atan2: at ±1 its slope is infinite.",
    "asin": "Clamp its input a little inside (−1, 1), or take atan2: at ±1 its slope is infinite.",
    "sqrt": "Add a small eps under the root.",
    "norm": "Add a small eps under the root: a norm has no gradient at zero.",
    "div": "Add a small eps to the divisor.",
    "reciprocal": "Add a small eps to the divisor.",
    "pow": "Keep the base away from zero, or from below it.",
    "exp": "Clamp the exponent, or work with logarithms (logsumexp, softplus).",
    "where": (
        "Put a safe value into the branch that is not taken before it is computed: torch.where hides its value, not "
        "its gradient."
    ),
    "data": "It is the data, not the formula: mask it before it is used (before the square, not after), or clean it.",
}
_GENERAL = "Clamp the input of that operation, or add a small eps."
_MASKED = (
    " A factor of 0 behind it, a mask say, does not hide infinity: choose before it, by an index or with torch.where "
    "on its input."
)
# What only hands infinity on, or puts it there on purpose.
_HANDED_ON = frozenset((
    "full_like", "full", "clone", "to_copy", "detach", "alias", "view", "expand", "empty", "lift_fresh",
    "scalar_tensor", "constant_pad_nd", "masked_fill", "copy", "fill", "zeros_like", "ones_like", "select",
    "unsqueeze", "squeeze", "stack", "cat", "index", "slice",
))  # fmt: skip
_CONSTANTS = frozenset(("scalar_tensor", "full", "full_like"))
_FACTORS = ("mul", "mv", "mm", "dot", "addmm", "bmm")


@dataclass(frozen=True)
class Culprit:
    """What made a value that is not finite.

    Attributes:
        operation: torch's name for it; "data" where no operation made it.
        which: "loss" or "gradient".
        sentence: What happened, in words.
        action: What to do.
    """

    operation: str
    which: str
    sentence: str
    action: str


def blame(function: LossFunction, point: Tensor, dtype: torch.dtype = torch.float64) -> Culprit | None:
    """Run the loss at one point again and watch every operation.

    Args:
        function: The loss.
        point: (P,), where loss or gradient is not finite.
        dtype: In which to run it.

    Returns:
        The data that are not finite, or the first operation whose result is not finite though its inputs are, or
        whose backward makes NaN; None if there is none to be seen.
    """
    watch = _Watch()
    try:
        function.run_at(point, dtype, watch)
    except Exception:
        if not (watch.data or watch.inf or watch.nan):
            return None
    if watch.data:
        named = next(_not_finite(function), None)
        if named is not None:
            kind, where = named
            which = "loss" if not watch.loss_is_finite else "gradient"
            return Culprit("data", which, f"{where} is {kind}", ACTIONS["data"])
    return watch.culprit()


@dataclass(frozen=True)
class _Event:
    """An operation that made something not finite.

    Attributes:
        who: The operation, or the one whose backward it belongs to.
        operation: The operation itself.
        back: Whether that was on the way back.
        of_infinity: Whether NaN came of infinity.
    """

    who: str
    operation: str
    back: bool
    of_infinity: bool


def largest_growth(function: LossFunction, point: Tensor, spans: Tensor) -> str:
    """The operation whose slope grows most towards a point; "" where there is none to be seen.

    Args:
        function: The loss.
        point: (P,), towards which its slope grows without end.
        spans: The widths of the view, (P,).
    """
    ways = torch.cat([torch.eye(len(point), dtype=torch.float64), -torch.eye(len(point), dtype=torch.float64)]) * spans
    try:
        places = torch.stack([point + _NEAR * ways, point + _FAR * ways])
        slopes = function.values(places.flatten(0, 1)).gradient.double().norm(dim=-1).nan_to_num(0, 0, 0)
        near, away = slopes.reshape(2, -1)
        way, logs = ways[int((near / away.clamp_min(1e-300)).argmax())], []  # not along a line that is singular itself
        for far in (_NEAR, _FAR):
            logs.append(_Growth())
            function.run_at(point + far * way, torch.float64, logs[-1])
    except Exception:
        return ""
    names = [name for name, *_ in logs[0].sizes]
    if names != [name for name, *_ in logs[1].sizes] or not names:
        return ""
    growths = [
        _times(made, made_away) / max(1.0, _times(given, given_away))
        for (_, given, made), (_, given_away, made_away) in zip(logs[0].sizes, logs[1].sizes, strict=True)
    ]
    # What grows on the way forward makes the way back grow, in whatever multiplies by it.
    forward = [growth * (not back) for growth, back in zip(growths, logs[0].back_from, strict=True)]
    grown = forward if max(forward) > _GROWN else growths
    return names[next(k for k, growth in enumerate(grown) if growth >= _ALIKE * max(grown))]


def _times(near: float, away: float) -> float:
    return near / max(away, 1e-300)


_NEAR, _FAR = 1e-6, 1e-3  # of the view: how far away from a point it is looked at operations
_ALIKE = 0.5  # of the largest growth: a square of what grows grows as much again, and is not the cause
_GROWN = 10.0  # times from there to here: a logarithm grows less


class _Growth(Watching):
    """Notes of every operation how large what it is given is, and what it makes."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[tuple[str, float, float]] = []
        self.back_from: list[bool] = []

    def run(self, name: str, func, args: tuple, kwargs: dict) -> object:
        result = func(*args, **kwargs)
        given, made = (
            [float(t.detach().abs().max()) for t in floats_in(part) if t.numel()] for part in ((args, kwargs), result)
        )
        if given and made and name not in _HANDED_ON:
            self.sizes.append((self.node or name, max(given), max(made)))
            self.back_from.append(bool(self.node))
        return result


class _Watch(Watching):
    """Notes the first infinity made of finite numbers, the first NaN made of none, and data that are not finite.

    Attributes:
        inf: Where the first infinity came from.
        nan: Where the first NaN came from.
        data: Whether something not finite came in that no operation had made.
        loss_is_finite: Whether the loss is.
    """

    def __init__(self) -> None:
        super().__init__()
        self.inf: _Event | None = None
        self.nan: _Event | None = None
        self.data, self.loss_is_finite = False, True
        self._made: set[int] = set()

    def run(self, name: str, func, args: tuple, kwargs: dict) -> object:
        given = floats_in((args, kwargs))
        nan_in, inf_in = any(map(_has_nan, given)), any(map(_has_inf, given))
        # NaN that stands in the formula as a number: no operation has made it.
        nan_in |= name in _CONSTANTS or any(
            isinstance(one, float) and one != one for one in tree_leaves((args, kwargs))
        )
        if not self.node and (nan_in or inf_in):
            self.data |= any((_has_nan(t) or _has_inf(t)) and t.data_ptr() not in self._made for t in given)
        result = func(*args, **kwargs)
        out = floats_in(result)
        self._made |= {tensor.data_ptr() for tensor in out}
        who, back = self.node or name, bool(self.node)
        if self.nan is None and not nan_in and any(map(_has_nan, out)):
            self.nan = _Event(who, name, back, inf_in)
        handed_on = name in _HANDED_ON or nan_in or inf_in
        if self.inf is None and not handed_on and any(map(_has_inf, out)):
            self.inf = _Event(who, name, back, False)
        return result

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        self.loss_is_finite = bool(value.detach().isfinite())
        self.loss_is_nan = bool(value.detach().isnan())
        super().back(value, leaves)

    def culprit(self) -> Culprit | None:
        """Who is to blame, in words."""
        if not self.loss_is_finite:
            made = [one for one in (self.nan, self.inf) if one is not None and not one.back]
            if not made:
                return None
            event = made[0] if self.loss_is_nan or self.inf is None else self.inf
            first, chain = self._chain(event)
            masked = event.of_infinity and event.operation in _FACTORS and first is not event
            return Culprit(first.who, "loss", chain, action_for(first.who) + _MASKED * masked)
        made = [one for one in (self.nan, self.inf) if one is not None and one.back]
        # What the way forward hid behind a choice meets the way back.
        made = made or [one for one in (self.nan, self.inf) if one is not None]
        if not made:
            return None
        first, chain = self._chain(made[0])
        if self.chose and (self.nan is not None or not made[0].back):
            name = (self.inf or first).who
            return Culprit(
                "where",
                "gradient",
                f"torch.where takes the finite branch, but {name} in the other one has no finite gradient, and 0 × "
                "that is NaN",
                ACTIONS["where"],
            )
        return Culprit(first.who, "gradient", chain, action_for(first.who))

    def _chain(self, event: _Event) -> tuple[_Event, str]:
        """The event to blame, with what came of it."""
        said = f"the backward of {event.who} makes it" if event.back else f"{event.who} makes it"
        if not event.of_infinity:
            return event, said if event.back else f"{said} from finite numbers"
        product = "then 0 × infinity, which is NaN" if event.operation in _FACTORS else "then NaN of it"
        if self.inf is None or self.inf.who == event.who:
            return event, f"{said}: {product}" if event.operation in _FACTORS else said
        source = f"the backward of {self.inf.who}" if self.inf.back else self.inf.who
        target = f"the backward of {event.who}" if event.back else event.who
        return self.inf, f"{source} makes infinity, and {target} {product}"


def _has_nan(tensor: Tensor) -> bool:
    return bool(tensor.isnan().any())


def _has_inf(tensor: Tensor) -> bool:
    return bool(tensor.isinf().any())


def _not_finite(function: LossFunction) -> Iterator[tuple[str, str]]:
    """Data that are not finite: the kind, and the name with the first index."""
    for name, value in {**function.fixed, **_held(function.call.loss)}.items():
        if isinstance(value, float) and not math.isfinite(value):
            yield ("NaN" if math.isnan(value) else "infinite"), name
        for where, tensor in _tensors_of(name, value):
            tensor = tensor.detach()
            if not tensor.is_floating_point() or bool(tensor.isfinite().all()):
                continue
            index = first_index(~tensor.isfinite())
            kind = "NaN" if bool(tensor[tuple(index)].isnan()) else "infinite"
            yield kind, f"{where}{index}" if index else where


def first_index(mask: Tensor) -> list[int]:
    """Where a mask is first true; [] in a tensor of one number without axes."""
    return mask.nonzero()[0].tolist()


def held_tensors(loss: Callable) -> Iterator[tuple[str, Tensor]]:
    """The tensors that a loss reads beside its arguments, with their names."""
    for name, value in _held(loss).items():
        yield from _tensors_of(name, value)


def _tensors_of(name: str, value: object) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, nn.Module):
        yield from ((f"{name}.{n}", t) for n, t in (*value.named_parameters(), *value.named_buffers()))
    elif isinstance(value, (tuple, list, Mapping)):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        yield from ((f"{name}[{key!r}]", t) for key, t in items if isinstance(t, Tensor))


def _held(loss: Callable) -> dict[str, object]:
    """What a loss reads beside its arguments, by name."""
    held: dict[str, object] = {}
    if isinstance(loss, nn.Module):
        held |= dict(loss.named_parameters()) | dict(loss.named_buffers())
        held |= {name: value for name, value in vars(loss).items() if isinstance(value, Tensor)}
    function = getattr(loss, "forward", loss)
    if hasattr(function, "func"):  # functools.partial
        held |= dict(getattr(function, "keywords", None) or {})
        function = function.func
    try:
        read = inspect.getclosurevars(function)
    except TypeError:
        return held
    return {**read.globals, **read.nonlocals, **held}


def action_for(name: str) -> str:
    """What to do about an operation that is not finite."""
    return next((action for part, action in ACTIONS.items() if part in name), _GENERAL)
