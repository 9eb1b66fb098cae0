"""Close panels that no page shows and that nothing references.

ipywidgets keeps every widget forever, with its model, figure and data: a cell that is run thirty times would leave
thirty panels. The page reports when the last view of one is gone for good (`Page.gone`); one that no page ever drew is
gone when the cells that showed it have been rerun (`Outputs`); one that was never displayed can only be displayed by
code that references it. Whether anything does is decided by Python's garbage collector: the references of ipywidgets'
registry, of the comms and of IPython's history are removed temporarily, and everything is collected. A panel that a
variable, a list, an attribute, a closure, an observer or a link references survives and gets these references back. One
that nothing references is collected, and thereby closed.
"""

from __future__ import annotations

import contextlib
import gc
import threading
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import comm
import ipywidgets as widgets
from IPython import get_ipython
from ipywidgets.widgets import widget as registry
from traitlets import Bunch

from gradwidgets.widgets.kernel.ipython_history import Kept, named
from gradwidgets.widgets.kernel.mainloop import call_later, call_soon
from gradwidgets.widgets.kernel.outputs import Outputs
from gradwidgets.widgets.kernel.subshells import keep_reachable

_AGAIN = 3.0  # seconds after which temporary references to a panel, such as from message handling, are gone


@dataclass
class _Watched:
    """A panel that is not closed yet.

    Attributes:
        panel: A weak reference to the panel.
        rest: The number of cells to wait before the collector is run again.
        next_rest: The number after that: a referenced panel mostly stays referenced.
    """

    panel: weakref.ref[widgets.Widget]
    rest: int = 0
    next_rest: int = 1


_watched: dict[str, _Watched] = {}
_outputs: Outputs | None = None  # set while there is anything to watch


def watch(panel: widgets.Widget) -> None:
    """Close a panel once its `page` reports that it is gone and nothing references it; until then it is reachable."""
    global _outputs
    shell = get_ipython()
    if shell is None:
        close_unheld(patient=True)  # no cell ends here, so earlier panels are checked now
    _watched[panel.model_id] = _Watched(weakref.ref(panel))
    panel.page.observe(_page_told, "gone")
    keep_reachable(own_parts(panel))
    if _outputs is None and shell is not None:
        _outputs = Outputs(shell, _cell_ended)


def forget(model_id: str) -> None:
    """Undo `watch`, as the panel is closed."""
    global _outputs
    _watched.pop(model_id, None)
    if not _watched and _outputs is not None:
        outputs, _outputs = _outputs, None
        outputs.close()


def _page_told(change: Bunch) -> None:
    if change.new:
        call_soon(close_unheld)
        call_later(_AGAIN, close_unheld)


def _cell_ended() -> None:
    """Check again, as variables may have changed; after the cell, whose own frames hold references."""
    for key, one in list(_watched.items()):
        panel = one.panel()
        if panel is not None:
            keep_reachable(own_parts(panel))  # those that were made since, too
        if panel is not None and _outputs is not None and (panel.page.never_told or panel.page.gone):
            boxes = _outputs.lost_with(key)
            if boxes is not None:
                panel.page.lose(boxes)
    if any(_is_gone(one) for one in list(_watched.values())):
        call_soon(lambda: close_unheld(patient=True))


def close_unheld(*, patient: bool = False) -> None:
    """Close every panel that no page shows, any more or yet, and that nothing references.

    Args:
        patient: Whether to skip panels for a while that were found referenced.
    """
    gone = [key for key, one in list(_watched.items()) if _is_gone(one) and not _skipped(one, patient=patient)]
    if not gone:
        return
    with _put_aside(_with_their_own(gone)):
        gc.collect()
    for key in gone:
        one = _watched.get(key)
        if one is not None and one.panel() is None:
            forget(key)
        elif one is not None:
            one.rest, one.next_rest = one.next_rest, min(2 * one.next_rest, 64)


