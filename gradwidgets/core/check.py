"""One loss, checked: its surface, a table at inputs that tell, a verdict; for the eye or for a test suite."""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from numbers import Real
from pathlib import Path

import torch

from gradwidgets.core.axes import check_loss_axes
from gradwidgets.core.directions import along
from gradwidgets.core.finding import Finding, worst_first
from gradwidgets.core.loss_function import LossFunction, as_function
from gradwidgets.core.non_finite import blame
from gradwidgets.core.objective import Objective
from gradwidgets.core.patterns.ground import dead_share
from gradwidgets.core.patterns.look import Look, Target
from gradwidgets.core.patterns.registry import PATTERNS, surveying
from gradwidgets.core.probe import ProbeRow, probing
from gradwidgets.core.progress import finish_with_bar
from gradwidgets.core.report_text import as_markdown, as_page, as_text, is_ok, marks
from gradwidgets.core.results import Result
from gradwidgets.core.slices import Slices, part_of, together
from gradwidgets.core.subject.certificate import Certificate
from gradwidgets.core.subject.home import at_home
from gradwidgets.core.subject.untouched import Untouched
from gradwidgets.core.surface import SurfaceGrid, sampling
from gradwidgets.core.wording import number, percent, place

Axes = Mapping[str, tuple[float, float]]

_TRIED = 5  # points along each axis from which it is told how long one takes
_GRID_SHARE = 0.3  # of a budget, for the grid


@dataclass(frozen=True, eq=False, repr=False)
class LossReport(Result):
    """What is to be said of a loss.

    Attributes:
        name: What the loss is called.
        grid: Its surface and gradient field.
        rows: The table at representative inputs.
        findings: The verdict, worst first.
        certificate: The proof that whatever the loss holds is as it was before.
    """

    name: str
    grid: SurfaceGrid
    rows: list[ProbeRow]
    findings: list[Finding]
    certificate: Certificate | None = field(default=None, compare=False, repr=False)

    @property
    def ok(self) -> bool:
        """Whether there is neither a warning nor an error among the findings."""
        return is_ok(self.findings)

    def to_frame(self):
        """The table as a pandas DataFrame, a row for each `ProbeRow`; the inputs' columns are the parameters' names."""
        import pandas

        rows = []
        for row in self.rows:
            said = {"component": row.component, "parameter": row.parameter, "input name": row.input_name}
            found = {"loss": row.loss, "gradient": row.gradient, "flag": row.flag}
            taken = {*said, *found}
            inputs = {f"{name} (input)" if name in taken else name: value for name, value in row.inputs.items()}
            rows.append({**said, **inputs, **found})
        return pandas.DataFrame(rows)

    def to_markdown(self) -> str:
        """The report as Markdown: a heading with the verdict, a list of the findings, the table with a line an input.

        Returns:
            The text, with a newline at its end. Whatever a name or a message holds means nothing but itself.
        """
        return as_markdown(self.name, self.grid, self.findings, self.rows)

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """Write the report as a page of its own: verdict, picture, findings, notes and table, light and dark.

        The loss is not called again. The page needs no other file, fetches nothing and runs nothing.

        Args:
            path: Where; a file that is there already is replaced.

        Returns:
            The path.

        Raises:
            OSError: It cannot be written there: FileNotFoundError where there is no such folder.
        """
        from gradwidgets.figures.report_picture import report_picture
        from gradwidgets.figures.style import STYLES

        path, marked = Path(path), marks(self.findings)
        pictures = {theme: report_picture(self.grid, marked, style) for theme, style in STYLES.items()}
        page = as_page(self.name, self.grid, self.findings, self.rows, pictures)
        # Half of a surrogate pair, which UTF-8 has no bytes for, must not keep a report from being written.
        path.write_text(page, encoding="utf-8", errors="xmlcharrefreplace", newline="\n")
        return path

    def __str__(self) -> str:
        """The verdict and the table as text."""
        return as_text(self.name, self.grid, self.findings, self.rows, ok=self.ok)


