"""The playground's traits and controls for the settings of all `OPTIMIZERS`, of which none is named here."""

from __future__ import annotations

import functools
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

# In the order in which they stand in their fold.
_RARE = (
    "dampening",
    "eps",
    "weight_decay",
    "decoupled_weight_decay",
    "momentum_decay",
    "initial_accumulator_value",
    "step_sizes",
    "t0",
    "amsgrad",
    "maximize",
)

_LONG = 20  # a name of more letters leaves no room for a field in its line
_SHORT = 1e-3  # and a number below this has too many digits for one

Declared = dict[str, tuple[Field[Any], Setting]]
Trait = Flag | Pair | Real


class Ruled(Protocol):
    """A panel with a trait for every setting of every optimizer.

    Attributes:
        optimizer: A key of `OPTIMIZERS`.
    """

    optimizer: str


def declared() -> Declared:
    """Return every setting of every optimizer, by name; those of one optimizer alone come before the ones it shares.

    A setting that several have is there once, as the first of them declares it.
    """
    return _declared(tuple(OPTIMIZERS.values()))


@functools.cache
def _declared(rules: tuple[type[Optimizer], ...]) -> Declared:
    found: Declared = {}
    for rule in rules:
        waiting: list[tuple[Field[Any], Setting]] = []
        for field, setting in settings_of(rule):
            if field.name in found:
                found = _with_before(found, field.name, waiting)
                waiting = []
            else:
                waiting.append((field, setting))
        found |= {field.name: (field, setting) for field, setting in waiting}
    return found


def usual(rule: str) -> dict[str, Any]:
    """Return what is usual for every setting but lr while an optimizer is chosen: its own defaults.

    A setting that it does not have is as the first that has it would have it.

    Args:
        rule: A key of `OPTIMIZERS`.
    """
    return {name: field.default for name, (field, _) in _as_seen_by(rule).items() if name != "lr"}


def changed_along(rule: str, before: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that change when another optimizer is chosen, but for lr.

    A setting that was at its default goes to the new optimizer's: AdamW comes with its weight decay of 0.01, and it
    goes with it. One that somebody changed stays, so that two optimizers can be compared at it; unless they mean two
    things by its name, or torch would refuse the new optimizer with it.

    Args:
        rule: The optimizer that is chosen.
        before: The one before.
        values: The settings before.
    """
    old, new = _as_seen_by(before), _as_seen_by(rule)
    found = {}
    for name in values.keys() & new.keys() - {"lr"}:
        (was, was_said), (field, said) = old[name], new[name]
        if values[name] == was.default or said.meaning != was_said.meaning:
            found[name] = field.default
    own = {field.name: field.default for field in fields(OPTIMIZERS[rule])}
    try:
        OPTIMIZERS[rule](**{name: found.get(name, values[name]) for name in own if name in values})
    except ValueError:
        found |= {name: default for name, default in own.items() if name != "lr"}
    return {name: value for name, value in found.items() if values[name] != value}


def _as_seen_by(rule: str) -> Declared:
    """Every setting, as one optimizer declares it if it has it."""
    return declared() | {field.name: (field, setting) for field, setting in settings_of(OPTIMIZERS[rule])}


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
    return often, list(_RARE)


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
    (low, high), meaning = setting.range, _meaning(field.name)
    tags = {"setting": True, "elsewhere": {} if field.name in defaults else _elsewhere(field)}
    if isinstance(default, bool):
        return Flag(default, help=meaning).tag(**tags)
    if isinstance(default, tuple):
        return Pair(default, low=low, high=high, help=meaning).tag(**tags)
    return Real(default, low=low, high=high, help=meaning).tag(**tags)


def _elsewhere(field: Field[Any]) -> dict[str, object]:
    """The defaults of those optimizers that have another one."""
    found = {rule: one.default for rule, kind in OPTIMIZERS.items() for one in fields(kind) if one.name == field.name}
    return {f"with {rule}": default for rule, default in found.items() if default != field.default}


def _meaning(name: str) -> str:
    """Return what a setting does, and which optimizers have it if not all do, for each of its meanings."""
    having: dict[str, list[str]] = {}
    for rule, kind in OPTIMIZERS.items():
        for field, setting in settings_of(kind):
            if field.name == name:
                having.setdefault(setting.meaning, []).append(rule)
    return "; ".join(meaning + _whose(rules) for meaning, rules in having.items())


def _whose(having: Sequence[str]) -> str:
    """Return optimizers in brackets, or the others if these are fewer; nothing if they are all."""
    others = [rule for rule in OPTIMIZERS if rule not in having]
    if not others:
        return ""
    return f" (all but {', '.join(others)})" if len(others) < len(having) else f" ({', '.join(having)})"


def _control(make: Maker, field: Field[Any], setting: Setting) -> Control:
    if isinstance(field.default, bool):
        return make.check(field.name)
    if isinstance(field.default, tuple):
        return _named_above(make.point(field.name), min(field.default) < _SHORT)
    return _named_above(make.number(field.name, _stops(setting)), len(field.name) > _LONG)


def _named_above(control: Control, wanted: bool) -> Control:
    """Put what is long in a control below its name, if that is wanted."""
    if wanted:
        control.add_class("gradwidgets-named-above")
    return control


def _stops(setting: Setting) -> tuple[float, ...]:
    low, high = setting.stops
    if setting.scale == "near 1":
        return _NEAR_1
    if setting.scale == "even":
        return tuple(np.linspace(low, high, 21).round(2))
    return log_stops(low, high, 20) if setting.scale == "log" else (0.0, *log_stops(low, high, 8))
