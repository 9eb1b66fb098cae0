"""Fixes as they were ranked: what each did to the loss, and which of them help."""

from dataclasses import dataclass, field
from statistics import median

from torch import Tensor

from gradwidgets.core.results.result import Result
from gradwidgets.core.results.wording import counted, number, percent, table
from gradwidgets.core.subject.held.certificate import Certificate

WITHOUT = "no fix"
HEAD = ("fix", "helps", "loss after", "lr", "changed")  # of a table


@dataclass(frozen=True, eq=False, repr=False)
class RankedFix(Result):
    """One fix in a ranking, or the network without any.

    Attributes:
        name: In a few words, a key of `TRIES` say; `WITHOUT` for none.
        fix: A key of `FIXES`; "" for none.
        options: All of its options, but for the seed.
        lr: Learning rate of its steps.
        losses: Before each step and after the last, one row a seed, (seeds, steps + 1), float64; NaN from where one is
            not finite. Where nothing is random there is one row.
        loss: The median over seeds after the last step, infinite where half of them or more diverged.
        low: The smallest of them.
        high: The largest, infinite where one diverged.
        ratio: `loss` in the loss of the network as it is, before any step; NaN where that is not above 0.
        changed: The share of the weights that the fix gives other numbers; 0 for one that leaves them, NaN where that
            is not known.
        diverged: How many seeds led to a loss that is not finite.
        helps: Whether its worst seed ends below the network's best without it, by 1 % of that or more; where that
            diverges, below the loss that it begins with. No fix helps with which nothing is trained.
        note: What is to be known: that it changed nothing, say.
        trained: Whether any weight got a gradient that was not 0.
    """

    name: str
    fix: str
    options: dict[str, object]
    lr: float
    losses: Tensor
    loss: float
    low: float
    high: float
    ratio: float
    changed: float
    diverged: int
    helps: bool = False
    note: str = ""
    trained: bool = True

    @property
    def sentence(self) -> str:
        """The fix in words."""
        begin = median(self.losses[:, 0].tolist())
        told = f"{self.name}: loss {number(begin, 3)} → {number(self.loss, 3)}"
        if self.diverged:
            told += f", {self.diverged} of {counted(len(self.losses), 'seed')} diverged"
        elif len(self.losses) > 1:
            told += f" ({number(self.low, 3)} to {number(self.high, 3)} over {len(self.losses)} seeds)"
        return told + (f"; {self.note}" if self.note else "")


@dataclass(frozen=True, eq=False, repr=False)
class FixRanking(Result):
    """What every fix that fits does to the first steps of gradient descent on one batch.

    Attributes:
        fixes: Those that could be tried, the best first.
        baseline: The network without a fix.
        refused: Name and reason of those that could not be tried.
        steps: How many steps each was given.
        seeds: With how many seeds, where something is random.
        certificate: The proof that the model itself is as it was before. In slices, where others work on the model in
            between, nothing is put back.
        note: What is to be known about how they were tried; "" for nothing.
    """

    fixes: tuple[RankedFix, ...]
    baseline: RankedFix
    refused: tuple[tuple[str, str], ...]
    steps: int
    seeds: int
    certificate: Certificate | None = field(default=None, compare=False, repr=False)
    note: str = ""

    @property
    def sentence(self) -> str:
        """What helps, in words."""
        helping = [one for one in self.fixes if one.helps]
        without = self.baseline.sentence.removeprefix(f"{WITHOUT}: ")
        if not any(one.trained for one in (*self.fixes, self.baseline)):
            return (
                "Nothing is trained, with or without a fix: no weight of the model gets a gradient, which none of "
                f"these mends (`diagnose` says what it is). Without a fix: {without}."
            )
        if not helping:
            return f"In {counted(self.steps, 'step')} nothing helps beyond the spread; without a fix: {without}."
        best, *more = helping
        others = ", ".join(one.name for one in more[:3]) + (f" and {len(more) - 3} more" if len(more) > 3 else "")
        rest = (
            f"{others} {'helps' if len(more) == 1 else 'help'} too" if more else "nothing else helps beyond the spread"
        )
        return f"{best.sentence}; {rest}. Without a fix: {without}."

    def __str__(self) -> str:
        """What helps, then a table: a line for each fix and one without any, then what could not be tried."""
        rows = sorted((*self.fixes, self.baseline), key=place_of)
        noted = [f"{one.name}: {one.note}" for one in rows if one.note]
        refused = [f"not tried: {name}: {reason}" for name, reason in self.refused]
        lines = table([HEAD, *map(row_of, rows)])
        return "\n".join([self.sentence, "", *lines, *noted, *refused, *([self.note] if self.note else [])])

    def to_frame(self):
        """One row a fix, the best first, and one for the network without any, at its place among them.

        Returns:
            A pandas DataFrame.
        """
        import pandas as pd

        names = ("name", "fix", "lr", "loss", "low", "high", "ratio", "changed", "diverged", "helps", "note")
        rows = sorted((*self.fixes, self.baseline), key=place_of)
        return pd.DataFrame([{name: getattr(one, name) for name in names} for one in rows], columns=list(names))


def row_of(one: RankedFix) -> tuple[str, ...]:
    """A fix as texts below `HEAD`."""
    loss = f"{one.diverged} of {len(one.losses)} diverged" if one.diverged else number(one.loss, 3)
    low, high = number(one.low, 3), number(one.high, 3)
    if low != high and not one.diverged:
        loss += f" ({low} to {high})"
    changed = "not known" if one.changed != one.changed else percent(one.changed) if one.changed else "none"
    helps = "" if one.name == WITHOUT else "yes" if one.helps else "no"
    return one.name, helps, loss, number(one.lr, 3), changed


def place_of(one: RankedFix) -> tuple[float, float]:
    """What a ranking goes by, the best first."""
    return one.loss, one.high
