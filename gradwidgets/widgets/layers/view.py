"""The base of the views of a network: a column of controls, computation, a picture and words."""

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
from gradwidgets.widgets.controls import Control, Fold, Looks, Maker
from gradwidgets.widgets.controls.maker import LEADS, STRIP
from gradwidgets.widgets.helps.layers_help import HELPS
from gradwidgets.widgets.kernel.kept import Kept
from gradwidgets.widgets.kernel.mainloop import call_soon
from gradwidgets.widgets.layers.network import Network, Version
from gradwidgets.widgets.layers.problem import FlowProblem, FlowResult, FlowSettings
from gradwidgets.widgets.panel.errors import Errors
from gradwidgets.widgets.panel.words import Words
from gradwidgets.widgets.panel.work import Work

_ABOUT = {"": "the network", "Show": "what is shown"}  # what a group of this title is about
Row = tuple[str, widgets.Widget]  # the name of the first setting in it, "" for none, and the row


@dataclass(frozen=True)
class Request:
    """The settings that a result depends on.

    Attributes:
        network: The settings of the network.
        version: The version of the user's model, which differs once it was changed.
        view: The name of the view.
        more: What else the view's result depends on, as its `more` returns it.
    """

    network: FlowSettings
    version: Version
    view: str
    more: Any = None


@dataclass(frozen=True, eq=False)
class ViewResult:
    """The measurement of a network, and the result of a view.

    Attributes:
        settings: The settings that it was computed for.
        measured: The network, layer by layer; None if the view needs no network.
        part: The view's own result, as its `compute` returns it; None if it has none.
        exact: Always true: there is no preview.
    """

    settings: Request
    measured: FlowResult | None
    part: Any = None
    exact: bool = True

    @property
    def flow(self) -> FlowResult:
        """The network, layer by layer; a ValueError if none was measured."""
        if self.measured is None:
            raise ValueError(f"the view {self.settings.view!r} measures no network")
        return self.measured


class Viewed(Protocol):
    """What views need to know about their panel: the settings that they read and set, and the work of their buttons.

    Attributes:
        view: The name of the view that is shown.
        fix: The name of the fix that is tried.
        lr: The learning rate.
        spike: The factor that the step's gradients are multiplied by before they are clipped.
        steps: The number of steps of the demonstration.
        selected: The place of the layer that is selected; None for none.
    """

    view: str
    fix: str
    lr: float
    spike: float
    steps: int
    selected: int | None

    @property
    def flow(self) -> LayerFlow:
        """The measurements, layer by layer."""

    def change(self, **settings: object) -> None:
        """Set several settings at once."""

    def refresh(self) -> None:
        """Update everything."""

    def measure_again(self) -> None:
        """Measure the model again after it was changed outside the panel."""

    def apply_fix(self) -> None:
        """Change the model itself as `fix` changed the copy."""

    def undo_fix(self) -> None:
        """Undo the last applied fix."""

    def train(self, *, wait: bool = False) -> None:
        """Begin the demonstration."""


@dataclass(frozen=True)
class Stage:
    """What the views of a panel share.

    Attributes:
        picture: The picture on which they draw, one at a time.
        network: The network that they show.
        errors: Where failures are shown.
        work: Computes their results, and shows them.
        say: Shows HTML instead of the words until the next picture.
        paint: Updates picture and words to the current view, `paint(settled=…)`, without computing a new result.
        copy: Copies text to the user's clipboard; the button of this name confirms it.
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
        """The result that is shown; None if it is of another network than the current one."""
        seen = self.work.shown
        known = seen is not None and (seen.settings.network, seen.settings.version) == self.network.now()
        return seen if known else None

    @property
    def shown_part(self) -> Any:
        """The view's own result that is shown; None if there is none."""
        return None if self.work.shown is None else self.work.shown.part


