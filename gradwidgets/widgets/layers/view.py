"""What every view of a network has: a column of controls, work, a picture, words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import ipywidgets as widgets
from matplotlib.backend_bases import MouseEvent

from gradwidgets.core.layers import LayerFlow
from gradwidgets.core.results.slices import Slices
from gradwidgets.figures.base.notebook_figure import Picture
from gradwidgets.figures.base.scene_figure import Framed, SceneFigure
from gradwidgets.widgets.controls import WIDTH, Control, Looks
from gradwidgets.widgets.kernel.kept import Kept
from gradwidgets.widgets.kernel.mainloop import call_soon
from gradwidgets.widgets.layers.network import Network, Version
from gradwidgets.widgets.layers.problem import FlowProblem, FlowResult, FlowSettings
from gradwidgets.widgets.panel.errors import Errors
from gradwidgets.widgets.panel.words import Words
from gradwidgets.widgets.panel.work import Work


@dataclass(frozen=True)
class Request:
    """What a result depends on.

    Attributes:
        network: Which network.
        version: Tells whether the user's model was changed since.
        view: How it is looked at.
        more: What else that depends on, as the view's own `more` returns it.
    """

    network: FlowSettings
    version: Version
    view: str
    more: Any = None


@dataclass(frozen=True, eq=False)
class ViewResult:
    """A network, measured, and what a view found out besides.

    Attributes:
        settings: What it was computed for.
        measured: The network, layer by layer; None where the view needs none.
        part: The view's own result, as its `compute` returns it; None where it has none.
        exact: Always true: there is no preview.
    """

    settings: Request
    measured: FlowResult | None
    part: Any = None
    exact: bool = True

    @property
    def flow(self) -> FlowResult:
        """The network, layer by layer; a ValueError where none was measured."""
        if self.measured is None:
            raise ValueError(f"the view {self.settings.view!r} measures no network")
        return self.measured


class Viewed(Protocol):
    """A panel as far as its views must know it: settings that they follow and set, and what their buttons do.

    Attributes:
        view: The name of the view that is shown.
        fix: What the doctor tries.
        lr: Learning rate.
        spike: What the step's gradients are multiplied by before they are clipped.
        steps: Of the demonstration.
        selected: Which of the layers shown is looked at; None for none.
    """

    view: str
    fix: str
    lr: float
    spike: float
    steps: int
    selected: int | None

    @property
    def flow(self) -> LayerFlow:
        """What was measured."""

    def change(self, **settings: object) -> None:
        """Set several settings at once."""

    def refresh(self) -> None:
        """Bring everything up to date."""

    def measure_again(self) -> None:
        """Measure a model anew that was changed outside."""

    def apply_fix(self) -> None:
        """Change the model itself as `fix` changed the copy."""

    def undo_fix(self) -> None:
        """Take that back."""

    def train(self, *, wait: bool = False) -> None:
        """Begin the demonstration."""


@dataclass(frozen=True)
class Stage:
    """What the views of a panel share.

    Attributes:
        picture: On which they draw, one at a time.
        network: What they look at.
        errors: Where it is said what failed.
        work: What computes and shows them.
        say: Puts HTML in the place of the words until the next picture.
        paint: Brings picture and words to what the present view shows by itself; `paint(settled=…)`.
        copy: Puts text on the reader's clipboard, by a button of this name.
    """

    picture: Picture
    network: Network
    errors: Errors
    work: Work[Request, ViewResult]
    say: Callable[[str], None]
    paint: Callable[..., None]
    copy: Callable[[str, widgets.Button, str], None]

    @property
    def shown_here(self) -> ViewResult | None:
        """What is shown, where that is of the present network; else None."""
        seen = self.work.shown
        known = seen is not None and (seen.settings.network, seen.settings.version) == self.network.now()
        return seen if known else None

    @property
    def shown_part(self) -> Any:
        """What the present view found out by itself and shows; None for nothing."""
        return None if self.work.shown is None else self.work.shown.part


@dataclass(frozen=True)
class ViewSettings:
    """How a result is looked at.

    Attributes:
        quantity: What is drawn over the layers.
        measure: Of it, "rms" or "norm".
        lr: Learning rate.
        selected: Which of the layers shown is looked at; None for none.
        pinned: Name → the networks that are compared with.
        guess: What was guessed at the first and the middle layer, in decades; None where nothing is to be seen of it.
        clipper: Whose elements are shown.
        thresholds: Clipper → its threshold.
        spike: What the step's gradients are multiplied by before they are clipped.
        done: What was applied to the network and taken back, in sentences.
        training: What was recorded of a training, as the view's own `training` returns it; None for none.
        settled: Whether logarithmic axes take the decades that fit best.
        theme: A key of `STYLES`.
        size: Width and height of the picture in CSS pixels.
        magnified: How much larger than usual text and lines are.
        covered: Whether the picture is to be guessed first.
    """

    quantity: str = "weight gradient"
    measure: str = "rms"
    lr: float = 0.01
    selected: int | None = None
    pinned: Mapping[str, FlowResult] = field(default_factory=dict)
    guess: tuple[float | None, float | None] = (None, None)
    clipper: str = "norm"
    thresholds: Mapping[str, float] = field(default_factory=dict)
    spike: float = 1.0
    done: tuple[str, ...] = ()
    training: Any = None
    settled: bool = True
    theme: str = "light"
    size: tuple[int, int] = (600, 470)
    magnified: float = 1.0
    covered: bool = False


class View:
    """One way of looking at a network.

    What is computed, drawn and said follows from a result and from how it is looked at: `compute`, `derive`, `scene`
    and `words` ask no panel. The rest is the column of controls, and what is asked for with them.

    Args:
        panel: Whose settings it follows.
        stage: What it shares with the other views.

    Attributes:
        name: Of the tab.
        about: What it shows, in plain words.
        names: The settings whose controls stand in its column, in order; two in a tuple share a row.
        figure_type: What draws its scenes.
        needs_flow: Whether the network is measured for it.
        body: The column.
        figure: The artists.
        kept: What was derived last.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    names: ClassVar[tuple[str | tuple[str, ...], ...]] = ()
    figure_type: ClassVar[type[SceneFigure[Any]]]
    needs_flow: ClassVar[bool] = True

    def __init__(self, panel: Viewed, stage: Stage) -> None:
        self.panel, self.stage = panel, stage
        self.figure: SceneFigure[Any] = self.figure_type(stage.picture)
        self.kept = Kept()
        self._buttons: dict[str, widgets.Button] = {}
        self._rows: list[tuple[str, widgets.Widget]] = []

    # -- controls -----------------------------------------------------------------------------------------

    def column(self, controls: Mapping[str, Control], looks: Looks) -> widgets.VBox:
        """Make the view's column."""
        for name in self.names:
            if isinstance(name, tuple):
                row = [controls[one] for one in name]
                self._rows.append((name[0], widgets.HBox(row, layout=looks.layout(width=f"{WIDTH}px"))))
            else:
                self._rows.append((name, controls[name]))
        self._rows += [("", extra) for extra in self.extras(looks)]
        self.body = widgets.VBox([row for _, row in self._rows])
        return self.body

    def leave_out(self, names: Sequence[str]) -> None:
        """Show the column without the controls of these settings, which mean nothing at present."""
        rows = tuple(row for name, row in self._rows if name not in names)
        if any(one.comm is None for one in (self.body, *rows)):
            return  # garbage is collected in any order: some of it is closed already
        if rows != self.body.children:
            self.body.children = rows

    def everything(self) -> list[widgets.Widget]:
        """All rows, those that are left out too."""
        return [row for _, row in self._rows]

    def extras(self, looks: Looks) -> list[widgets.Widget]:
        """Return what stands below the controls."""
        return []

    def button(self, text: str, tooltip: str, work: Callable[[], None], looks: Looks, width: int) -> widgets.Button:
        """Make a button; whatever fails when it is pressed is shown in the panel."""
        layout, style = looks.layout(width=f"{width}px", margin="2px 3px 2px 0"), looks.of(widgets.ButtonStyle)
        made = widgets.Button(description=text, tooltip=tooltip, layout=layout, style=style)
        made.on_click(lambda _: call_soon(lambda: self.stage.errors.pressed(work)))
        self._buttons[text] = made
        return made

    def allow(self, text: str, allowed: bool, reason: str = "") -> None:
        """Enable or disable a button; the tooltip of a disabled one says why."""
        made = self._buttons[text]
        tip = getattr(made, "plain_tooltip", None) or made.tooltip
        made.plain_tooltip, made.disabled, made.tooltip = tip, not allowed, tip if allowed else reason

    def show_controls(self) -> None:
        """Bring what is no setting's control up to date."""

    # -- from a result to what is seen ----------------------------------------------------------------------

    @staticmethod
    def compute(problem: FlowProblem, flow: FlowResult, more: Any) -> Slices[Any]:
        """Compute the view's own result, in slices.

        Args:
            problem: The network and its batch.
            flow: The network, layer by layer.
            more: What else the result depends on.
        """
        return None
        yield

    @staticmethod
    def derive(problem: FlowProblem, seen: ViewResult, how: ViewSettings, kept: Kept) -> Any:
        """Compute what depends on how the result is looked at, and is shown.

        Args:
            problem: The network and its batch.
            seen: The result.
            how: How it is looked at.
            kept: What was computed before.
        """
        return None

    @staticmethod
    def scene(seen: ViewResult, derived: Any, how: ViewSettings) -> Framed:
        """What the picture is of a result.

        Args:
            seen: The result.
            derived: What `derive` made of it.
            how: How it is looked at.
        """
        raise NotImplementedError

    @staticmethod
    def words(seen: ViewResult, derived: Any, how: ViewSettings) -> Words:
        """What the words are of a result; arguments as for `scene`."""
        raise NotImplementedError

    # -- for a panel ------------------------------------------------------------------------------------------

    def more(self) -> Any:
        """Return what the view's result depends on besides the network; comparable."""
        return None

    def work(self, flow: FlowResult, more: Any) -> Slices[Any]:
        """Compute the view's own result, in slices, but for what is known already."""
        return self.compute(self.stage.network.problem, flow, more)

    @property
    def computes(self) -> bool:
        """Whether the view has a result of its own, for which the model is called once more."""
        return type(self).compute is not View.compute

    def stopped(self) -> None:
        """Hear that the computation was stopped."""

    def ask_no_more(self) -> None:
        """Be content with what was found."""

    def done(self) -> tuple[str, ...]:
        """Return what was done to the network here, in sentences."""
        return ()

    def training(self, *, settled: bool) -> Any:
        """Return what is recorded of a training, judged now where it is `settled`; None where there is none."""
        return None

    def code(self) -> list[str]:
        """Return lines of a script that does the same with `model`, `inputs`, `targets` and `loss_fn`."""
        raise NotImplementedError

    def click(self, event: MouseEvent) -> bool:
        """Take a press or a drag on the picture; return whether it means anything."""
        return False
