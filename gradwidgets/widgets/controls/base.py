"""What every control of a panel has: a visible label, a tooltip in plain words, a way in by keyboard.

A control's change may arrive on any thread. It only notes the new value and asks for the one job that reads all
controls; the job runs on the main loop.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import ipywidgets as widgets
from traitlets import Bunch, TraitError

from gradwidgets.widgets.canvas.hearing import heard

WIDTH = 256  # of the column of controls, CSS pixels
LABEL = "88px"
LOCKED = "fixed in this lesson"
_MOVED = ("value", "index")  # what a page changes of a control
NAMED = "gradwidgets-named"  # the class of a field whose label is not seen, but read out: see style.css
ROW = {"width": f"{WIDTH}px", "overflow": "hidden", "margin": "0", "flex": "0 0 auto"}


class Looks:
    """The layouts and styles of one panel's controls: each that is shared is one model less for the page to make."""

    def __init__(self) -> None:
        self._made: dict[tuple[object, ...], widgets.Widget] = {}

    def layout(self, **css: str) -> widgets.Layout:
        """Return the layout with these CSS properties."""
        return self.of(widgets.Layout, **css)

    def of(self, kind: type[widgets.Widget], **properties: str) -> widgets.Widget:
        """Return the layout or style of a kind with these properties."""
        key = (kind, *sorted(properties.items()))
        if key not in self._made:
            self._made[key] = kind(**properties)
        return self._made[key]


class Control(widgets.HBox):
    """One setting's control.

    Args:
        name: The trait that it sets.
        tooltip: What the setting does, in plain words.
        children: Its widgets.
        layout: Its own layout.
    """

    layout: widgets.Layout

    def __init__(
        self, name: str, tooltip: str, children: Sequence[widgets.Widget], layout: widgets.Layout | None = None
    ) -> None:
        super().__init__(children, layout=layout or widgets.Layout(width=f"{WIDTH}px"))
        self.name = name
        self._place = self.layout
        self.moved = False
        self.locked = False
        self._wanted = True, ""  # what `enable` was told last
        self._lock = threading.RLock()
        self._own_thread: int | None = None
        self._ask: Callable[[], None] = lambda: None
        self._refused: Callable[[str], None] = lambda message: None
        for child in children:
            if hasattr(child, "tooltip"):
                child.tooltip = tooltip

    def connect(self, ask: Callable[[], None], refused: Callable[[str], None]) -> None:
        """Set what is called, on any thread, when a person moved the control or the page sent nonsense."""
        self._ask, self._refused = ask, refused

    def refuse(self, message: str) -> None:
        """Say why something that the page sent is not taken."""
        self._refused(message)

    def take(self) -> Any:
        """Return what a person chose, and forget that the control moved."""
        with self._lock:
            self.moved = False
            return self._read()

    def discard(self) -> None:
        """Forget what a person chose and nobody has read yet."""
        with self._lock:
            self.moved = False

    def show(self, value: Any) -> None:
        """Show the setting's value without reporting it as a person's."""
        with self._lock, self.quietly():
            if not self.moved:  # else a person was faster, and what they chose is about to be read
                self._write(value)

    def distrust(self) -> None:
        """Be as if nothing had been begun: an interrupt may have struck while the control was changed."""
        self._own_thread = None

    @contextlib.contextmanager
    def quietly(self) -> Iterator[None]:
        """Change the control's widgets without taking that for a person's doing."""
        self._own_thread = threading.get_ident()
        try:
            yield
        finally:
            self._own_thread = None

    def _person(self, change: Bunch) -> None:
        if self._own_thread == threading.get_ident():
            return
        with self._lock:
            self._note(change)
            self.moved = True
        self._ask()

    def _note(self, change: Bunch) -> None:
        """Remember what moved, where the control has several parts."""

    def reveal(self, seen: bool, looks: Looks) -> None:
        """Show the control, or take it off the page, where its setting plays no part."""
        layout = self._place if seen else looks.layout(display="none")
        if self.layout is not layout:
            self.layout = layout

    def _read(self) -> Any:
        """What a person chose."""
        raise NotImplementedError

    def _write(self, value: Any) -> None:
        """Bring the control's widgets to the setting's value."""
        raise NotImplementedError

    def lock(self, locked: bool) -> None:
        """Keep the control from being moved, whatever `enable` says, or let it go again."""
        self.locked = locked
        self.enable(*self._wanted)

    def enable(self, enabled: bool, reason: str = "") -> None:
        """Enable or disable the control; the tooltip of a disabled one says why."""
        self._wanted = enabled, reason
        if self.locked:
            enabled, reason = False, LOCKED
        for child in self.children:
            if hasattr(child, "disabled") and child.disabled == enabled:
                child.disabled = not enabled
            if hasattr(child, "tooltip"):
                tip = getattr(child, "plain_tooltip", None) or child.tooltip
                child.plain_tooltip = tip
                if child.tooltip != (reason or tip):
                    child.tooltip = reason or tip


def guarded(kind: type[widgets.Widget], control: Control, name: str, **options: object) -> widgets.Widget:
    """Make a widget that reports a value that the page must not send, instead of losing it in a log.

    Args:
        kind: The widget's class.
        control: Whose part it is.
        name: The setting, for the message.
        **options: The widget's.
    """

    class Guarded(kind):
        guarded = True

        def set_state(self, sync_data: object) -> None:
            try:
                sent = heard(sync_data, _MOVED)
                _check_range(self, sent.get("value"))
                super().set_state(sent)
            except (TraitError, TypeError, ValueError, OverflowError, LookupError) as refusal:
                control.refuse(f"the page sent a value that {name} cannot take: {refusal}")
                self.send_state()

    Guarded.__name__ = Guarded.__qualname__ = kind.__name__
    return Guarded(**options)


def _check_range(widget: widgets.Widget, value: object) -> None:
    # ipywidgets would quietly take the nearest bound instead.
    if (
        isinstance(widget, widgets.IntSlider)
        and isinstance(value, int | float)
        and not widget.min <= value <= widget.max
    ):
        raise TraitError(f"{value!r} is not from {widget.min} to {widget.max}")