@at_home
def check_loss(
    loss: Callable | Objective,
    axes: Axes,
    *,
    fixed: Mapping[str, object] | None = None,
    probes: Mapping[str, object] | None = None,
    target: Target | None = None,
    resolution: int = 81,
    dtype: torch.dtype | str = "float32",
    seconds: float | None = None,
    directions: Mapping[str, torch.Tensor] | None = None,
) -> LossReport:
    """Say what is wrong with a loss, or that nothing is.

    What takes longer than a second shows how far it is, where tqdm is installed.

    Args:
        loss: Any callable that takes tensors by name; see `sample_surface`.
        axes: One or two of its parameters, name → (low, high).
        fixed: Its other parameters.
        probes: Inputs of one's own for the table; see `probe`.
        target: Where it should lead; see `find_patterns`.
        resolution: Grid points along each axis of the picture; no verdict depends on it.
        dtype: The precision of the training: the loss is looked at in it, as under autocast, beside float64. "float32",
            "float16" or "bfloat16", or torch's.
        seconds: About how long it may take, of a loss that must be called point by point: its grid is coarser then,
            what there is no time for is left out, and the notes say so. None for as long as it takes.
        directions: For a loss of a whole tensor, logits of shape (B, C) say: axis → a tensor of that shape. The axes
            are then amounts of these, added to the tensor in `fixed` that has their shape, or to zeros.

    Returns:
        The report; `print` it, or ask for its `ok`.

    Raises:
        TypeError: As in `sample_surface`, `probe` and `find_patterns`.
        ValueError: Likewise, or `seconds` is not above 0.
        LossError: The loss cannot be evaluated at all; a ValueError.
    """
    if isinstance(loss, Mapping):
        raise TypeError(f"check_loss takes one loss; call it for each of {', '.join(map(repr, loss))}")
    if seconds is not None and not (isinstance(seconds, Real) and not isinstance(seconds, bool) and seconds > 0):
        raise ValueError(f"seconds must be a number above 0, or None; got {seconds!r:.60}")
    with Untouched(loss, fixed) as block, block.again():
        if directions is not None:
            loss, fixed = along(loss, check_loss_axes(axes), fixed, directions)
        work = _checking(loss, axes, fixed, probes, target, resolution, dtype, seconds)
        name, *parts = finish_with_bar(work, "check_loss")
    return LossReport(name, *parts, block.certificate)


def _checking(
    loss: Callable | Objective,
    axes: Axes,
    fixed: Mapping[str, object] | None,
    probes: Mapping[str, object] | None,
    target: Target | None,
    resolution: int,
    dtype: torch.dtype | str,
    seconds: float | None,
) -> Slices[tuple[str, SurfaceGrid, list[ProbeRow], list[Finding]]]:
    """Name, grid, table and findings of a loss, in slices."""
    deadline = None if seconds is None else time.perf_counter() + seconds
    note = ""
    if seconds is not None:
        resolution, note = yield from _afforded(loss, axes, fixed, resolution, seconds)
    grid = yield from part_of(sampling(loss, axes, resolution, fixed=fixed), 0.0, 0.4)
    survey = yield from part_of(surveying(grid, target=target, dtype=dtype, deadline=deadline), 0.4, 0.5)
    if survey.left_out:
        note = f"{note}; " if note else f"within {number(seconds)} s, "
        note += f"there was no time for {', '.join(survey.left_out)}"
    if note:
        grid = replace(grid, notes=(*grid.notes, note))
    function = as_function(loss, grid.axes, fixed)
    rows = yield from part_of(together(probing(function, grid.axes, probes), function.kept), 0.9, 0.1)
    return function.name, grid, rows, obeying(survey.findings, function, rows)


def _afforded(
    loss: Callable | Objective, axes: Axes, fixed: Mapping[str, object] | None, resolution: int, seconds: float
) -> Slices[tuple[int, str]]:
    """How fine a grid there is time for, and a note where that is coarser than was asked for."""
    began = time.perf_counter()
    grid = yield from sampling(loss, axes, min(_TRIED, resolution), fixed=fixed)
    pace = (time.perf_counter() - began) / grid.loss.numel()
    if grid.method != "pointwise":
        return resolution, ""
    points = _GRID_SHARE * seconds / pace
    fine = max(_TRIED, min(resolution, int(points ** (1 / grid.loss.ndim))))
    return fine, "" if fine == resolution else f"coarse: within {number(seconds)} s, {fine} points along each axis"