def _is_gone(one: _Watched) -> bool:
    panel = one.panel()
    return panel is not None and (panel.page.gone or panel.page.never_shown)


def _skipped(one: _Watched, *, patient: bool) -> bool:
    """Whether to skip a panel this time."""
    if patient and one.rest > 0:
        one.rest -= 1
        return True
    return named(get_ipython(), one.panel())


def _with_their_own(gone: Iterable[str]) -> set[str]:
    """The model ids of panels, of their parts, and of the boxes that were removed from the page with them."""
    ids: set[str] = set()
    for key in gone:
        panel = _watched[key].panel()
        if panel is not None:
            boxes = [box for box in map(registry._instances.get, panel.page.boxes) if box is not None]
            boxes += _unshown_around(panel)
            ids |= {one.model_id for whole in (panel, *boxes) for one in own_parts(whole) if one.comm is not None}
    return ids


def _unshown_around(panel: widgets.Widget) -> list[widgets.Widget]:
    """The gallery that a panel was opened in, if no view of that was requested either."""
    found = [box for box in list(registry._instances.values()) if getattr(box, "never_shown", False)]
    return [box for box in found if getattr(box, "panel", None) is panel]


def own_parts(widget: widgets.Widget) -> list[widgets.Widget]:
    """A widget and what was made for it: its layout and style, and its children if it owns them.

    A widget that owns its children has `_spare_parts_`, which returns those that may not be among its children now.
    """
    spare: Callable[[], Iterable[widgets.Widget]] | None = getattr(widget, "_spare_parts_", None)
    found: dict[int, widgets.Widget] = {}
    waiting = [widget, *(() if spare is None else spare())]
    while waiting:
        one = waiting.pop()
        if id(one) in found:
            continue
        found[id(one)] = one
        parts = one._trait_values
        for value in (parts.get("layout"), parts.get("style")) if spare is None else parts.values():
            members = value if isinstance(value, tuple | list) else (value,)
            waiting += [part for part in members if isinstance(part, widgets.Widget)]
    return list(found.values())


class _Letterbox:
    """Stands in for a comm: keeps the messages that arrive for it on another thread, until `hand_over`."""

    def __init__(self) -> None:
        self._messages: list[dict[str, Any]] = []
        self._closed = False  # set by the comm manager, too
        self._comm: Any = None
        self._one_at_a_time = threading.RLock()

    def handle_msg(self, message: dict[str, Any]) -> None:
        """Keep a message; hand it over if that has been done with the others, as a thread may come late."""
        with self._one_at_a_time:
            if self._comm is None:
                self._messages.append(message)
            else:
                self._comm.handle_msg(message)

    def handle_close(self, _message: dict[str, Any]) -> None:
        """Note that the page closed its side."""
        self._closed = True

    def hand_over(self, to: Any) -> None:
        """Give the messages to the comm itself, in their order; close it if the page did."""
        with self._one_at_a_time:
            self._comm = to
            for message in self._messages:
                to.handle_msg(message)
        if self._closed:
            to.close()


@contextlib.contextmanager
def _put_aside(those: Collection[str]) -> Iterator[None]:
    """A block in which neither registries nor IPython's history reference these widgets; survivors are restored."""
    comms: dict[str, Any] = comm.get_comm_manager().comms
    history = Kept(get_ipython(), those)
    held = {key: weakref.ref(registry._instances.pop(key)) for key in those if key in registry._instances}
    letters = {key: _Letterbox() for key in held}
    comms.update(letters)
    try:
        yield
    finally:
        survivors = {
            key: widget for key, ref in held.items() if (widget := ref()) is not None and widget.comm is not None
        }
        registry._instances.update(survivors)
        comms.update({key: widget.comm for key, widget in survivors.items()})
        for key in held.keys() - survivors.keys():
            comms.pop(key, None)
        history.give_back()
        for key, widget in survivors.items():
            letters[key].hand_over(widget.comm)
