"""The playground's traits and controls for the settings of all `OPTIMIZERS`, of which none is named here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import Field, fields
from typing import Any, Protocol

import numpy as np

from gradwidgets.core.optimizers import OPTIMIZERS, Optimizer, Setting, settings_of
from gradwidgets.widgets.controls import Control, Looks, Maker, log_stops
from gradwidgets.widgets.panel.traits import Flag, Pair, Real

_NEAR_1 = (
    *np.arange(0, 0.9, 0.05).round(2),
    *np.arange(0.9, 0.99, 0.01).round(2),
    *np.arange(0.99, 1.0001, 0.001).round(3),
)

_RARE = ("dampening", "eps", "weight_decay", "amsgrad", "maximize")

Declared = dict[str, tuple[Field[Any], Setting]]
Trait = Flag | Pair | Real


class Ruled(Protocol):
    """A panel with a trait for every setting of every optimizer.

    Attributes:
        optimizer: A key of `OPTIMIZERS`.
    """

    optimizer: str


def declared() -> Declared:
    """Return every setting of every optimizer, by name; those of one optimizer alone come before the ones it shares."""
    found: Declared = {}
    for rule in OPTIMIZERS.values():
        waiting: list[tuple[Field[Any], Setting]] = []
        for field, setting in settings_of(rule):
            if field.name in found:
                found = _with_before(found, field.name, waiting)
                waiting = []
            else:
                waiting.append((field, setting))
        found |= {field.name: (field, setting) for field, setting in waiting}
    return found


def traits(**defaults: float | bool | tuple[float, float]) -> dict[str, Trait]:
    """Return a trait for every setting.

    Args:
        **defaults: Defaults that replace those of the optimizer.
    """
    return {name: _trait(field, setting, defaults) for name, (field, setting) in declared().items()}


def controls(make: Maker) -> list[Control]:
    """Return a control for every setting.

    Args:
        make: Makes the controls.
    """
    return [_control(make, field, setting) for field, setting in declared().values()]


def often_and_rarely() -> tuple[list[str], list[str]]:
    """Return the settings that are always in view, and those that are rarely touched and so folded."""
    often = [name for name in declared() if name not in _RARE]
    return often, [name for name in declared() if name in _RARE]


def rule_of(panel: Ruled) -> Optimizer:
    """Return the optimizer with a panel's settings."""
    make = OPTIMIZERS[panel.optimizer]
    return make(**{field.name: getattr(panel, field.name) for field in fields(make)})


def show_those_of(rule: str, found: Mapping[str, Control], looks: Looks) -> None:
    """Show the controls of one optimizer's settings, and hide the others."""
    own = {field.name for field in fields(OPTIMIZERS[rule])}
    for name in declared():
        found[name].reveal(name in own, looks)


def _with_before(found: Declared, name: str, waiting: Sequence[tuple[Field[Any], Setting]]) -> Declared:
    names = list(found)
    at = names.index(name)
    new = {field.name: (field, setting) for field, setting in waiting}
    return {n: found[n] for n in names[:at]} | new | {n: found[n] for n in names[at:]}


def _trait(field: Field[Any], setting: Setting, defaults: Mapping[str, Any]) -> Trait:
    default = defaults.get(field.name, field.default)
    (low, high), meaning = setting.range, _meaning(field.name, setting)
    if isinstance(default, bool):
        return Flag(default, help=meaning).tag(setting=True)
    if isinstance(default, tuple):
        return Pair(default, low=low, high=high, help=meaning).tag(setting=True)
    return Real(default, low=low, high=high, help=meaning).tag(setting=True)


def _meaning(name: str, setting: Setting) -> str:
    """Return what a setting does, and which optimizers have it if not all do."""
    having = [rule for rule, kind in OPTIMIZERS.items() if name in {field.name for field in fields(kind)}]
    return setting.meaning if len(having) == len(OPTIMIZERS) else f"{setting.meaning} ({', '.join(having)})"


def _control(make: Maker, field: Field[Any], setting: Setting) -> Control:
    if isinstance(field.default, bool):
        return make.check(field.name)
    if isinstance(field.default, tuple):
        return make.point(field.name)
    return make.number(field.name, _stops(setting))


def _stops(setting: Setting) -> tuple[float, ...]:
    low, high = setting.stops
    if setting.scale == "near 1":
        return _NEAR_1
    if setting.scale == "even":
        return tuple(np.linspace(low, high, 21).round(2))
    return log_stops(low, high, 20) if setting.scale == "log" else (0.0, *log_stops(low, high, 8))
