"""Statistics of a training's targets, for the cost of a guess that never looks at the inputs."""

import math
from collections import Counter

import torch
from torch import Tensor

_MOST = 65_536  # numbers of a batch that are read
_LABELS = 1024  # labels of a batch that are read
_CLASSES = 1 << 18  # most classes
_FEW_CLASSES = 64  # most classes in a batch that is compared with the next one
_WIDE = 4096  # most numbers of a sample
_EACH = 256  # first batches that are all read; of later ones, and of those on an accelerator, every seventh is
_SELDOM = 7  # a prime, so that where a step has several batches the last of them is read too
_SUM_TO_ONE = 1e-4
_UNKNOWN = math.nan, math.nan, math.nan


class TargetRecord:
    """Frequencies of classes, or means and spreads of numbers, over the batches of a training.

    Attributes:
        size: How many samples the largest batch has; 0 before the first.
        cost: The cost of guessing in the newest batch, by all targets so far: as cross-entropy of classes, as that of
            zeros and ones, and as mean square; NaN where that is no loss for such targets, or the batch was not read.
        unclear: Why the targets cannot be used; "" where they can.
    """

    def __init__(self) -> None:
        self.size = 0
        self.cost: tuple[float, float, float] = _UNKNOWN
        self._batches = 0
        self._classes = _Classes()
        self._numbers: _Numbers | None = None
        self.unclear = ""

    def add(self, targets: Tensor) -> None:
        """Take a batch's targets."""
        self._batches += 1
        self.size = max(self.size, targets.shape[0] if targets.ndim else 1)
        self.cost = _UNKNOWN
        often = targets.device.type == "cpu" and self._batches <= _EACH
        if self.unclear or not (often or self._batches % _SELDOM == 1) or not targets.numel():
            return
        targets = targets.detach()
        if targets.is_complex():
            self.unclear = "targets are complex numbers"
            return
        cost = self._add_numbers(targets) if targets.is_floating_point() else self._classes.add(targets)
        if cost is None:
            self.unclear = self.unclear or "targets are of many kinds, or of several widths"
        elif self._classes.known and self._numbers is not None:
            self.unclear = "some targets are whole numbers, and others are not"
        self.cost = _UNKNOWN if self.unclear or cost is None else cost

    @property
    def chance(self) -> dict[str, float]:
        """The cost of guessing on average, and more, as `History.chance` has it; empty where that is unknown."""
        if self.unclear:
            return {}
        return self._classes.chance if self._numbers is None else self._numbers.chance

    def _add_numbers(self, targets: Tensor) -> tuple[float, float, float] | None:
        rows = targets.reshape(targets.shape[0] if targets.ndim else 1, -1)
        if self._numbers is None:
            self._numbers = _Numbers(rows.shape[1])
        if rows.shape[1] != self._numbers.width or rows.shape[1] > _WIDE:
            return None
        some = rows[:: -(-rows.numel() // _MOST)].cpu().double()
        if not bool(some.isfinite().all()):
            self.unclear = "some targets are not finite"
            return None
        return self._numbers.add(some)


class _Classes:
    """Counts how often each class came."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._total = 0
        self._batches = self._of_one = 0
        self._size = 0
        self._first: list[int] = []
        self._before: tuple[Counter[int], int] | None = None  # of the last batch
        self._alike, self._pairs = 0.0, 0  # sum of the chances that two labels of neighbouring batches are the same
        self._again = 0  # batches with the same labels as the first one, one by one
        self._negative = False  # whether there were labels below 0, which are left out

    @property
    def known(self) -> bool:
        return bool(self._total)

    def add(self, labels: Tensor) -> tuple[float, float, float] | None:
        """Take labels; return the cost of a guess for them, None where there are too many classes."""
        some = labels.reshape(-1)
        # A list is counted in a tenth of the time that tensors of this size take.
        labels_now = some[:: -(-some.numel() // _LABELS)].tolist()
        self._first = self._first or labels_now
        self._again += labels_now == self._first
        now = Counter(labels_now)
        self._negative = self._negative or min(now) < 0
        for one in [one for one in now if one < 0]:  # by convention ignored
            del now[one]
        count = sum(now.values())
        if not count:
            return _UNKNOWN
        self._counts.update(now)
        self._total += count
        self._batches += 1
        self._of_one += len(now) == 1
        self._compare(now, count)
        size = labels.shape[0] if labels.ndim else 1
        self._size = size if self._batches == 1 else min(self._size, size)
        if len(self._counts) > _CLASSES:
            return None
        every = math.log(self._total)
        cost = sum(n * (every - math.log(self._counts[one])) for one, n in now.items()) / count
        return cost, math.nan, self._off(now, count)  # for two classes the first is also the cost for one logit

    def _compare(self, now: Counter[int], count: int) -> None:
        if len(now) <= _FEW_CLASSES and self._before is not None:
            other, size = self._before
            self._alike += sum(n * other[one] for one, n in now.items()) / (count * size)
            self._pairs += 1
        self._before = now, count

    def _off(self, now: Counter[int], count: int) -> float:
        """The mean square about the mean of all so far, in case these are numbers and no classes."""
        mean = sum(one * n for one, n in self._counts.items()) / self._total
        return math.nan if self._negative else sum(n * (one - mean) ** 2 for one, n in now.items()) / count

    @property
    def chance(self) -> dict[str, float]:
        if not self.known:
            return {}
        shares = [n / self._total for n in self._counts.values()]
        found = {"frequencies": -sum(one * math.log(one) for one in shares), "largest share": max(shares)}
        if not self._negative:
            found["variance"] = self._off(self._counts, self._total)
        found["rms"] = math.sqrt(sum(one * one * n for one, n in self._counts.items()) / self._total)
        found["batches"], found["of the same labels"] = float(self._batches), self._again / self._batches
        found["batches of one class"] = self._of_one / self._batches
        found["if shuffled"] = sum(one**self._size for one in shares)
        if self._pairs:
            found["alike"], found["neighbours"] = self._alike / self._pairs, float(self._pairs)
            found["if drawn"] = sum(one * one for one in shares)
        return found | {"labels": float(len(shares))}


class _Numbers:
    """Sums of targets that are numbers, column by column, about the first batch's mean."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._count = 0
        self._about = torch.zeros(width, dtype=torch.float64)
        self._sum, self._square = self._about.clone(), self._about.clone()
        self._yes_or_no = self._shares = True

    def add(self, rows: Tensor) -> tuple[float, float, float]:
        """Take targets; return the cost of a guess for them."""
        if not self._count:
            self._about = rows.mean(0)
        off = rows - self._about
        self._count += len(rows)
        self._sum += off.sum(0)
        self._square += off.square().sum(0)
        self._yes_or_no = self._yes_or_no and bool(((rows == 0) | (rows == 1)).all())
        self._shares = self._shares and self.width > 1 and bool(((rows.sum(1) - 1).abs() < _SUM_TO_ONE).all())
        self._shares = self._shares and bool((rows >= 0).all())
        now, mean = rows.mean(0), self._mean
        of_classes = of_ones = math.nan
        if self._shares:
            of_classes = float(_cost(now, mean))
        if self._yes_or_no:
            of_ones = float(_cost(now, mean) + _cost(1 - now, 1 - mean)) / self.width
        return of_classes, of_ones, float((rows - mean).square().mean())

    @property
    def _mean(self) -> Tensor:
        return self._about + self._sum / self._count

    @property
    def chance(self) -> dict[str, float]:
        mean = self._mean
        spread = (self._square / self._count - (mean - self._about).square()).clamp(min=0)
        found = {"variance": float(spread.mean()), "mean": float(mean.mean())}
        found["rms"] = math.sqrt(float((spread + mean.square()).mean()))
        if self._shares:
            found |= {"frequencies": float(torch.special.entr(mean).sum()), "largest share": float(mean.max())}
        if self._yes_or_no:
            entropy = torch.special.entr(mean) + torch.special.entr(1 - mean)
            found |= {"base rate": float(entropy.mean()), "share of ones": float(mean.mean())}
        return {name: value for name, value in found.items() if math.isfinite(value)}


def _cost(shares: Tensor, by: Tensor) -> Tensor:
    """The cross-entropy of shares by others, where 0 · ln 0 is 0."""
    return -torch.special.xlogy(shares, by.clamp(min=0)).sum()
