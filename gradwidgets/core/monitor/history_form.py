"""A record of a training as values for JSON and arrays, which a file holds, and the way back."""

import math
from typing import Any, Protocol

from torch import Tensor

from gradwidgets.core.monitor.quantities import QUANTITIES
from gradwidgets.core.results.finding import SEVERITIES, Finding

_WORDS = ("layers", "kinds", "parameters", "notes")
_MORE_WORDS = ("unheld", "missing", "strays", "of_loss")  # files of earlier versions do not have them
HEADS = ("batches", "writes", "written", "kept", "rates", "decays", "evaluating", "asked", "left")
_PLAIN = ("outputs", "waiting", "size", "broken")  # whole numbers
_TOLD = (
    "cut", "turned_off", "rivals", "optimizers", "swings", "thrown", "rounded", "leftover", "setting", "inputs",
    "rescaled", "pulls", "first_output", "bad_pass", "answers", "parts", "rate_calls",
)  # fmt: skip
_NOTED = ("noted_steps", "noted_losses", "noted_batches", "noted_entropies", "noted_rates", "noted_variances")
_COURSE = ("rate_steps", "highest_rates", "lowest_rates")


class _History(Protocol):
    """The fields of a history that are not read by their names alone."""

    @property
    def layers(self) -> tuple[str, ...]: ...
    @property
    def steps(self) -> Tensor: ...
    @property
    def seconds(self) -> Tensor: ...
    @property
    def loss(self) -> Tensor: ...
    @property
    def quantities(self) -> dict[str, Tensor]: ...
    @property
    def span(self) -> float: ...
    @property
    def preflight(self) -> tuple[Finding, ...]: ...


def packed(history: _History) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Split a history into values that JSON can hold, and arrays by name."""
    tensors = {"steps": history.steps, "seconds": history.seconds, "loss": history.loss, **history.quantities}
    tensors |= {name: value for name in (*HEADS, *_NOTED, *_COURSE) if (value := getattr(history, name)) is not None}
    about: dict[str, Any] = {}
    about |= {name: list(getattr(history, name)) for name in (*_WORDS, *_MORE_WORDS, "looked_at", "outside")}
    about |= {name: getattr(history, name) for name in (*_PLAIN, *_TOLD, "rule", "chance", "unseen")}
    about["span"] = history.span if math.isfinite(history.span) else None
    about["preflight"] = [one.to_dict() for one in history.preflight]
    return about, tensors


def unpacked(about: dict[str, Any], tensors: dict[str, Tensor]) -> dict[str, Any]:
    """The fields of a history.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: Something is missing, or is not what a history holds.
    """
    words: dict[str, Any] = {name: tuple(about[name]) for name in _WORDS}
    words |= {name: tuple(about.get(name, ())) for name in (*_MORE_WORDS, "looked_at")}
    words |= {"unseen": str(about.get("unseen", "")), "outside": tuple(map(int, about.get("outside", ())))}
    words |= {"preflight": tuple(map(_finding, about.get("preflight", ())))}
    words |= {name: int(about.get(name, 0)) for name in _PLAIN}
    words["chance"] = {str(name): float(value) for name, value in dict(about.get("chance", {})).items()}
    words |= {name: dict(about.get(name, {})) for name in (*_TOLD, "rule")}
    words["span"] = _number(about.get("span"))
    names = ("steps", "seconds", "loss", *HEADS, *_NOTED, *_COURSE, *QUANTITIES)
    return words | {name: tensors.get(name) for name in names}


def is_whole(found: _History, tensors: dict[str, Tensor]) -> bool:
    """Whether everything that is needed is there, and of one length."""
    needed = {name for name, one in QUANTITIES.items() if not one.needs} <= set(tensors)
    shapes = {tuple(one.shape) for one in found.quantities.values()}
    whole = needed and shapes == {(len(found.steps), len(found.layers))}
    whole = whole and _agree(found.steps, found.seconds, found.loss, *(getattr(found, one) for one in HEADS))
    return whole and all(_agree(*(getattr(found, one) for one in those)) for those in (_NOTED, _COURSE))


def _number(held: Any) -> float:
    return math.nan if held is None else float(held)


def _finding(held: dict[str, Any]) -> Finding:
    """A finding that a file holds."""
    where, severity = held.get("where"), held.get("severity")
    if severity not in SEVERITIES or not all(isinstance(held.get(one), str) for one in ("name", "message", "action")):
        raise TypeError("not a finding")
    return Finding(**{**held, "where": None if where is None else tuple(where)})


def _agree(*columns: Tensor | None) -> bool:
    """Whether the columns that are there have one length."""
    return len({tuple(one.shape) for one in columns if one is not None}) < 2
