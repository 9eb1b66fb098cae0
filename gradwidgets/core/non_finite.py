"""What made a value or a gradient that is not finite: an operation, or the data."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from gradwidgets.core.loss_data import MASK, flaw_of, zero_of
from gradwidgets.core.loss_function import LossFunction
from gradwidgets.core.remedies import ACTIONS, MASK_HIDES, MASKED, cure
from gradwidgets.core.watching import Watching, floats_in

# What only hands infinity on, or puts it there on purpose.
_HANDED_ON = frozenset((
    "full_like", "full", "clone", "to_copy", "detach", "alias", "view", "expand", "empty", "lift_fresh",
    "scalar_tensor", "constant_pad_nd", "masked_fill", "copy", "fill", "zeros_like", "ones_like", "select",
    "unsqueeze", "squeeze", "stack", "cat", "index", "slice",
))  # fmt: skip
_CONSTANTS = frozenset(("scalar_tensor", "full", "full_like"))
_CUTTING_OFF = frozenset(("relu", "clamp", "clamp_min", "threshold"))
_DETERMINANTS = frozenset(("linalg_slogdet", "linalg_det"))
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
    flaw, event = flaw_of(function) if watch.data else None, watch.event()
    if flaw is not None and (event is None or event.of_data or flaw[1] == "NaN"):
        return _of_data(*flaw, event, "gradient" if watch.loss_is_finite else "loss")
    culprit = watch.culprit()
    if event is not None and culprit is not None and event.zeros is not None:
        where = zero_of(function, event.zeros)
        if where:
            return replace(culprit, sentence=f"{culprit.sentence}; {where} is 0", action=cure(event.who, "data"))
    return culprit


def _of_data(where: str, kind: str, event: "_Event | None", which: str) -> Culprit:
    """Data that are to blame; of a mask, of minus infinity, what makes it show."""
    if not kind.startswith(MASK):
        return Culprit("data", which, f"{where} is {kind}", ACTIONS["data"])
    then = "it comes through to the loss" if event is None else f"{event.operation} makes NaN of it"
    return Culprit("data", which, f"{where} is {kind}, and {then}", MASK_HIDES)


@dataclass(frozen=True)
class _Event:
    """An operation that made something not finite.

    Attributes:
        who: The operation, or the one whose backward it belongs to.
        operation: The operation itself.
        back: Whether that was on the way back.
        of_infinity: Whether NaN came of infinity.
        of_data: Whether it came of data that are not finite.
        why: What is special about its input: "below" zero, a "constant" divisor of 0, "empty", a "single" value, an
            "indefinite" matrix; or "".
        zeros: Where its input is 0, of its shape; None where it is not.
    """

    who: str
    operation: str
    back: bool
    of_infinity: bool
    of_data: bool = False
    why: str = ""
    zeros: Tensor | None = None

    @property
    def made(self) -> str:
        """What it makes its result of, in words."""
        return _MADE_OF.get(self.why, "from finite numbers")


_MADE_OF = {
    "below": "of a number below zero",
    "constant": "of a divisor that is 0 whatever the parameters are",
    "empty": "of nothing: its input is empty",
    "single": "of a single value",
    "indefinite": "of a determinant below zero",
}


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
        self._cut_off: set[int] = set()  # where results lie of what a clamp has cut off
        self._indefinite: set[int] = set()  # where determinants lie that are below zero, or their signs
        self._of_data: set[int] = set()  # where results lie that are not finite as the data are not

    def run(self, name: str, func, args: tuple, kwargs: dict) -> object:
        given = floats_in((args, kwargs))
        nan_in, inf_in = any(map(_has_nan, given)), any(map(_has_inf, given))
        # NaN that stands in the formula as a number: no operation has made it.
        nan_in |= name in _CONSTANTS or any(
            isinstance(one, float) and one != one for one in tree_leaves((args, kwargs))
        )
        of_data = any(t.data_ptr() in self._of_data for t in given)
        if not self.node and (nan_in or inf_in):
            fresh = any((_has_nan(t) or _has_inf(t)) and t.data_ptr() not in self._made for t in given)
            self.data, of_data = self.data or fresh, of_data or fresh
        result = func(*args, **kwargs)
        out = floats_in(result)
        self._made |= {tensor.data_ptr() for tensor in out}
        if of_data:
            self._of_data |= {tensor.data_ptr() for tensor in out if _has_nan(tensor) or _has_inf(tensor)}
        self._cut_off |= {tensor.data_ptr() for tensor in out} if name in _CUTTING_OFF else set()
        who, back = self.node or name, bool(self.node)
        self._indefinite |= {out[0].data_ptr()} if name in _DETERMINANTS and bool((out[0] < 0).any()) else set()
        if self.nan is None and self._is_of_indefinite(name, given, out):
            name = "logdet" if name == "where" else name
            self.nan = _Event(name, name, back, False, of_data, "indefinite")
        if self.nan is None and not nan_in and any(map(_has_nan, out)):
            self.nan = _Event(who, name, back, inf_in, of_data, *_reason(name, args, out))
        handed_on = name in _HANDED_ON or nan_in or inf_in
        if self.inf is None and not handed_on and any(map(_has_inf, out)):
            why, zeros = _reason(name, args, out)
            if not why and _of_what_is_cut_off(name, args, self._cut_off):
                why, zeros = "cut off", None
            self.inf = _Event(who, name, back, False, of_data, why, zeros)
        return result

    def _is_of_indefinite(self, name: str, given: list[Tensor], out: list[Tensor]) -> bool:
        """Whether it takes the logarithm of a determinant below zero: torch's logdet chooses NaN for it itself."""
        if self.node or not self._indefinite or not any(map(_has_nan, out)):
            return False
        return name == "where" or (name == "log" and given[0].data_ptr() in self._indefinite)

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        self.loss_is_finite = bool(value.detach().isfinite())
        self.loss_is_nan = bool(value.detach().isnan())
        super().back(value, leaves)

    def event(self) -> _Event | None:
        """The operation that decides, first of all one of the way that is not finite."""
        both = [one for one in (self.nan, self.inf) if one is not None]
        if not self.loss_is_finite:
            made = [one for one in both if not one.back]
            return (made[0] if self.loss_is_nan or self.inf is None else self.inf) if made else None
        # What the way forward hid behind a choice meets the way back.
        return next(iter([one for one in both if one.back] or both), None)

    def culprit(self) -> Culprit | None:
        """Who is to blame, in words."""
        event = self.event()
        if event is None:
            return None
        first, chain = self._chain(event)
        if not self.loss_is_finite:
            masked = event.of_infinity and event.operation in _FACTORS and first is not event
            return Culprit(first.who, "loss", chain, cure(first.who, first.why) + MASKED * masked)
        if self.chose and (self.nan is not None or not event.back):
            name = (self.inf or first).who
            return Culprit(
                "where",
                "gradient",
                f"torch.where takes the finite branch, but {name} in the other one has no finite gradient, and 0 × "
                "that is NaN",
                ACTIONS["where"],
            )
        return Culprit(first.who, "gradient", chain, cure(first.who, "" if first.back else first.why))

    def _chain(self, event: _Event) -> tuple[_Event, str]:
        """The event to blame, with what came of it."""
        said = f"the backward of {event.who} makes it" if event.back else f"{event.who} makes it"
        if not event.of_infinity:
            return event, said if event.back else f"{said} {event.made}"
        product = "then 0 × infinity, which is NaN" if event.operation in _FACTORS else "then NaN of it"
        if self.inf is None or self.inf.who == event.who:
            return event, f"{said}: {product}" if event.operation in _FACTORS else said
        source = f"the backward of {self.inf.who}" if self.inf.back else self.inf.who
        target = f"the backward of {event.who}" if event.back else event.who
        return self.inf, f"{source} makes infinity, and {target} {product}"