@dataclass(frozen=True)
class ViewSettings:
    """The settings of a view: they change how a result is shown, and not the result.

    Attributes:
        quantity: The quantity that is drawn over the layers.
        measure: How it is measured, "rms" or "norm".
        lr: The learning rate.
        selected: The place of the layer that is selected; None for none.
        pinned: The networks whose profiles are drawn for comparison, by name.
        guess: The decades that were guessed at the first and at the middle layer; None for those that are not drawn.
        clipper: The clipper whose elements are shown.
        thresholds: The threshold of each clipper, by its name.
        spike: The factor that the step's gradients are multiplied by before they are clipped.
        done: Sentences on the fixes that were applied to the network or undone.
        training: The record of a training, as the view's `training` returns it; None for none.
        settled: Whether logarithmic axes take the decades that fit best.
        theme: A key of `STYLES`.
        size: Width and height of the picture in CSS pixels.
        magnified: The factor by which text and lines are larger than usual.
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
    """A view of a network.

    `compute`, `derive`, `scene` and `words` depend only on their arguments, and so work without a panel. The other
    methods make the column of controls and handle what the user asks for with them.

    Args:
        panel: The panel whose settings it reads.
        stage: What it shares with the other views.

    Attributes:
        name: The label of its tab.
        about: A description of what it shows.
        names: The settings whose controls are in its column, in order; two menus in a tuple share a row.
        headed: The first setting of a group → the group's heading; "" where the setting's name is one.
        folded: Those of the names that are rarely touched, a fold each.
        figure_type: The class of the figure that draws its scenes.
        needs_flow: Whether it needs the measurement of the network.
        body: The column of controls.
        figure: The figure that draws its scenes.
        kept: The cache of what was derived last.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    names: ClassVar[tuple[str | tuple[str, ...], ...]] = ()
    headed: ClassVar[Mapping[str, str]] = {}
    folded: ClassVar[tuple[tuple[str, ...], ...]] = ()
    figure_type: ClassVar[type[SceneFigure[Any]]]
    needs_flow: ClassVar[bool] = True

    def __init__(self, panel: Viewed, stage: Stage) -> None:
        self.panel, self.stage = panel, stage
        self.figure: SceneFigure[Any] = self.figure_type(stage.picture)
        self.kept = Kept()
        self._buttons: dict[str, widgets.Button] = {}
        self._groups: list[tuple[widgets.Box, list[Row]]] = []
        self._folds: list[Fold] = []

    # -- controls -----------------------------------------------------------------------------------------

    def column(self, controls: Mapping[str, Control], make: Maker) -> widgets.Box:
        """Make the view's column of controls."""
        folded = {name for names in self.folded for name in names}
        rows: list[Row] = []
        for name in self.names:
            first = name if isinstance(name, str) else name[0]
            if first in self.headed or not self._groups:
                rows = []
                title = self.headed.get(first, "")
                said = HELPS.get((self.name, first), "")
                self._groups.append((make.group(title=title, about=_ABOUT.get(title, title.lower()), said=said), rows))
            if self.headed.get(first) == "":
                controls[first].add_class(LEADS)
            if first not in folded:
                rows.append((first, self._row(name, controls, make)))
        self._groups[0][1].extend(("", extra) for extra in self.extras(make.looks))
        self._folds = [make.fold(", ".join, *(controls[name] for name in names)) for names in self.folded]
        self._pills = make.box("folds", *(part for fold in self._folds for part in fold.parts), across=True)
        self.body = make.box("body")
        self.leave_out(())
        return self.body

    def _row(self, name: str | tuple[str, ...], controls: Mapping[str, Control], make: Maker) -> widgets.Widget:
        if isinstance(name, str):
            return controls[name]
        pair = make.pair(*(controls[one] for one in name))
        make.strip(pair)
        return pair

    def leave_out(self, names: Sequence[str]) -> None:
        """Show the column without the controls of these settings, which have no meaning for the current network."""
        if any(one.comm is None for one in self.everything()):
            return  # some are closed already, as garbage is collected in any order
        shown = []
        for group, rows in self._groups:
            heading = [one for one in group.children if all(one is not row for _, row in rows)]
            there = [row for name, row in rows if name not in names]
            first = 1 if there and LEADS in there[0]._dom_classes else 0  # it is the heading
            _hold(group, [*there[:first], *heading, *there[first:]])
            shown += [group] if there else []
        for fold in self._folds:
            fold.leave_out(names)
        _hold(self.body, [*shown, self._pills])

    def everything(self) -> list[widgets.Widget]:
        """Return all widgets of the column, including those that are left out."""
        rows = [one for group, rows in self._groups for one in (group, *(row for _, row in rows))]
        inside = [control for fold in self._folds for control in fold.controls.values()]
        return [self.body, *rows, self._pills, *inside]

    def extras(self, looks: Looks) -> list[widgets.Widget]:
        """Return the widgets below the controls."""
        return []

    def button(self, text: str, tooltip: str, work: Callable[[], None], looks: Looks) -> widgets.Button:
        """Make a button; whatever fails when it is pressed is shown in the panel."""
        plain, style = looks.layout(), looks.of(widgets.ButtonStyle)
        made = widgets.Button(description=text, tooltip=tooltip, layout=plain, style=style)
        made.on_click(lambda _: call_soon(lambda: self.stage.errors.pressed(work)))
        self._buttons[text] = made
        return made

    def buttons(self, looks: Looks, *buttons: widgets.Button) -> widgets.Box:
        """Lay out buttons in rows."""
        return widgets.HBox(buttons, layout=looks.layout(), _dom_classes=("gradwidgets-row", STRIP))

    def hint(self, looks: Looks, content: str = "") -> widgets.HTML:
        """Make a line of small print."""
        return widgets.HTML(content, layout=looks.layout(), _dom_classes=("gradwidgets-words",))

    def allow(self, text: str, allowed: bool, reason: str = "") -> None:
        """Enable or disable a button; the tooltip of a disabled one gives the reason."""
        made = self._buttons[text]
        tip = getattr(made, "plain_tooltip", None) or made.tooltip
        made.plain_tooltip, made.disabled, made.tooltip = tip, not allowed, tip if allowed else reason

    def show_controls(self) -> None:
        """Update the widgets below the controls."""

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
        """Compute what depends on the settings of the view too, and is shown.

        Args:
            problem: The network and its batch.
            seen: The result.
            how: The settings of the view.
            kept: A cache of what was computed before.
        """
        return None

    @staticmethod
    def scene(seen: ViewResult, derived: Any, how: ViewSettings) -> Framed:
        """Return the picture of a result.

        Args:
            seen: The result.
            derived: What `derive` returned for it.
            how: The settings of the view.
        """
        raise NotImplementedError

    @staticmethod
    def words(seen: ViewResult, derived: Any, how: ViewSettings) -> Words:
        """Return the words of a result; arguments as for `scene`."""
        raise NotImplementedError

    # -- for a panel ------------------------------------------------------------------------------------------

    def more(self) -> Any:
        """Return what the view's result depends on besides the network; it must support ==."""
        return None

    def work(self, flow: FlowResult, more: Any) -> Slices[Any]:
        """Compute the view's own result, in slices, except for what is known already."""
        return self.compute(self.stage.network.problem, flow, more)

    @property
    def computes(self) -> bool:
        """Whether the view has its own result, for which the model is called once more."""
        return type(self).compute is not View.compute

    def stopped(self) -> None:
        """React to a Stop of the computation."""

    def ask_no_more(self) -> None:
        """Withdraw requests that were not answered."""

    def done(self) -> tuple[str, ...]:
        """Return sentences on what was done to the network here."""
        return ()

    def training(self, *, settled: bool) -> Any:
        """Return the record of a training, judged now if it is `settled`; None if there is none."""
        return None

    def code(self) -> list[str]:
        """Return lines of a script that does the same with `model`, `inputs`, `targets` and `loss_fn`."""
        raise NotImplementedError

    def click(self, event: MouseEvent) -> bool:
        """Handle a press or a drag on the picture; return whether it changed anything."""
        return False


def _hold(box: widgets.Box, children: Sequence[widgets.Widget]) -> None:
    """Show these widgets in a box, if it does not show them already."""
    if tuple(children) != box.children:
        box.children = tuple(children)
