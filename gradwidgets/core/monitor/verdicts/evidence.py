"""The record of a training as verdicts read it."""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral, Real

import torch
from torch import Tensor

from gradwidgets.core.layers.verdicts.verdict import listed as joined
from gradwidgets.core.monitor.history import History
from gradwidgets.core.monitor.training.noted_loss import Losses
from gradwidgets.core.results.wording import named, number

_NAMED, _MODULES = 3, 8  # most parameters, and modules, that are named
_NEAR = 0.8  # ratio of the last loss and the median of the last few, from which on one of them is enough
_BEGINS = 0.2, 5.0  # times the logarithm of the number of outputs: the range in which a loss of classes begins
_SURELY = 3  # outputs: with fewer, a loss may begin near the logarithm by chance


@dataclass(frozen=True)
class Known:
    """Facts about a training that its record does not hold.

    Attributes:
        losses: All losses that were noted, where these are more than the samples' losses.
        lr: The learning rate of plain gradient descent.
        largest_curvature: The largest eigenvalue of the loss's Hessian.
        max_norm: The norm that the gradient is clipped to.
        classes: How many classes there are.

    Raises:
        TypeError: One is of the wrong type.
        ValueError: One is out of its range.
    """

    losses: Losses | None = None
    lr: float | None = None
    largest_curvature: float | None = None
    max_norm: float | None = None
    classes: int | None = None

    def __post_init__(self) -> None:
        if self.losses is not None and not isinstance(self.losses, Losses):
            raise TypeError(f"losses must be a monitor's losses or None; got {type(self.losses).__name__}")
        # A largest eigenvalue may be below 0, and a schedule's rate be 0.
        _check_number("lr", self.lr, "≥ 0", lambda value: value >= 0)
        _check_number("largest_curvature", self.largest_curvature)
        _check_number("max_norm", self.max_norm, "above 0", lambda value: value > 0)
        if self.classes is None:
            return
        if isinstance(self.classes, bool) or not isinstance(self.classes, Integral):
            raise TypeError(f"classes must be a whole number ≥ 1 or None; got {self.classes!r}")
        if self.classes < 1:
            raise ValueError(f"classes must be a whole number ≥ 1 or None; got {self.classes!r}")


def _check_number(
    name: str, value: object, where: str = "", holds: Callable[[float], bool] = lambda value: True
) -> None:
    allowed = f"a finite number{f' {where}' if where else ''} or None"
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be {allowed}; got {value!r}")
    if not math.isfinite(value) or not holds(float(value)):
        raise ValueError(f"{name} must be {allowed}; got {value!r}")


