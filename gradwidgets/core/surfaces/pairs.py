"""Checks a loss of three or more numbers over every pair of them, and shows the worst pairs."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from gradwidgets.core.objectives.axes import check_range
from gradwidgets.core.results.finding import SEVERITIES, Finding
from gradwidgets.core.results.result import Result
from gradwidgets.core.results.slices import Slices, part_of
from gradwidgets.core.results.wording import number
from gradwidgets.core.surfaces.allowing import allowing
from gradwidgets.core.surfaces.checking import Checked, checking

SHOWN = 3
_HELD = 0.59  # of its range: in the exact middle a factor is often 0, and what it multiplies would look unused
_COARSE = 21  # points along each axis: no verdict depends on it


@dataclass(frozen=True, eq=False, repr=False)
class Pair(Result):
    """A loss over two of its parameters, the others held.

    Attributes:
        axes: The two, name → (low, high).
        fixed: The others: the given ones, and the other axes at a value a little above their middle.
        findings: The verdict, worst first.
    """

    axes: dict[str, tuple[float, float]]
    fixed: dict[str, object]
    findings: list[Finding]

    @property
    def _badness(self) -> tuple[int, int]:
        ranks = [SEVERITIES.index(one.severity) for one in self.findings]
        return max(ranks, default=0), sum(rank >= SEVERITIES.index("warning") for rank in ranks)


@dataclass(frozen=True, eq=False, repr=False)
class PairsReport(Result):
    """The report on a loss over every pair of its parameters.

    Attributes:
        name: The loss's name.
        pairs: All pairs, worst first: `SurfaceExplorer(loss, pair.axes, fixed=pair.fixed)` opens one.
    """

    name: str
    pairs: list[Pair]

    @property
    def worst(self) -> list[Pair]:
        """The three worst pairs."""
        return self.pairs[:SHOWN]

    @property
    def ok(self) -> bool:
        """Whether no pair has a warning or an error."""
        return all(one.severity in ("ok", "info") for pair in self.pairs for one in pair.findings)

    def __str__(self) -> str:
        """The worst pairs with their verdicts, and how to open one."""
        lines = [f"{self.name} over {len(self.pairs)} pairs: {'ok' if self.ok else 'not ok'}; the worst:"]
        shown: list[str] = []  # an action for several pairs is shown once
        for k, pair in enumerate(self.worst):
            held = {name: value for name, value in pair.fixed.items() if isinstance(value, float)}
            beside = ", ".join(f"{name} {number(value)}" for name, value in held.items())
            lines.append(f"  {' and '.join(pair.axes)}{f', with {beside}' if beside else ''}")
            for one in pair.findings:
                lines.append(f"    {one.severity:7} {one.name}: {one.message}")
                lines += [f"            {one.action}"] if one.action and one.action not in shown else []
                shown.append(one.action)
            lines.append(f"    open it: pair = report.pairs[{k}]; SurfaceExplorer(loss, pair.axes, fixed=pair.fixed)")
        return "\n".join(lines)


def checking_pairs(
    loss: Callable[..., Tensor],
    axes: Mapping[str, object],
    fixed: Mapping[str, object] | None,
    allowed: Collection[str] = (),
    dtype: torch.dtype | str = "float32",
    seconds: float | None = None,
) -> Slices[PairsReport]:
    """Check every pair of axes, the others held a little above the middle of their range.

    Args:
        loss: Any callable that takes tensors by name.
        axes: Three or more of its parameters, name → (low, high).
        fixed: Its other parameters.
        allowed: The names of patterns to accept.
        dtype: As in `checking`.
        seconds: As in `checking`, for each pair.

    Raises:
        TypeError: `axes` does not map names to pairs of numbers.
        ValueError: There are fewer than three axes, or a range is not valid.
    """
    if not isinstance(axes, Mapping) or not all(isinstance(name, str) for name in axes):
        raise TypeError(f"axes must map parameter names to (low, high); got {axes!r:.80}")
    if len(axes) < 3:
        raise ValueError(f"pairs=True is for three axes and more; got {len(axes)}")
    ranges = {name: check_range(bounds, f"axes[{name!r}]") for name, bounds in axes.items()}
    chosen, pairs, name = list(combinations(ranges, 2)), [], ""
    for k, both in enumerate(chosen):
        held = {other: low + _HELD * (high - low) for other, (low, high) in ranges.items() if other not in both}
        one, given = {axis: ranges[axis] for axis in both}, {**(fixed or {}), **held}
        work = checking(loss, one, fixed=given, resolution=_COARSE, dtype=dtype, seconds=seconds)
        checked: Checked = yield from part_of(work, k / len(chosen), 1 / len(chosen))
        name = checked.name
        pairs.append(Pair(one, given, allowing(checked.findings, allowed)))
    return PairsReport(name, sorted(pairs, key=lambda pair: pair._badness, reverse=True))
