"""The result of a ranking: what each fix did to the loss, and which fixes help."""

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from torch import Tensor

from gradwidgets.core.results.result import Result
from gradwidgets.core.results.wording import counted, number, percent, table
from gradwidgets.core.subject.held.certificate import Certificate

if TYPE_CHECKING:
    import pandas

WITHOUT = "no fix"
HEAD = ("fix", "helps", "loss after", "lr", "changed")  # of a table


@dataclass(frozen=True, eq=False, repr=False)
class RankedFix(Result):
    """One fix in a ranking, or the network without a fix.

    Attributes:
        name: A name of a few words, such as a key of `TRIES`; `WITHOUT` for no fix.
        fix: A key of `FIXES`; "" for no fix.
        options: All options of the fix, except the seed.
        lr: Learning rate of the steps.
        losses: The losses before each step and after the last, one row per seed, (seeds, steps + 1), float64; NaN from
            the first one that is not finite. If nothing is random there is one row.
        loss: The median over seeds of the loss after the last step; infinite if half of the seeds or more diverged.
        low: The smallest loss after the last step.
        high: The largest loss after the last step; infinite if a seed diverged.
        ratio: `loss` divided by the unchanged network's loss before any step; NaN if that is not above 0.
        changed: The share of the weights whose numbers the fix changes; 0 for a fix that does not concern them, NaN if
            it is not known.
        diverged: The number of seeds with a loss that is not finite.
        helps: Whether the worst seed ends at least 1 % below the network's best without a fix; if all seeds diverge
            without a fix, whether it ends below its own initial loss. A fix with which nothing is trained never helps.
        note: Remarks, for example that the fix changed nothing.
        trained: Whether any weight got a gradient other than 0.
    """

    name: str
    fix: str
    options: dict[str, Any]
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
        """The effect of the fix in words."""
        begin = median(self.losses[:, 0].tolist())
        told = f"{self.name}: loss {number(begin, 3)} → {number(self.loss, 3)}"
        if self.diverged:
            told += f", {self.diverged} of {counted(len(self.losses), 'seed')} diverged"
        elif len(self.losses) > 1:
            told += f" ({number(self.low, 3)} to {number(self.high, 3)} over {len(self.losses)} seeds)"
        return told + (f"; {self.note}" if self.note else "")


@dataclass(frozen=True, eq=False, repr=False)
class FixRanking(Result):
    """The effects of all applicable fixes on the first steps of gradient descent on one batch.

    Attributes:
        fixes: The fixes that could be tried, the best first.
        baseline: The network without a fix.
        refused: Name and reason for each fix that could not be tried.
        steps: The number of steps.
        seeds: The number of seeds, used if something is random.
        certificate: The proof that the model itself is unchanged. When the ranking runs in slices, between which other
            code may change the model, nothing is restored.
        note: Remarks on how the fixes were tried; "" for none.
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
        """The fixes that help, in words."""
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
        """Return what helps, a table with a line for each fix and one without any, and what could not be tried."""
        rows = sorted((*self.fixes, self.baseline), key=place_of)
        noted = [f"{one.name}: {one.note}" for one in rows if one.note]
        refused = [f"not tried: {name}: {reason}" for name, reason in self.refused]
        lines = table([HEAD, *map(row_of, rows)])
        return "\n".join([self.sentence, "", *lines, *noted, *refused, *([self.note] if self.note else [])])

    def to_frame(self) -> "pandas.DataFrame":
        """Return a pandas DataFrame with one row per fix, the best first, and one for the network without a fix."""
        import pandas as pd

        names = ("name", "fix", "lr", "loss", "low", "high", "ratio", "changed", "diverged", "helps", "note")
        rows = sorted((*self.fixes, self.baseline), key=place_of)
        return pd.DataFrame([{name: getattr(one, name) for name in names} for one in rows], columns=list(names))


def row_of(one: RankedFix) -> tuple[str, ...]:
    """Return a fix as a row of the table with the header `HEAD`."""
    loss = f"{one.diverged} of {len(one.losses)} diverged" if one.diverged else number(one.loss, 3)
    low, high = number(one.low, 3), number(one.high, 3)
    if low != high and not one.diverged:
        loss += f" ({low} to {high})"
    changed = "not known" if one.changed != one.changed else percent(one.changed) if one.changed else "none"
    helps = "" if one.name == WITHOUT else "yes" if one.helps else "no"
    return one.name, helps, loss, number(one.lr, 3), changed


def place_of(one: RankedFix) -> tuple[float, float]:
    """Return the sort key of a ranking: the best comes first."""
    return one.loss, one.high
