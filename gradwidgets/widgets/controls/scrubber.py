"""The control that walks through a run step by step."""

from __future__ import annotations

import ipywidgets as widgets
from ipywidgets.widgets.widget_description import DescriptionStyle

from gradwidgets.widgets.controls.base import WIDTH, Control, Looks, guarded


class Scrubber(Control):
    """A slider over the steps with a play button; at its right end the whole run shows.

    Args:
        name: The trait that it sets: a step, or None for the whole run.
        tooltip: What it does, in plain words.
        looks: Shared layouts and styles.
    """

    def __init__(self, name: str, tooltip: str, looks: Looks | None = None) -> None:
        looks = looks or Looks()
        self.play = guarded(
            widgets.Play,
            self,
            name,
            interval=120,
            max=100,
            value=100,
            show_repeat=False,
            layout=looks.layout(width="74px", margin="1px 4px 1px 0", flex="0 0 auto"),
            style=looks.of(DescriptionStyle),
        )
        self.slider = guarded(
            widgets.IntSlider,
            self,
            name,
            min=0,
            max=100,
            value=100,
            description=name,
            tooltip=tooltip,
            layout=looks.layout(width=f"{WIDTH - 84}px", margin="1px 0"),
            style=looks.of(widgets.SliderStyle, description_width="30px"),
        )
        # Value to value in the page: playing must not wait for the kernel.
        self._link = widgets.jslink((self.play, "value"), (self.slider, "value"))
        super().__init__(name, tooltip, [self.play, self.slider], looks.layout(width=f"{WIDTH}px"))
        self.slider.observe(self._person, "value")
        self.play.observe(self._playing, "playing")

    def _playing(self, change) -> None:
        if change.new and self.slider.value >= self.slider.max:
            self.play.value = self.slider.value = 0

    def span(self, steps: int) -> None:
        """Set how many steps there are; a slider at its end stays there."""
        self.enable(steps > 0, "" if steps else "there is no step to walk through")
        last = max(steps, 1)
        if self.slider.max != last:
            at_end = self.slider.value >= self.slider.max
            with self.quietly():
                self.slider.max = self.play.max = last
                if at_end:
                    self._write(None)

    def _read(self) -> int | None:
        value = self.slider.value
        return None if value >= self.slider.max else value

    def _write(self, value: int | None) -> None:
        wanted = self.slider.max if value is None else value
        if self.slider.value != wanted:
            self.play.value = self.slider.value = wanted

    def close(self) -> None:
        """Close the link too."""
        self._link.close()
        super().close()
