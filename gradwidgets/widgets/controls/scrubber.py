"""The control that steps through a run."""

from __future__ import annotations

import threading
from time import monotonic as clock

import ipywidgets as widgets
from ipywidgets.widgets.widget_bool import ToggleButtonStyle
from ipywidgets.widgets.widget_button import ButtonStyle
from traitlets import Bunch

from gradwidgets.widgets.controls.base import Control, Looks, guarded
from gradwidgets.widgets.kernel.mainloop import call_later, call_soon, main_loop

PACE = 0.12  # seconds from one step to the next while it plays, at 1×
SPEEDS = {"½×": 0.5, "1×": 1.0, "4×": 4.0}
EMPTY = "gradwidgets-without-steps"  # the class of one with nothing to walk through
LATE = 5.0  # seconds within which a page echoes a new end of the slider
REST = 0.4  # seconds after which a dragged number counts as settled


class Scrubber(Control):
    """A slider over the steps with a play button; at its right end the whole run is shown.

    While playing, the kernel itself advances the step: there is no second clock in the page whose late messages could
    be mistaken for the user's. Steps that are due before the last one is drawn are left out.

    Args:
        name: The name of the trait that it sets: a step, or None for the whole run.
        tooltip: What it does, in plain words.
        looks: The shared layouts and styles.

    Attributes:
        speed: The choice of a speed; it stands on its own, after the number of steps.
    """

    kind = "scrubber"

    def __init__(self, name: str, tooltip: str, looks: Looks | None = None) -> None:
        looks = looks or Looks()
        self._steps = 100
        self._ends: dict[int, float] = {}  # former right ends → the time until which they were valid
        plain, style = looks.layout(), looks.of(ToggleButtonStyle)
        self.play = guarded(widgets.ToggleButton, self, name, icon="play", layout=plain, style=style)
        self.play.add_class("gradwidgets-play")
        self.whole = widgets.Button(icon="step-forward", layout=plain, style=looks.of(ButtonStyle))
        for button in (self.play, self.whole):
            button.add_class("gradwidgets-icon")
        self.slider = guarded(
            widgets.IntSlider,
            self,
            name,
            min=0,
            max=100,
            value=100,
            description=name,
            layout=plain,
            style=looks.of(widgets.SliderStyle),
        )
        self.speed = guarded(
            widgets.ToggleButtons,
            self,
            "speed",
            options=list(SPEEDS),
            index=1,
            tooltips=[f"play at {speed} speed" for speed in SPEEDS],
            layout=plain,
            style=looks.of(widgets.ToggleButtonsStyle, button_width="auto"),
        )
        self.speed.add_class("gradwidgets-speed")
        self._setting: int | None = None  # the value last read or shown
        self._since: float | None = None  # when the step that is shown was due; None if it is not drawn yet
        super().__init__(name, tooltip, [self.play, self.whole, self.slider], looks)
        self.play.tooltip, self.whole.tooltip = "play, and pause", "to the end"
        self.slider.observe(self._person, "value")
        self.play.observe(self._play_or_pause, "value")
        self.speed.observe(lambda change: setattr(self, "_since", None), "index")
        self.whole.on_click(lambda _: call_soon(lambda: self._go(self.slider.max)))

    def _play_or_pause(self, change: Bunch) -> None:
        self.play.icon = "pause" if change.new else "play"
        if change.new:
            call_soon(self._begin)
        else:
            super()._person(change)  # what stands still is shown in full

    def _begin(self) -> None:
        if self.slider.value >= self.slider.max:
            self._go(0)
        self._since = None
        call_soon(self._walk)

    def _walk(self) -> None:
        if not self.play.value or self.comm is None:
            return
        now, pace = clock(), self._pace
        if self._since is None:  # the walk begins once its first step is drawn
            self._since = None if self.moved else now
        since = now if self._since is None else self._since
        due = int((now - since) / pace + 0.05)  # a timer may be early
        if due and not self.moved:
            self._since = since = since + due * pace
            self._go(self.slider.value + due)
        call_later(max(since + pace - clock(), pace / 4), self._walk)

    @property
    def playing(self) -> bool:
        """Whether the step moves on by itself."""
        return bool(self.play.value)

    @property
    def _pace(self) -> float:
        """Seconds from one step to the next."""
        return PACE / SPEEDS[self.speed.value]

    def _go(self, value: int) -> None:
        if value >= self.slider.max:
            self.play.value = False
        self.slider.value = min(value, self.slider.max)

    def enable(self, enabled: bool, reason: str = "") -> None:
        """Enable or disable the control; there is no speed without a way to play."""
        super().enable(enabled, reason)
        self.speed.disabled = self.slider.disabled

    def take(self) -> int | None:
        """Return the slider's value, and forget that it moved."""
        self._setting = super().take()
        return self._setting

    def show(self, value: int | None) -> None:
        """Show the setting's value; one that playing did not set stops the playback, even during a step."""
        with self._lock:
            if self.moved and self.play.value and value != self._setting:
                self.play.value = self.moved = False
            self._setting = value
        super().show(value)

    def discard(self) -> None:
        """Stop playing, and discard what is not applied yet."""
        self.play.value = False
        super().discard()

    def distrust(self) -> None:
        """Reset to a clean state."""
        super().distrust()
        self._fit()
        self._ends.clear()

    def span(self, steps: int) -> None:
        """Set the number of steps; a slider at its end stays there.

        The page's slider answers a new end by sending that end as its value. While the number of steps is dragged, such
        an answer would arrive after the next end was set and be mistaken for the user's: so the range follows when the
        number has settled, and a late answer is recognized by its value.
        """
        if steps == self._steps:
            return
        self._steps = steps
        if main_loop() is None:
            self._fit()
        else:
            call_later(REST, lambda: self._fit() if steps == self._steps else None)

    def _fit(self) -> None:
        if self.comm is None:
            return
        steps, last = self._steps, max(self._steps, 1)
        self.enable(steps > 0, "" if steps else "there are no steps")
        (self.remove_class if steps else self.add_class)(EMPTY)
        if self.slider.readout != (steps > 0):
            self.slider.readout = steps > 0
        if self.slider.max != last:
            self._ends[self.slider.max] = clock()
            at_end = self.slider.value >= self.slider.max
            with self.quietly():  # two messages: in one, the page would clip the value to the former end
                self.slider.max = last
                if at_end:
                    self.slider.value = last

    def _person(self, change: Bunch) -> None:
        own = self._own_thread == threading.get_ident()
        set_at = None if own or change.new == self.slider.max else self._ends.pop(change.new, None)
        if set_at is None or clock() - set_at > LATE:
            super()._person(change)
            return
        with self.quietly():
            self.slider.value = change.old
        # Not immediately: the page ignores what arrives while it still waits for its own echo.
        call_later(REST, self._tell)

    def _tell(self) -> None:
        if self.comm is not None:
            self.slider.send_state("value")

    def _read(self) -> int | None:
        value = self.slider.value
        return None if value >= self.slider.max else value

    def _write(self, value: int | None) -> None:
        wanted = self.slider.max if value is None else value
        if self.slider.value != wanted:
            self.play.value = False
            self.slider.value = wanted
