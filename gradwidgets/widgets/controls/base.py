"""The base of all controls: a visible label, a tooltip in plain words, keyboard access.

A control's change may arrive on any thread. It only records the new value and requests the job that reads all
controls; the job runs on the main loop.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import ipywidgets as widgets
from ipywidgets.widgets.widget_string import LabelStyle
from traitlets import Bunch, TraitError

from gradwidgets.widgets.canvas.hearing import hear_only, heard

LOCKED = "set by your teacher"  # why a control is off that a lesson locks
HIDDEN = "gradwidgets-hidden"  # … of one that a teacher hides
OVER = "gradwidgets-over"  # the class of one whose setting is beyond a limit
OFF = "gradwidgets-off"  # the class of a control that is disabled
_SHUT, _SPACED = "gradwidgets-locked", "gradwidgets-spaced"  # … that is locked; that has room for a line at all times
LINE = "gradwidgets-remark"  # … of the line under a control
_MOVED = ("value", "index")  # the traits of a control that a page changes
NAMED = "gradwidgets-named"  # the class of a field whose label is hidden, but read by screen readers: see controls.css


class Looks:
    """The layouts and styles of one panel's controls, shared so that the page has fewer models to make."""

    def __init__(self) -> None:
        self._made: dict[tuple[object, ...], widgets.Widget] = {}

    def layout(self, **css: str) -> widgets.Layout:
        """Return the layout with these CSS properties."""
        return self.of(widgets.Layout, **css)

    def of(self, kind: type[widgets.Widget], **properties: str) -> widgets.Widget:
        """Return the layout or style of a class with these properties."""
        key = (kind, *sorted(properties.items()))
        if key not in self._made:
            self._made[key] = kind(**properties)
        return self._made[key]


class Control(widgets.HBox):
    """The control of a setting.

    Args:
        name: The name of the trait that it sets.
        tooltip: What the setting does, in plain words.
        children: The control's widgets.
        looks: The shared layouts and styles.
    """

    layout: widgets.Layout
    children: Sequence[widgets.Widget]
    kind: ClassVar[str] = ""  # how the style sheet calls controls of this kind

    def __init__(self, name: str, tooltip: str, children: Sequence[widgets.Widget], looks: Looks | None = None) -> None:
        dressed = (f"gradwidgets-{self.kind}",) if self.kind else ()
        super().__init__(children, layout=(looks or Looks()).layout(), _dom_classes=dressed)
        self.name = name
        self._place, self._looks = self.layout, looks or Looks()
        self._line: widgets.Label | None = None  # under it
        self._remark = ""
        self.moved = False
        self.locked = False
        self._wanted = True, ""  # the last arguments of `enable`
        self._lock = threading.RLock()
        self._own_thread: int | None = None
        self._ask: Callable[[], None] = lambda: None
        self._refused: Callable[[str], None] = lambda message: None
        for child in children:
            if hasattr(child, "tooltip"):
                child.tooltip = tooltip

    def connect(self, ask: Callable[[], None], refused: Callable[[str], None]) -> None:
        """Set what is called, on any thread, when the user moves the control or the page sends invalid values."""
        self._ask, self._refused = ask, refused

    def refuse(self, message: str) -> None:
        """Report why something that the page sent is rejected."""
        self._refused(message)

    def take(self) -> Any:
        """Return the user's choice, and forget that the control moved."""
        with self._lock:
            self.moved = False
            return self._read()

    def discard(self) -> None:
        """Discard the user's choice that has not been read yet."""
        with self._lock:
            self.moved = False

    def show(self, value: Any) -> None:
        """Show the setting's value without reporting it as the user's choice."""
        with self._lock, self.quietly():
            if not self.moved:  # else the user was faster, and that choice is about to be read
                self._write(value)

    def distrust(self) -> None:
        """Reset to a clean state: an interrupt may have come while the control was changed."""
        self._own_thread = None

    @contextlib.contextmanager
    def quietly(self) -> Iterator[None]:
        """A block in which changes of the control's widgets do not count as the user's."""
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
        """Record what moved, for a control with several parts."""

    def reveal(self, seen: bool, looks: Looks) -> None:
        """Show the control, or hide it if its setting has no effect."""
        layout = self._place if seen else looks.layout(display="none")
        if self.layout is not layout:
            self.layout = layout

    def _read(self) -> Any:
        """The user's choice."""
        raise NotImplementedError

    def _write(self, value: Any) -> None:
        """Bring the control's widgets to the setting's value."""
        raise NotImplementedError

    def lock(self, locked: bool) -> None:
        """Lock the control, whatever `enable` says, or unlock it."""
        self.locked = locked
        self.enable(*self._wanted)

    def make_room(self) -> None:
        """Keep room for a reason, so that nothing moves where one comes and goes while something else is dragged."""
        self.add_class(_SPACED)

    def enable(self, enabled: bool, reason: str = "") -> None:
        """Enable or disable the control; a line under a disabled one, and its tooltip, give the reason."""
        self._wanted = enabled, reason
        if self.locked:
            enabled, reason = False, LOCKED
        self._write_line()
        (self.remove_class if enabled else self.add_class)(OFF)
        (self.add_class if self.locked else self.remove_class)(_SHUT)
        for child in self.children:
            if child is self._line:
                continue
            if hasattr(child, "disabled") and child.disabled == enabled:
                child.disabled = not enabled
            if hasattr(child, "tooltip"):
                tip = getattr(child, "plain_tooltip", None) or child.tooltip
                child.plain_tooltip = tip
                if child.tooltip != (reason or tip):
                    child.tooltip = reason or tip

    def remark(self, text: str, *, over: bool = False) -> None:
        """Say something in a line under the control, where that is not needed for why it is off; "" for nothing.

        Args:
            text: What to say.
            over: Whether the setting is beyond what the line says.
        """
        self._remark = text
        (self.add_class if over else self.remove_class)(OVER)
        self._write_line()

    def _write_line(self) -> None:
        enabled, reason = self._wanted
        text = LOCKED if self.locked else (reason if not enabled and reason else self._remark)
        if self._line is None and text:
            self._line = widgets.Label(
                layout=self._looks.layout(), style=self._looks.of(LabelStyle), _dom_classes=(LINE,)
            )
            for part in (self._line, self._line.style):
                hear_only(part)
            self.children = [*self.children, self._line]
        if self._line is not None and self._line.value != text:
            self._line.value = text


def guarded(kind: type[widgets.Widget], control: Control, name: str, **options: object) -> widgets.Widget:
    """Make a widget that reports invalid values from the page instead of only logging them.

    Args:
        kind: The widget's class.
        control: The control that it is part of.
        name: The setting's name, for the message.
        **options: The widget's keyword arguments.
    """

    class Guarded(kind):
        guarded = True

        def set_state(self, sync_data: object) -> None:
            try:
                sent = heard(sync_data, _MOVED)
                _check_range(self, sent.get("value"))
                super().set_state(sent)
            except (TraitError, TypeError, ValueError, OverflowError, LookupError) as refusal:
                control.refuse(f"the page sent an invalid value for {name}: {refusal}")
                self.send_state()

    Guarded.__name__ = Guarded.__qualname__ = kind.__name__
    return Guarded(**options)


def _check_range(widget: widgets.Widget, value: object) -> None:
    # ipywidgets would silently use the nearest bound instead.
    if (
        isinstance(widget, widgets.IntSlider)
        and isinstance(value, int | float)
        and not widget.min <= value <= widget.max
    ):
        raise TraitError(f"{value!r} is not from {widget.min} to {widget.max}")
