"""The losses that a loop notes."""

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor

from gradwidgets.core.monitor.kept_rows import evenly
from gradwidgets.core.results.result import Result

_MOST = 20_000  # losses that are kept
_COSTS = 3  # kinds of guesses
_STRIKING = 16  # losses far above those before that are looked at
_JUMP = 3.0  # times a running mean
_NEWEST = 0.2  # weight of the newest loss in it


@dataclass(frozen=True, eq=False, repr=False)
class Losses(Result):
    """The noted losses, those of steps without a sample too.

    They are a sequence: `len(losses)`, `for loss in losses` and `losses[-1]` give plain numbers; `losses.values` and
    `losses.steps` are the tensors.

    Attributes:
        steps: The optimizer's steps since the start, from 1, ascending, (N,), int64.
        values: The losses that `note_loss` was given there, (N,), float64.
        batches: The batches that `note_batch` was given there, (N,), float64; NaN where there were none.
        entropies: The cost of guessing by the frequencies of the targets in that batch, as cross-entropy, (N,),
            float64; NaN where `note_targets` was not given its targets.
        rates: The same as binary cross-entropy, for targets that are 0 or 1 each, (N,), float64.
        variances: The cost of guessing their mean, as mean square, (N,), float64.
    """

    steps: Tensor
    values: Tensor
    batches: Tensor | None = None
    entropies: Tensor | None = None
    rates: Tensor | None = None
    variances: Tensor | None = None

    def __len__(self) -> int:
        """How many there are."""
        return len(self.values)

    def __iter__(self) -> Iterator[float]:
        """Their values, step by step."""
        return iter(self.values.tolist())

    def __getitem__(self, place: int | slice) -> float | list[float]:
        """One value, or the values of a slice."""
        return self.values[place].tolist() if isinstance(place, slice) else self.values.tolist()[place]


class LossRecord:
    """Losses in bounded memory: 20,000 are thinned to half, evenly over the steps.

    A loss on an accelerator is read when it is the newest and `losses` is called; otherwise it is dropped unread.
    """

    def __init__(self) -> None:
        self._steps = array("q")
        self._columns = [array("d") for _ in range(2 + _COSTS)]  # values and batches first
        self._newest: tuple[int, float | Tensor, tuple[float, ...]] | None = None

    def add(self, step: int, value: float | Tensor | None, batch: float = math.nan, *costs: float) -> None:
        """Take the loss of a step, in place of an earlier one of the same step; None where none was noted.

        Args:
            step: The step.
            value: Its loss.
            batch: Its batch.
            costs: The costs of guesses there, as in `Losses`.
        """
        if value is None:
            return
        more = (batch, *costs, *[math.nan] * (_COSTS - len(costs)))
        newest, self._newest = self._newest, (step, value, more)
        if newest is None or newest[0] == step:
            return
        step, value, more = newest
        if not isinstance(value, float):
            return
        if len(self._steps) >= _MOST:
            kept = evenly(torch.tensor(self._steps), _MOST // 2).tolist()
            self._steps = array("q", [self._steps[k] for k in kept])
            self._columns = [array("d", [one[k] for k in kept]) for one in self._columns]
        self._steps.append(step)
        for column, one in zip(self._columns, (value, *more), strict=True):
            column.append(one)

    def losses(self) -> Losses:
        """All of them, copied."""
        steps, columns = self._steps[:], [one[:] for one in self._columns]
        if self._newest is not None:
            step, value, more = self._newest
            self._newest = step, float(value), more
            steps.append(step)
            for column, one in zip(columns, (float(value), *more), strict=True):
                column.append(one)
        return Losses(_shared(steps, torch.int64), *(_shared(one, torch.float64) for one in columns))


def _shared(held: "array[int] | array[float]", dtype: torch.dtype) -> Tensor:
    """A tensor that shares an array's memory; copying its numbers would take a hundred times as long."""
    return torch.frombuffer(held, dtype=dtype) if held else torch.empty(0, dtype=dtype)


class NotedLoss:
    """Gives each noted loss to its step, whether a loop notes it before the optimizer's step or after.

    The first note shows which of the two a loop does: it comes before any step, or after one.
    """

    def __init__(self) -> None:
        self._value: float | Tensor | None = None
        self._after: bool | None = None

    def told(self, value: float | Tensor, steps: int) -> bool:
        """Take a loss; return whether it belongs to the last of `steps` steps, and not to the next one."""
        if self._after is None:
            self._after = steps > 0
        if not self._after:
            self._value = value
        return self._after

    def step_of(self, steps: int) -> int:
        """The step of a loss that is noted after this many steps."""
        after = steps > 0 if self._after is None else self._after
        return steps if after else steps + 1

    def waits_for_a_step(self, value: float) -> bool:
        """Whether a loss was noted, and no step has come since."""
        return self._value is value

    def step(self) -> float | Tensor | None:
        """Return the loss of the step that is about to happen, None for none, and forget it for the next step."""
        value, self._value = self._value, None
        return value


class Striking:
    """Recognises losses to look at: the first that is not finite, and a few that are far above those before."""

    def __init__(self) -> None:
        self._lost, self._level, self._left = False, math.nan, _STRIKING

    def __call__(self, value: float) -> bool:
        """Whether to look at this loss."""
        if not math.isfinite(value):
            first, self._lost = not self._lost, True
            return first
        jumps = self._left > 0 and value > _JUMP * self._level > 0
        self._left -= jumps
        self._level = value if math.isnan(self._level) else self._level + _NEWEST * (value - self._level)
        return jumps


def loss_value(value: object) -> float | Tensor:
    """A loss as a float, or as a copy of the tensor where reading it would wait for an accelerator.

    Raises:
        TypeError: It is neither a real number nor a tensor or an array of one.
        ValueError: It is a whole number or a fraction larger than any float.
    """
    is_array = hasattr(value, "__array__") and not isinstance(value, Tensor) and getattr(value, "size", 0) == 1
    if is_array and hasattr(value, "item"):  # NumPy's, and arrays like it
        value = value.item()
    if isinstance(value, Tensor):
        if problem := _problem(value):
            raise TypeError(f"value must be a number or a tensor of one; got {problem}")
        return float(value.detach()) if value.device.type == "cpu" else value.detach().clone()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"value must be a number or a tensor of one; got {value!r}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError("value must be a number that a float can hold; got one beyond all of them") from None


def _problem(value: Tensor) -> str:
    """Why a tensor is no loss; "" where it is one."""
    if value.numel() != 1:
        return f"shape {tuple(value.shape)}"
    if value.is_complex():
        return "a complex number"
    if value.dtype == torch.bool:
        return "a truth value"
    return "a meta tensor, which has no value" if value.is_meta else ""