def _of_what_is_cut_off(name: str, args: tuple, cut_off: set[int]) -> bool:
    """Whether an operation that is infinite at 0 is given what a clamp has cut off there."""
    given = [part for part in args if isinstance(part, Tensor)]
    return bool(given) and name in ("log", "log2", "log10", "reciprocal", "div") and given[-1].data_ptr() in cut_off


def _has_nan(tensor: Tensor) -> bool:
    return bool(tensor.isnan().any())


def _has_inf(tensor: Tensor) -> bool:
    return bool(tensor.isinf().any())


def _reason(name: str, args: tuple, made: list[Tensor]) -> tuple[str, Tensor | None]:
    """What is special about the input of an operation that is not finite, see `_Event`."""
    given = [part for part in args if isinstance(part, Tensor) and part.is_floating_point()]
    if not given or not made:
        return "", None
    first, bad = given[0], ~made[0].isfinite()
    if first.numel() == 0:
        return "empty", None
    if name in ("std", "var") and first.numel() == made[0].numel():
        return "single", None
    if name in ("div", "reciprocal"):
        divisor = given[-1]
        constant = not divisor.requires_grad and bool((divisor == 0).all())
        return ("constant" if constant and name == "div" and len(given) > 1 else ""), None
    if any(part in name for part in ("log", "sqrt", "pow")) and first.shape == bad.shape:
        if bool((first < 0)[bad].any()):
            return "below", None
        return "", first == 0
    return "", None
