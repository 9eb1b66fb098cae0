"""What an optimizer is set to, as far as a verdict on its steps needs it."""

import math
from collections.abc import Iterable, Sequence
from numbers import Real

from torch import Tensor

from gradwidgets.core.monitor.owners import Owned

# Each element's step is about the learning rate, whatever the gradient's size.
_SCALED = ("adam", "rmsprop", "adagrad", "lion", "rprop", "lamb", "adafactor")
_DECOUPLED = ("AdamW", "SGDW", "Lion")
_DOWN, _UP = 0.2, 0.8  # of the largest learning rate
_AVERAGED = 10.0  # steps, at least, before averages of squares say more than the newest gradient


def settings_of(optimizer: object) -> tuple[float, float]:
    """The largest learning rate and the largest weight decay of an optimizer's groups; NaN where there is none."""
    groups = getattr(optimizer, "param_groups", ())
    return _largest(groups, "lr"), _largest(groups, "weight_decay")


def rule_of(optimizer: object) -> dict[str, object]:
    """How an optimizer makes a step of a gradient.

    Returns:
        Its "name"; whether steps are "scaled" to the learning rate; its "momentum" (of Adam's kind the first beta);
        whether its decay is "decoupled" from the gradient; whether it "climbs", as with maximize; its "eps", 0 for
        none; the "initial" learning rate that a scheduler goes by, 0 without one, and the "peak" that a cycle goes up
        to. Empty where none is known.
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
    """Over how many steps an optimizer keeps what it has seen of gradients; 0 where the newest is all it goes by."""
    rule = rule_of(optimizer)
    memory = 1 / max(1 - float(rule.get("momentum", 0.0)), 1e-6)
    return max(memory, _AVERAGED) if rule.get("scaled") else memory if memory > 1 else 0.0


def shares_of(optimizer: object, held: Iterable[Owned], layers: Sequence[str]) -> dict[str, dict[str, float]]:
    """The "shares" of the largest learning rate that layers of other groups have, by their names; or nothing."""
    groups = getattr(optimizer, "param_groups", ())
    most = _largest(groups, "lr")
    if len(groups) < 2 or not most > 0:
        return {}
    rates = {id(one): _largest([group], "lr") / most for group in groups for one in group["params"]}
    found: dict[str, float] = {}
    for one in held:
        name = layers[one.column]
        found[name] = max(found.get(name, 0.0), rates.get(id(one.parameter), 1.0))
    return {"shares": slow} if (slow := {name: share for name, share in found.items() if share < 1}) else {}


def _largest(groups: Iterable[dict], name: str) -> float:
    values = [group.get(name) for group in groups]
    values = [one[0] if isinstance(one, tuple) else one for one in values]
    known = [float(one) for one in values if isinstance(one, Real) or (isinstance(one, Tensor) and one.numel() == 1)]
    return max(known, default=math.nan)


class Swings:
    """How often an optimizer's learning rate goes down to a small part of its largest, and up again.

    Attributes:
        times: How often.
        first: The step at which it was up again for the first time.
        last: That of the last time.
        most: The largest rate.
        least: The smallest one before it went up again.
    """

    def __init__(self) -> None:
        self.times = self.first = self.last = 0
        self.most, self.least = 0.0, math.inf
        self._low = math.inf

    def step(self, rate: object, step: int) -> None:
        """A step is made by a rate; one that is a tensor, which might have to be waited for, is not looked at."""
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
        """All of it; empty where the rate never was up again."""
        names = ("times", "first", "last", "most", "least")
        return {name: getattr(self, name) for name in names} if self.times else {}
