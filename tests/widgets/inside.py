"""What tests look at inside a widget: each thing by one name here, so that a rename in the package is one line."""

import re
from collections.abc import Iterator

import ipywidgets
import numpy as np

from gradwidgets.widgets.kernel.main_thread import Turns
from gradwidgets.widgets.panel.errors import Errors
from gradwidgets.widgets.panel.files import FileButtons
from gradwidgets.widgets.panel.guess import Guess
from gradwidgets.widgets.panel.settings_panel import descendants
from gradwidgets.widgets.panel.work import Work

# -- what a page shows of it, found as a page finds it -----------------------------------------------------------


def words_of(panel) -> str:
    """The text below the picture, as HTML: `summary` has the same as plain text."""
    return panel.children[-1].value


def told_above(panel) -> str:
    """The badges above the picture, as HTML."""
    return next(one for one in descendants(panel) if "gradwidgets-verdicts" in getattr(one, "_dom_classes", ())).value


def told_parts_of(panel) -> list[ipywidgets.Widget]:
    """The badges, the head of the words and the words."""
    kinds = {"gradwidgets-verdicts", "gradwidgets-details", "gradwidgets-words"}
    return [one for one in descendants(panel) if kinds & set(getattr(one, "_dom_classes", ()))]


def error_line_of(panel) -> ipywidgets.HTML:
    """The line with the error: `error` does not tell whether it is escaped and seen."""
    return panel.children[-4]


def busy_row_of(panel) -> ipywidgets.HBox:
    """The row with the progress of long work, and Stop."""
    return panel.children[-3]


def is_busy(panel) -> bool:
    """Whether that row is seen."""
    return busy_row_of(panel).layout.display != "none"


def buttons_in(widget: ipywidgets.Widget) -> dict[str, ipywidgets.Button]:
    """The buttons that are shown in a widget, by what is written on them."""
    return {one.description: one for one in descendants(widget) if isinstance(one, ipywidgets.Button)}


def explanations_in(panel) -> list[str]:
    """What the question marks open, as HTML."""
    return [one.value for one in descendants(panel) if "gradwidgets-helped" in getattr(one, "_dom_classes", ())]


def cards_in(panel) -> dict[str, ipywidgets.Button]:
    """The buttons on the cards of the cures that were tried, by the cure's name."""
    cards = [one for one in descendants(panel) if "gradwidgets-cure" in getattr(one, "_dom_classes", ())]
    return {re.search("<b>(.*?)</b>", said.value)[1]: button for said, button in (card.children for card in cards)}


def press_stop(panel) -> None:
    """Press Stop in the row with the progress, as a page does."""
    tell(buttons_in(busy_row_of(panel))["Stop"], {"event": "click"})


def hidden_in(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    """What is shown in a widget, and hidden by the page's style sheet."""
    return (one for one in descendants(widget) if "gradwidgets-hidden" in getattr(one, "_dom_classes", ()))


def file_buttons_of(panel) -> FileButtons:
    """Save and Load, which a page draws itself and which send messages of their own."""
    return next(one for one in descendants(panel) if isinstance(one, FileButtons))


def tell(widget: ipywidgets.Widget, content: object, *buffers: bytes) -> None:
    """Send a widget a message, as its page does."""
    widget._handle_custom_msg(content, [memoryview(one) for one in buffers])


def constant_rows_of(explorer) -> list[ipywidgets.Widget]:
    """The rows of an explorer's constants, which are hidden where a loss has fewer."""
    constants = {one for name, one in explorer.controls.items() if name.startswith("constant ")}
    return [one for one in descendants(explorer) if constants & set(getattr(one, "children", ()))]


# -- the network that a layer panel looks at, by way of its views -------------------------------------------------


def network_of(panel):
    """Which network it is, and whether another thread trains it."""
    return next(iter(panel.views.values())).stage.network


def subject_of(panel) -> tuple:
    """Model, inputs, targets and loss function."""
    return panel.problem.network(network_of(panel).now()[0])


# -- what is private, as no user and no author of a panel needs it ------------------------------------------------


def work_of(panel) -> Work:
    """What computes and shows: to wait for it, and to see which result is shown, a preview too."""
    return panel._work


def settled(panel):
    """The exact result of the settings, whole: `trajectories`, `grids` and `flow` are parts of it."""
    return work_of(panel).settled()


def turns_of(panel) -> Turns:
    """What other threads have asked of the main one, which does it soon."""
    return panel._turns


def at_rest(panel) -> bool:
    """Whether nothing is left to be done, computed, sent or read: a user waits for a result alone, or for none."""
    canvas, live = panel.canvas, getattr(panel, "views", {}).get("live")
    training = live is not None and live.run is not None and live.run.active
    moved = any(control.moved for control in panel.controls.values())
    asked = turns_of(panel).owed or turns_of(panel).requested or canvas._inbox
    return not (training or moved or asked or work_of(panel).running or canvas._painter._wanted)


def shown_in_controls_of(panel) -> dict[str, object]:
    """What the controls show, without those that have no effect: `take` would forget that a person moved them."""
    return {name: control._read() for name, control in panel.controls.items() if control._wanted[0]}


def drawing_of(panel):
    """The artists of the picture, by what they mean: `figure` has them by their axes alone."""
    return panel._figure


def seen_state_of(panel):
    """All that decides what is seen now, as `render` takes it: `state()` holds the settings alone."""
    return panel._state()


def errors_of(panel) -> Errors:
    """Where errors are shown: to show one, and to clear it, without an action that would."""
    return panel._errors


def guess_of(panel) -> Guess | None:
    """The guess that is asked for: its question and its row; None without one."""
    return panel._guessing.guess


def view_settings_of(panel):
    """What a layer panel's views make a scene by, besides the result."""
    return panel._view_settings()


def names_on(surface_map) -> list:
    """The names of points that are seen on a map of a loss."""
    return [text for text in surface_map._names.texts if text.get_visible()]


def corners_of(path) -> np.ndarray:
    """The corners of a path on a map as it is drawn, in pixels, (P, 2)."""
    return path._layers[0].vertices


def blocks_in(row) -> int:
    """How many blocks a row of layers has: one a layer, or fewer where there is no room."""
    return len(row._places)


def pixels_of_blocks(row):
    """The picture that a row of blocks is, which is painted where something changes."""
    return row._pixels


def watch_growth(playground, see) -> None:
    """Call a function with the share of the paths that is seen, after each frame of their growth."""
    growth = growth_of(playground)
    draw = growth._draw
    growth._draw = lambda share: (draw(share), see(share))


def growth_of(playground):
    """What lets a playground's paths grow: a page shows it as frames alone."""
    return playground._growth


def wanted_size_of(panel) -> tuple[int, int]:
    """The size that the picture should have on its page."""
    return panel._frame.size
