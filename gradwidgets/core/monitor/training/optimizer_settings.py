"""The settings of an optimizer that verdicts on its steps need."""

import math
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any

from torch import Tensor

from gradwidgets.core.monitor.facts import RuleFacts
from gradwidgets.core.monitor.owners import Owned

# Each element's step is about the learning rate, whatever the gradient's size.
_SCALED = ("adam", "rmsprop", "adagrad", "lion", "rprop", "lamb", "adafactor")
_DECOUPLED = ("AdamW", "SGDW", "Lion")
_DOWN, _UP = 0.2, 0.8  # of the largest learning rate
_AVERAGED = 10.0  # steps, at least, until averages of squares are better than the newest gradient


def settings_of(optimizer: object) -> tuple[float, float]:
    """The largest learning rate and the largest weight decay of an optimizer's groups; NaN where there is none."""
    groups = getattr(optimizer, "param_groups", ())
    return _largest(groups, "lr"), _largest(groups, "weight_decay")


def rule_of(optimizer: object) -> RuleFacts:
    """Describe how an optimizer computes a step from a gradient.

    Returns:
        Its "name"; whether steps are "scaled" to the learning rate, or "plain" gradient descent; its "momentum" (the
        first beta of optimizers like Adam); whether its decay is "decoupled" from the gradient; whether it "climbs",
        with maximize; its "eps", 0 for none; the "initial" learning rate that a scheduler multiplies, 0 without one,
        and the "peak" of a cycle. Empty where nothing is known.
    """
    groups = getattr(optimizer, "param_groups", ())
    name = type(optimizer).__name__
    if not groups:
        return {}
    momentum = max(_largest(groups, "momentum"), _largest(groups, "betas"), key=lambda one: (one == one, one))
    decoupled = name in _DECOUPLED or any(group.get("decoupled_weight_decay") for group in groups)
    return {
        "name": name,
        "scaled": any(one in name.lower() for one in _SCALED),
        "plain": name == "SGD",
        "momentum": 0.0 if math.isnan(momentum) else momentum,
        "decoupled": bool(decoupled),
        "initial": 0.0 if math.isnan(planned := _largest(groups, "initial_lr")) else planned,
        "peak": 0.0 if math.isnan(peak := _largest(groups, "max_lr")) else peak,
        "eps": 0.0 if math.isnan(eps := _largest(groups, "eps")) else eps,
        "climbs": all(group.get("maximize", False) for group in groups),
    }


def memory_of(optimizer: object) -> float:
    """Over how many steps an optimizer averages gradients; 0 where it uses the newest alone."""
    rule = rule_of(optimizer)
    memory = 1 / max(1 - rule.get("momentum", 0.0), 1e-6)
    return max(memory, _AVERAGED) if rule.get("scaled") else memory if memory > 1 else 0.0


def shares_of(optimizer: object, held: Iterable[Owned], layers: Sequence[str]) -> RuleFacts:
    """What groups of parameters have of their own, by layers' names; empty where all are alike.

    Returns:
        The "shares" of the largest learning rate that layers with a lower one have, and all layers' weight "decays".
    """
    groups = getattr(optimizer, "param_groups", ())
    most = _largest(groups, "lr")
    if len(groups) < 2 or not most > 0:
        return {}
    held, told = list(held), RuleFacts()
    if slow := {name: share for name, share in _by_layer(groups, "lr", held, layers).items() if share < most}:
        told["shares"] = {name: share / most for name, share in slow.items()}
    decays = _by_layer(groups, "weight_decay", held, layers)
    if len(set(decays.values())) > 1:
        told["decays"] = decays
    return told


def _by_layer(
    groups: Iterable[dict[str, Any]], name: str, held: Iterable[Owned], layers: Sequence[str]
) -> dict[str, float]:
    """A setting of the groups by layers' names: the largest of each layer's parameters."""
    values = {
        id(one): value for group in groups if (value := _largest([group], name)) == value for one in group["params"]
    }
    found: dict[str, float] = {}
    for one in held:
        if (own := values.get(id(one.parameter))) is not None:
            found[layers[one.column]] = max(found.get(layers[one.column], 0.0), own)
    return found


def _largest(groups: Iterable[dict[str, Any]], name: str) -> float:
    values = [group.get(name) for group in groups]
    values = [one[0] if isinstance(one, tuple) else one for one in values]
    known = [float(one) for one in values if isinstance(one, Real) or (isinstance(one, Tensor) and one.numel() == 1)]
    return max(known, default=math.nan)


class Swings:
    """How often an optimizer's learning rate goes down to a small part of its largest, and up again.

    Attributes:
        times: How often it did.
        first: The step at which it was up again for the first time.
        last: The step at which it was up again for the last time.
        most: The largest rate.
        least: The smallest rate before it went up again.
    """

    def __init__(self) -> None:
        self.times = self.first = self.last = 0
        self.most, self.least = 0.0, math.inf
        self._low = math.inf

    def step(self, rate: object, step: int) -> None:
        """Take the rate of a step; one that is a tensor is left out, since reading it could wait for a device."""
        if not isinstance(rate, float):
            return
        self.most = max(self.most, rate)
        if rate < _DOWN * self.most:
            self._low = min(self._low, rate)
        elif rate > _UP * self.most and self._low < math.inf:
            self.times, self.last, self.least = self.times + 1, step, min(self.least, self._low)
            self.first = self.first or step
            self._low = math.inf

    @property
    def told(self) -> dict[str, float]:
        """The attributes by name; empty where the rate never went up again."""
        names = ("times", "first", "last", "most", "least")
        return {name: getattr(self, name) for name in names} if self.times else {}