@dataclass
class JudgedRecord:
    """A record with the quantities that the checks compute from it.

    Attributes:
        history: The record.
        known: Facts that the record does not hold.
    """

    history: History
    known: Known = field(default_factory=Known)

    @cached_property
    def weighted(self) -> list[int]:
        """The columns of layers with parameters."""
        return [column for column, count in enumerate(self.history.parameters) if count]

    @cached_property
    def groups(self) -> list[list[int]]:
        """Samples grouped by the layers that had a gradient, so that those of one optimizer are together."""
        found: dict[tuple[bool, ...], list[int]] = {}
        for sample, row in enumerate(self.history.norm[:, self.weighted].isnan().tolist()):
            found.setdefault(tuple(row), []).append(sample)
        return list(found.values())

    @cached_property
    def total(self) -> Tensor:
        """The norm of all gradients together, (S,); NaN without any."""
        norm = self.history.norm[:, self.weighted]
        whole = norm.nan_to_num(nan=0.0, posinf=math.inf).square().sum(1).sqrt()
        return torch.where(norm.isnan().all(1), math.nan, whole)

    @cached_property
    def updates(self) -> Tensor | None:
        """Update / weight, (S, L): as recorded, or lr · gradient / weight of plain descent; None if unknown."""
        history = self.history
        if history.update_ratio is not None or self.known.lr is None:
            return history.update_ratio
        return self.known.lr * history.norm / history.weight_norm

    @cached_property
    def rate_course(self) -> tuple[Tensor, Tensor]:
        """Steps, and the highest learning rate from each of them on: of all steps if possible, else of samples.

        Both are empty where no rate is known, or one is not finite.
        """
        history = self.history
        steps, rates, highest, lowest = history.steps, history.rates, history.highest_rates, history.lowest_rates
        if history.rate_steps is not None and highest is not None and lowest is not None:
            steps, rates = history.rate_steps, torch.where(highest.abs() >= lowest.abs(), highest, lowest)
        if rates is None or not bool(rates.isfinite().all()):
            return torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.float64)
        return steps, rates

    @property
    def highest_rate(self) -> float:
        """The highest learning rate of all steps; NaN where it is unknown."""
        _, rates = self.rate_course
        return float(rates.max()) if len(rates) else math.nan

    def rates_at(self, steps: Tensor) -> Tensor:
        """The learning rate at each of these steps."""
        begins, rates = self.rate_course
        return rates[(torch.searchsorted(begins, steps.contiguous(), right=True) - 1).clamp(min=0)]

    @cached_property
    def losses(self) -> tuple[Tensor, Tensor]:
        """Steps and values of the losses."""
        if self.known.losses is not None and len(self.known.losses.steps):
            return self.known.losses.steps, self.known.losses.values
        steps, values = self.history.noted_steps, self.history.noted_losses
        if steps is not None and values is not None and len(steps):
            return steps, values
        noted = ~self.history.loss.isnan() | (self.history.non_finite > 0).any(1)
        noted &= not bool(self.history.loss.isnan().all())
        return self.history.steps[noted], self.history.loss[noted]

    @cached_property
    def stands_still(self) -> bool:
        """Whether no weight has moved from sample to sample, so that no step has changed the loss."""
        weights = self.history.weight_norm[:, self.weighted]
        return self.samples > 2 and bool((weights == weights[:1]).all())

    def stays(self, column: int) -> bool:
        """Whether a layer's weights are the same at all samples, so that nothing moves them, not even an average."""
        weights = self.history.weight_norm[:, column]
        known = weights[~weights.isnan()]  # at samples of other optimizers they were not recorded
        return bool((known == known[:1]).all())

    @property
    def costs(self) -> dict[str, Tensor]:
        """The costs of guesses that look at no input, one for each loss, by the kind of guess that fits the targets."""
        history, losses = self.history, self.known.losses
        if losses is not None and len(losses.steps):
            costs = losses.entropies, losses.rates, losses.variances
        else:
            costs = history.noted_entropies, history.noted_rates, history.noted_variances
        named = zip(("frequencies", "base rate", "variance"), costs, strict=True)
        wanted = self._kinds_of_guess
        return {name: one for name, one in named if name in history.chance and one is not None and name in wanted}

    @property
    def _kinds_of_guess(self) -> tuple[str, ...]:
        """The kinds of guesses that fit the loss; for whole numbers without a known loss, the outputs decide."""
        by_loss = {"classes": ("frequencies",), "shares": ("base rate", "frequencies"), "numbers": ("variance",)}
        if self.kind:
            return by_loss[self.kind]
        if "labels" not in self.history.chance:
            return "frequencies", "base rate", "variance"
        return ("variance",) if self._are_counts else ("frequencies",)

    @property
    def _are_counts(self) -> bool:
        """Whether the targets have more than two whole numbers, while the model has one output."""
        return self.history.outputs == 1 and self.history.chance.get("labels", 0) > 2

    @property
    def kind(self) -> str:
        """What the loss compares, by its graph: "classes", "shares" or "numbers"; "" where that is unknown."""
        return next((one for one in self.history.of_loss if one in ("classes", "shares", "numbers")), "")

    @property
    def has_classes(self) -> bool:
        """Whether the loss may be a cross-entropy of classes."""
        return self.kind in ("", "classes", "shares") and not (not self.kind and self._are_counts)

    @property
    def is_of_a_critic(self) -> bool:
        """Whether another network judges the outputs with yes or no: its being undecided is no guess of the model."""
        return {"shares", "another network"} <= set(self.history.of_loss)

    @property
    def guess(self) -> float:
        """The first loss of a model that knows nothing, as a mean over the samples; NaN if unknown.

        For classes it is the logarithm of their number, for numbers their variance.
        """
        chance, classes = self.history.chance, self.known.classes or self.history.outputs
        if self.kind == "numbers" or (not self.kind and "frequencies" not in chance):
            return chance.get("variance", math.nan) if "base rate" not in chance else math.nan
        if self.kind == "shares" or (not self.kind and self._are_counts):
            return math.log(2) if self.kind else chance.get("variance", math.nan)
        if not self.kind and "labels" not in chance:
            return math.nan  # rows of shares may be compared by squares too
        return max(math.log(classes) if classes > 1 else math.log(2), chance.get("frequencies", 0.0))

    @property
    def likely_guess(self) -> float:
        """The same guess, by the number of outputs where the targets are unknown."""
        outputs = self.history.outputs
        if not self.kind and not self.history.chance and not self._may_be_of_classes:
            return math.nan
        if math.isnan(self.guess) and not self.history.chance and self.kind in ("", "classes") and outputs >= _SURELY:
            return math.log(outputs)
        return self.guess

    @property
    def _may_be_of_classes(self) -> bool:
        """Whether a loss of an unknown kind may be one of classes, by its graph or else by its first value."""
        if of := {"softmax", "no classes"} & set(self.history.of_loss):
            return "softmax" in of
        steps, values = self.losses
        if not len(values) or int(steps[0]) != 1 or not math.isfinite(float(values[0])) or self.history.outputs < 2:
            return True
        times = abs(float(values[0])) / math.log(self.history.outputs)
        return _BEGINS[0] < times < _BEGINS[1]

    @property
    def is_of_numbers(self) -> bool:
        """Whether the targets are numbers and no classes."""
        if self.kind:
            return self.kind == "numbers"
        chance = self.history.chance
        return ("variance" in chance and "frequencies" not in chance and "base rate" not in chance) or self._are_counts

    @property
    def takes_turns(self) -> bool:
        """Whether several optimizers step, each with layers of its own."""
        finite = (self.history.non_finite.nan_to_num(nan=0.0) == 0).all(1)
        return len({tuple(row) for row in self.history.norm[finite][:, self.weighted].isnan().tolist()}) > 1

    @property
    def is_of_several(self) -> bool:
        """Whether several optimizers have stepped, each on layers of its own."""
        held = [set(line["held"]) for line in self.history.optimizers.get("lines", []) if line["held"]]
        return self.takes_turns or any(one.isdisjoint(other) for one in held for other in held)

    def batch(self, step: int) -> int | None:
        """The batch of a step; None where none was noted."""
        history, losses = self.history, self.known.losses
        kept = [(history.steps, history.batches), (history.noted_steps, history.noted_batches)]
        kept += [] if losses is None else [(losses.steps, losses.batches)]
        found = [float(one) for steps, batches in kept if batches is not None for one in batches[steps == step]]
        return next((int(one) for one in found if math.isfinite(one)), None)

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return len(self.history.steps)

    @property
    def steps(self) -> int:
        """The last step that is known."""
        steps, _ = self.losses
        return max(int(one[-1]) if len(one) else 0 for one in (steps, self.history.steps))

    @property
    def watched_steps(self) -> int:
        """How many steps of watched optimizers were seen, with or without a sample or a loss."""
        return sum(line["steps"] for line in self.history.optimizers.get("lines", []) if line["watched"])

    def names(self, columns: list[int]) -> list[str]:
        """The layers' names."""
        return [self.history.layers[column] for column in columns]


