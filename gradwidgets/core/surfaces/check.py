"""Checks one loss: its surface, a table at representative inputs and a verdict, for a person or for a test suite."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from gradwidgets.core.losses.directions import along
from gradwidgets.core.objectives.axes import check_loss_axes
from gradwidgets.core.objectives.objective import Objective
from gradwidgets.core.results.allowed import check_flag, is_number
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.progress import finish_with_bar
from gradwidgets.core.results.result import Result
from gradwidgets.core.results.wording import number, percent
from gradwidgets.core.subject.held.certificate import Certificate
from gradwidgets.core.subject.home import at_home
from gradwidgets.core.subject.untouched import Untouched
from gradwidgets.core.surfaces.allowing import allowed_names, allowing
from gradwidgets.core.surfaces.checking import checking
from gradwidgets.core.surfaces.pairs import PairsReport, checking_pairs
from gradwidgets.core.surfaces.patterns.ends.target import Target
from gradwidgets.core.surfaces.patterns.flat.ground import dead_share
from gradwidgets.core.surfaces.patterns.look import Look
from gradwidgets.core.surfaces.patterns.mismatch import is_meant
from gradwidgets.core.surfaces.probe import ProbeRow
from gradwidgets.core.surfaces.proportion import OUT
from gradwidgets.core.surfaces.report_text import as_markdown, as_page, as_text, is_ok, marks
from gradwidgets.core.surfaces.surface import SurfaceGrid

if TYPE_CHECKING:
    import pandas

Axes = Mapping[str, tuple[float, float]]


@dataclass(frozen=True, eq=False, repr=False)
class LossReport(Result):
    """The report on a loss.

    Attributes:
        name: The loss's name.
        grid: Its surface and gradient field.
        rows: The table at representative inputs.
        findings: The verdict, worst first.
        certificate: The proof that everything that the loss holds is unchanged.
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

    def to_frame(self) -> "pandas.DataFrame":
        """The table as a pandas DataFrame, a row per `ProbeRow`; the inputs' columns have the parameters' names."""
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
        """The report as Markdown: a heading with the verdict, a list of the findings, a table with a line per input.

        Returns:
            The text, with a newline at its end. Special characters in names and messages are escaped.
        """
        return as_markdown(self.name, self.grid, self.findings, self.rows)

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """Write the report as one self-contained page: verdict, picture, findings, notes and table, light and dark.

        The loss is not called again. The page needs no other file, fetches nothing and runs nothing.

        Args:
            path: The file to write; an existing one is replaced.

        Returns:
            The path.

        Raises:
            TypeError: `path` is not a path.
            OSError: The file cannot be written: FileNotFoundError if there is no such folder.
        """
        from gradwidgets.figures.base.style import STYLES
        from gradwidgets.figures.surface.report_picture import report_picture

        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(f"path must be a path, such as a string; got {path!r:.60}")
        path, marked = Path(path), marks(self.findings)
        pictures = {theme: report_picture(self.grid, marked, style) for theme, style in STYLES.items()}
        page = as_page(self.name, self.grid, self.findings, self.rows, pictures)
        # UTF-8 cannot encode half of a surrogate pair, but that must not keep a report from being written.
        path.write_text(page, encoding="utf-8", errors="xmlcharrefreplace", newline="\n")
        return path

    def __str__(self) -> str:
        """The verdict and the table as text."""
        return as_text(self.name, self.grid, self.findings, self.rows, ok=self.ok)