def obeying(findings: list[Finding], function: LossFunction, rows: Iterable[ProbeRow]) -> list[Finding]:
    """Findings that know of what the table shows: a value that is not finite is never passed over.

    Args:
        findings: What was found.
        function: The loss.
        rows: The table.
    """
    bad = [row for row in rows if row.flag in ("non-finite loss", "non-finite gradient")]
    if not bad or any(one.name in ("non_finite", "precision", "singular") for one in findings):
        return findings
    point = tuple(bad[0].inputs.values())
    culprit = blame(function, torch.tensor(point, dtype=torch.float64))
    message = f"the {bad[0].flag.removeprefix('non-finite ')} is not finite at {place(bad[0].inputs, point)}"
    message += "" if culprit is None else f"; {culprit.sentence}"
    action = PATTERNS["non_finite"].action if culprit is None else culprit.action
    found = Finding("non_finite", "error", message, {"share": 0.0, "threshold": 0.0}, point, action)
    return worst_first([found, *(one for one in findings if one.name != "well_shaped")])


@at_home
def assert_loss(
    loss: Callable | Objective,
    axes: Axes,
    *,
    max_dead: float = 0.01,
    finite: bool = True,
    allow: Iterable[str] = (),
    fixed: Mapping[str, object] | None = None,
    probes: Mapping[str, object] | None = None,
    target: Target | None = None,
    resolution: int = 41,
    dtype: torch.dtype | str = "float32",
    directions: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """Fail, with the evidence, if a loss has something wrong: for a test suite.

    Args:
        loss: As in `check_loss`.
        axes: As in `check_loss`.
        max_dead: The share of the view that may be dead.
        finite: Whether all of it must be finite.
        allow: Names in `PATTERNS` that are accepted, "saddle" say.
        fixed: As in `check_loss`.
        probes: As in `check_loss`; at each of them there must be a finite gradient, and one that is not zero unless
            the loss is at its lowest in view.
        target: As in `check_loss`.
        resolution: As in `check_loss`.
        dtype: As in `check_loss`.
        directions: As in `check_loss`.

    Raises:
        AssertionError: Something is wrong; the message says what, and then the report.
        ValueError: As in `check_loss`, or `allow` holds a name that there is not.
        TypeError: As in `check_loss`.
    """
    __tracebackhide__ = True  # pytest then shows the test and the evidence, not this
    allowed = {allow} if isinstance(allow, str) else set(allow)
    unknown = sorted(allowed - set(PATTERNS))
    if unknown:
        raise ValueError(f"unknown pattern {unknown[0]!r}: choose among {', '.join(map(repr, PATTERNS))}")
    report = check_loss(
        loss, axes, fixed=fixed, probes=probes, target=target, resolution=resolution, dtype=dtype, directions=directions
    )
    wrong = [
        f"{finding.name}: {finding.message}. {finding.action}"
        for finding in report.findings
        if finding.severity in ("warning", "error")
        and finding.name not in allowed
        and not (finding.name == "non_finite" and not finite)
        and not (finding.name == "dead_zone" and finding.evidence["share"] <= max_dead)
    ]
    look = Look(report.grid, target)
    dead = dead_share(look)
    if dead > max_dead and "dead_zone" not in allowed and not any(text.startswith("dead_zone") for text in wrong):
        wrong.append(f"dead_zone: {percent(dead)} of the view is dead, above {percent(max_dead)}")
    lowest = min([look.lowest, *(row.loss for row in report.rows if row.input_name == "converged")])
    for row in report.rows:
        # Where the loss is lowest there is nothing to descend.
        arrived = row.flag == "zero gradient" and row.loss <= lowest + 1e-9 * look.height
        if row.input_name in (probes or {}) and row.flag and not arrived:
            inputs = ", ".join(f"{name} {number(value)}" for name, value in row.inputs.items())
            wrong.append(f"{row.flag} for {row.parameter} at {row.input_name!r} ({inputs})")
    if wrong:
        # What is wrong at a probe is no finding: that all else is well shaped must not be the verdict then.
        told = [finding for finding in report.findings if finding.severity != "ok"]
        evidence = as_text(report.name, report.grid, told, report.rows, ok=False)
        raise AssertionError("\n".join([f"{report.name}: {len(wrong)} wrong", *wrong, "", evidence]))