def first_and_last(values: Tensor) -> tuple[float, float]:
    """The first and the last loss; NaN where there is none."""
    return (float(values[0]), float(values[-1])) if len(values) else (math.nan, math.nan)


def at_last(values: Tensor, few: int) -> str:
    """The last loss in words, and the median of the last few where that is far from it."""
    last, usual = float(values[-1]), float(values[-few:].median())
    apart = not _NEAR * abs(usual) <= abs(last) <= abs(usual) / _NEAR
    return f"{number(last, 3)} at the end" + (f" (median of the last {few:,}: {number(usual, 3)})" if apart else "")


def listed(names: Sequence[str]) -> str:
    """The first names of layers, in quotes where they would read as numbers, and how many more there are."""
    return joined([named(one) for one in names])


def modules_of(names: Sequence[str]) -> str:
    """The modules that parameters are in, or the names of a few parameters, so that "and more" hides no module."""
    if len(names) <= _NAMED:
        return ", ".join(map(named, names))
    paths, depth = [name.split(".") for name in names], 1
    while len({tuple(one[:depth]) for one in paths}) == 1 and depth < max(map(len, paths)):
        depth += 1
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, path in zip(names, paths, strict=True):
        groups.setdefault(tuple(path[:depth]), []).append(name)
    if len({tuple(one[:depth]) for one in paths[:_NAMED]}) == len(groups):
        return f"{', '.join(map(named, names[:_NAMED]))} and {len(names) - _NAMED} more"  # each module is named by then
    found = [_common(those) for those in groups.values()]
    more = f" and {len(found) - _MODULES} more" if len(found) > _MODULES else ""
    return ", ".join(map(named, found[:_MODULES])) + more


def _common(names: list[str]) -> str:
    """The innermost module that all are in; the name itself if there is only one."""
    return (
        names[0] if len(names) == 1 else os.path.commonpath([one.replace(".", "/") for one in names]).replace("/", ".")
    )


def medians(values: Tensor, parts: int) -> list[float]:
    """The medians of a series' parts of equal lengths."""
    return [float(part.median()) for part in values.tensor_split(parts)]