@at_home
def check_loss(
    loss: Callable[..., torch.Tensor] | Objective,
    axes: Axes,
    *,
    fixed: Mapping[str, object] | None = None,
    probes: Mapping[str, object] | None = None,
    target: Target | None = None,
    resolution: int | None = None,
    dtype: torch.dtype | str = "float32",
    seconds: float | None = None,
    directions: Mapping[str, torch.Tensor] | None = None,
    pairs: bool = False,
    allow: Iterable[str] = (),
) -> LossReport | PairsReport:
    """Say what is wrong with a loss, or that nothing is.

    A check that takes longer than a second shows a progress bar, if tqdm is installed.

    Args:
        loss: Any callable that takes tensors by name; see `sample_surface`.
        axes: One or two of its parameters, name → (low, high); with `pairs` three and more.
        fixed: Its other parameters.
        probes: Further inputs for the table; see `probe`.
        target: Where it should lead; see `find_patterns`.
        resolution: Grid points along each axis of the picture; no verdict depends on it. None for 81, or 41 for a loss
            that must be called point by point.
        dtype: The precision of the training: the loss is evaluated in it, as under autocast, as well as in float64.
            "float32", "float16" or "bfloat16", or torch's dtype.
        seconds: About how long the check may take. For a loss that must be called point by point, or that has much
            data, the grid is then coarser, and parts for which there is no time are left out; the notes say so. None
            for no limit.
        directions: For a loss of a whole tensor, say logits of shape (B, C): axis → a tensor of that shape. The axes
            are then multiples of these, added to the tensor in `fixed` that has their shape, or to zeros.
        pairs: Whether to check every pair of three or more axes, the others held near the middle of their range.
        allow: Names in `PATTERNS` to accept, such as "saddle": their findings are listed as allowed, as infos.

    Returns:
        The report; `print` it, or ask for its `ok`. With `pairs`, a report on all pairs, with the worst three in its
        text.

    Raises:
        TypeError: As in `sample_surface`, `probe` and `find_patterns`.
        ValueError: Likewise; or `seconds` is not above 0, an argument does not go with `pairs`, or `allow` has an
            unknown name.
        LossError: The loss cannot be evaluated at all; it is a ValueError.
    """
    if isinstance(loss, Mapping):
        raise TypeError(f"check_loss takes one loss; call it for each of {', '.join(map(repr, loss))}")
    if seconds is not None and not (is_number(seconds) and seconds > 0):
        raise ValueError(f"seconds must be a number above 0, or None; got {seconds!r:.60}")
    check_flag("pairs", pairs)
    allowed = allowed_names(allow)
    if pairs:
        alone = {"probes": probes, "target": target, "resolution": resolution, "directions": directions}
        given = [name for name, value in alone.items() if value is not None]
        if given:
            raise ValueError(f"{given[0]} does not go with pairs=True: check one pair by itself")
    with Untouched(loss, fixed) as block, block.again():
        if pairs:
            each = checking_pairs(loss, axes, fixed, allowed, dtype=dtype, seconds=seconds)
            return finish_with_bar(each, "check_loss")
        one: Callable[..., object] | Objective = loss
        if directions is not None:
            one, fixed = along(loss, check_loss_axes(axes), fixed, directions)
        work = checking(
            one, axes, fixed=fixed, probes=probes, target=target, resolution=resolution, dtype=dtype, seconds=seconds
        )
        done = finish_with_bar(work, "check_loss")
    grid = done.grid
    if directions is not None:
        grid = replace(grid, notes=(f"{getattr(one, 'moved', '')} is moved along the directions", *grid.notes))
    return LossReport(done.name, grid, done.rows, allowing(done.findings, allowed), block.certificate)


@at_home
def assert_loss(
    loss: Callable[..., torch.Tensor] | Objective,
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
    """Fail, with the evidence, if something is wrong with a loss; for a test suite.

    Args:
        loss: As in `check_loss`.
        axes: As in `check_loss`.
        max_dead: The share of the view that may be dead.
        finite: Whether it must be finite in all of the view.
        allow: As in `check_loss`.
        fixed: As in `check_loss`.
        probes: As in `check_loss`; at each of them there must be a finite gradient, and one that is not zero unless
            the loss is at its lowest in view.
        target: As in `check_loss`.
        resolution: As in `check_loss`.
        dtype: As in `check_loss`.
        directions: As in `check_loss`.

    Raises:
        AssertionError: Something is wrong; the message says what, and then the report.
        ValueError: As in `check_loss`.
        TypeError: As in `check_loss`.
    """
    __tracebackhide__ = True  # pytest then shows the test and the evidence, not this frame
    check_flag("finite", finite)
    if not (is_number(max_dead) and 0 <= max_dead <= 1):
        raise ValueError(f"max_dead must be a share from 0 to 1; got {max_dead!r:.60}")
    allowed = allowed_names(allow)
    report = check_loss(
        loss, axes, fixed=fixed, probes=probes, target=target, resolution=resolution, dtype=dtype,
        directions=directions, allow=allowed,
    )  # fmt: skip
    if not isinstance(report, LossReport):
        raise TypeError("assert_loss takes one or two axes")  # no pairs were asked for
    wrong = [
        f"{finding.name}: {finding.message}. {finding.action}"
        for finding in report.findings
        if finding.severity in ("warning", "error")
        and not (finding.name == "non_finite" and not finite)
        and not (finding.name == "dead_zone" and finding.evidence["share"] <= max_dead)
    ]
    look = Look(report.grid, target)
    dead = dead_share(look)
    held = any(is_meant(one) for one in report.findings)  # then the gradient is not the loss's on purpose
    if (
        dead > max_dead
        and not held
        and "dead_zone" not in allowed
        and not any(text.startswith("dead_zone") for text in wrong)
    ):
        wrong.append(f"dead_zone: {percent(dead)} of the view is dead, above {percent(max_dead)}")
    lowest = min([look.lowest, *(row.loss for row in report.rows if row.input_name == "converged")])
    for row in report.rows:
        # Where the loss is lowest there is nothing to descend.
        arrived = row.flag == "zero gradient" and row.loss <= lowest + 1e-9 * look.height
        if row.input_name in (probes or {}) and row.flag not in ("", OUT) and not arrived:
            inputs = ", ".join(f"{name} {number(value)}" for name, value in row.inputs.items())
            wrong.append(f"{row.flag} for {row.parameter} at {row.input_name!r} ({inputs})")
    if wrong:
        # An error at a probe is no finding, so a finding that all is well shaped must not be listed beside it.
        listed = [finding for finding in report.findings if finding.severity != "ok"]
        evidence = as_text(report.name, report.grid, listed, report.rows, ok=False)
        raise AssertionError("\n".join([f"{report.name}: {len(wrong)} wrong", *wrong, "", evidence]))
