"""The loss that is noted beside the gradients."""

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
_COSTS = 3  # of guesses
_STRIKING = 16  # losses that are far above those before
_JUMP = 3.0  # times a running mean
_NEWEST = 0.2  # of the newest in it


@dataclass(frozen=True, eq=False, repr=False)
class Losses(Result):
    """The noted losses, those of steps without a sample too.

    They can be counted and gone through: `len(losses)`, `for loss in losses`, `losses[-1]` give plain numbers;
    `losses.values` and `losses.steps` are the tensors.

    Attributes:
        steps: The optimizer's steps since the start, from 1, ascending, (N,), int64.
        values: What `note_loss` was told there, (N,), float64.
        batches: What `note_batch` was told there, (N,), float64; NaN where nothing.
        entropies: What guessing by the frequencies of the targets costs in that batch as cross-entropy, (N,), float64;
            NaN where `note_targets` was told nothing of it.
        rates: The same of targets that are 0 or 1, each for itself, as binary cross-entropy, (N,), float64.
        variances: What guessing their mean costs there as mean square, (N,), float64.
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

    A loss on an accelerator is read when it is the newest and somebody looks; otherwise it is let go unread.
    """

    def __init__(self) -> None:
        self._steps, self._columns = array("q"), [array("d") for _ in range(2 + _COSTS)]  # values and batches first
        self._newest: tuple[int, float | Tensor, tuple[float, ...]] | None = None

    def add(self, step: int, value: float | Tensor | None, batch: float = math.nan, *costs: float) -> None:
        """Take the loss of a step, in place of an earlier one of the same step; None where none was noted.

        Args:
            step: Which.
            value: Its loss.
            batch: Which it was of.
            costs: What guesses cost there, as in `Losses`.
        """
        if value is None:
            return
        more = (batch, *costs, *[math.nan] * (_COSTS - len(costs)))
        newest, self._newest = self._newest, (step, value, more)
        if newest is None or newest[0] == step or not isinstance(newest[1], float):
            return
        if len(self._steps) >= _MOST:
            kept = evenly(torch.tensor(self._steps), _MOST // 2).tolist()
            self._steps, *self._columns = (
                array(one.typecode, [one[k] for k in kept]) for one in (self._steps, *self._columns)
            )
        step, value, more = newest
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


def _shared(held: array, dtype: torch.dtype) -> Tensor:
    """A tensor of an array's own memory, in a hundredth of the time that reading number by number takes."""
    return torch.frombuffer(held, dtype=dtype) if held else torch.empty(0, dtype=dtype)


class NotedLoss:
    """Gives each noted loss to its step, whether a loop notes it before the optimizer's step or after.

    Which of the two a loop does shows at the first note: before any step, or after one.
    """

    def __init__(self) -> None:
        self._value: float | Tensor | None = None
        self._after: bool | None = None

    def told(self, value: float | Tensor, steps: int) -> bool:
        """Take a loss; return whether it belongs to the last of `steps` steps, and not to the next."""
        if self._after is None:
            self._after = steps > 0
        if not self._after:
            self._value = value
        return self._after

    def step_of(self, steps: int) -> int:
        """The step of a loss that is told after so many of them."""
        after = steps > 0 if self._after is None else self._after
        return steps if after else steps + 1

    def step(self) -> float | Tensor | None:
        """The loss of the step that is about to happen, None for none; the next step begins without."""
        value, self._value = self._value, None
        return value


class Striking:
    """Tells losses that are worth a look: the first that is not finite, and a few that are far above those before."""

    def __init__(self) -> None:
        self._lost, self._level, self._left = False, math.nan, _STRIKING

    def __call__(self, value: float) -> bool:
        """Whether this one is."""
        if not math.isfinite(value):
            first, self._lost = not self._lost, True
            return first
        jumps = self._left > 0 and value > _JUMP * self._level > 0
        self._left -= jumps
        self._level = value if math.isnan(self._level) else self._level + _NEWEST * (value - self._level)
        return jumps


def loss_value(value: object) -> float | Tensor:
    """A loss as a float, or as a copy of its own where reading it would wait for an accelerator.

    Raises:
        TypeError: It is neither a real number nor a tensor or an array of one.
        ValueError: It is a whole number or a fraction beyond all floats.
    """
    if hasattr(value, "__array__") and not isinstance(value, Tensor) and getattr(value, "size", 0) == 1:
        value = value.item()  # NumPy's, and what is like it
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
    """Why a tensor is no loss, "" where it is one."""
    if value.numel() != 1:
        return f"shape {tuple(value.shape)}"
    if value.is_complex():
        return "a complex number"
    if value.dtype == torch.bool:
        return "a truth value"
    return "a meta tensor, which has no value" if value.is_meta else ""
