"""What every view of a network has: a column of controls, work, a picture, words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import ipywidgets as widgets

from gradwidgets.core.results.slices import Slices
from gradwidgets.figures.base.redraw import Redraw
from gradwidgets.widgets.controls import WIDTH, Control, Looks
from gradwidgets.widgets.kernel.mainloop import call_soon
from gradwidgets.widgets.layers.problem import FlowResult, FlowSettings


@dataclass(frozen=True)
class Request:
    """What a result depends on.

    Attributes:
        network: Which network.
        version: Tells whether the user's model was changed since.
        view: How it is looked at.
        more: What else that depends on.
    """

    network: FlowSettings
    version: tuple
    view: str
    more: object = None


@dataclass(frozen=True, eq=False)
class ViewResult:
    """A network, measured, and what a view found out besides.

    Attributes:
        settings: What it was computed for.
        flow: The network, layer by layer.
        part: The view's own result; None where it has none.
        exact: Always true: there is no preview.
    """

    settings: Request
    flow: FlowResult
    part: object = None
    exact: bool = True


class View:
    """One way of looking at a network.

    Args:
        panel: Whose settings it follows.

    Attributes:
        name: Of the tab.
        about: What it shows, in plain words.
        names: The settings whose controls stand in its column, in order; two in a tuple share a row.
        body: The column.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    names: ClassVar[tuple[str | tuple[str, ...], ...]] = ()

    def __init__(self, panel) -> None:
        self.panel = panel
        self.figure = self.make_figure(panel.figure_shared)
        self._buttons: dict[str, widgets.Button] = {}
        self._rows: list[tuple[str, widgets.Widget]] = []

    def make_figure(self, figure):
        """Make the picture's artists' owner, with `build(style)`."""
        raise NotImplementedError

    # -- controls -----------------------------------------------------------------------------------------

    def column(self, controls: dict[str, Control], looks: Looks) -> widgets.VBox:
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
        made.on_click(lambda _: call_soon(lambda: self.panel.pressed(work)))
        self._buttons[text] = made
        return made

    def allow(self, text: str, allowed: bool, reason: str = "") -> None:
        """Enable or disable a button; the tooltip of a disabled one says why."""
        made = self._buttons[text]
        tip = getattr(made, "plain_tooltip", None) or made.tooltip
        made.plain_tooltip, made.disabled, made.tooltip = tip, not allowed, tip if allowed else reason

    def show_controls(self) -> None:
        """Bring what is no setting's control up to date."""

    # -- what is seen -------------------------------------------------------------------------------------

    def more(self) -> object:
        """Return what the view's result depends on besides the network; comparable."""
        return None

    def work(self, flow: FlowResult, more: object) -> Slices[object]:
        """Compute the view's own result, in slices."""
        return None
        yield

    def draw(self, seen: ViewResult, settle: bool) -> Redraw:
        """Change the picture; return the axes to draw again and whether all must be."""
        raise NotImplementedError

    def facts(self, seen: ViewResult) -> list[str]:
        """Return what there is to say, sentence by sentence, plain text."""
        raise NotImplementedError

    def words(self, seen: ViewResult) -> str:
        """Return the same as HTML, everything escaped."""
        raise NotImplementedError

    def code(self) -> list[str]:
        """Return lines of a script that does the same with `model`, `inputs`, `targets` and `loss_fn`."""
        raise NotImplementedError

    def click(self, event) -> bool:
        """Take a press or a drag on the picture; return whether it means anything."""
        return False
