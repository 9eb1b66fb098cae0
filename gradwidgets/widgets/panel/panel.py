"""A panel: controls on the left, a live picture on the right, words under it, long work in slices.

The one way through: `_snapshot` freezes the settings, `_work` makes one frozen result of them, `_show` brings picture,
words and controls to it. A subclass writes these three, says in `_preview` what can be shown before long work is
done, and in `_move` what a mouse on the picture means.
"""

from __future__ import annotations

import base64
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Protocol

import ipywidgets as widgets
from matplotlib.figure import Figure

from gradwidgets.core.results.slices import Slices, finish
from gradwidgets.figures.base.layout import type_scale
from gradwidgets.figures.base.style import STYLES
from gradwidgets.widgets.canvas.canvas import LiveCanvas
from gradwidgets.widgets.canvas.hearing import hear_only
from gradwidgets.widgets.controls import WIDTH as CONTROLS_WIDTH
from gradwidgets.widgets.controls import Looks
from gradwidgets.widgets.kernel import unheld
from gradwidgets.widgets.kernel.as_usual import as_usual
from gradwidgets.widgets.kernel.job import Job
from gradwidgets.widgets.kernel.mainloop import AT_WORK, at_home, call_later, call_soon
from gradwidgets.widgets.panel.guessed_panel import GuessedPanel
from gradwidgets.widgets.panel.page import Page
from gradwidgets.widgets.panel.serial_box import shown_at_home
from gradwidgets.widgets.panel.settings_panel import descendants
from gradwidgets.widgets.panel.still import Still
from gradwidgets.widgets.panel.taught_panel import MAGNIFIED
from gradwidgets.widgets.panel.traits import OneOf

_ABOVE = 250  # of the window, CSS pixels: what JupyterLab and the cell put above the picture, and margins
_ROOMY, _LARGER = 1300, 1.25  # a panel so wide shows controls and words larger: see the style sheet
_LEAST_WIDTH = 400  # of a picture; a panel with no room for it beside the controls has it under them: see page.js
_STILL = 0.4  # seconds of work that a picture in a saved notebook is worth waiting for
_STOPPED = "Stopped before all was computed; the next change starts anew."
_INTERRUPTED = "It was interrupted before all was shown; the next change starts anew."
_GUESS = 62  # CSS pixels: the row in which a person guesses, and what came of it
_NARROWEST, _LOWEST = 440, 330  # CSS pixels that a picture needs for its text, where that is not magnified
_PAGE = (848, 800)  # width of a notebook's output and height of the window, until the page tells


class Shown(Protocol):
    """A result as far as a panel must know it.

    Attributes:
        settings: What it was computed for.
        exact: Whether it is more than a preview.
    """

    settings: object
    exact: bool


class Panel(GuessedPanel):
    """A widget of controls, a picture and words.

    Attributes:
        theme: Colours of the picture: `"auto"` (JupyterLab's), `"light"` or `"dark"`.
        error: What went wrong last, one line of plain text; empty when all is well.
        summary: What the picture shows, in words, one line each.
    """

    theme = OneOf("auto", lambda self: ("auto", *STYLES)).tag(setting=True)

    owns_children = True  # all that is in it is made for it alone: see unheld.py
    canvas: LiveCanvas | None = None
    patience: ClassVar[float] = 0.0  # seconds of work after which progress is shown
    words_height: ClassVar[int] = 84  # CSS pixels, where there is little room

    _result: Shown | None = None  # the last exact one
    _shown: Shown | None = None  # what the picture shows, perhaps a preview
    _job: Job | None = None
    _job_settings: object = None
    _job_began = 0.0
    _keeps_error = False  # whether an error stays though a picture can be shown
    _unfit = ""  # the error that fitting the picture to the page met last
    _half_shown = False  # whether showing was begun and not finished: what is kept for the next time may be wrong

    def __init__(self, **layout) -> None:
        super().__init__(**layout)
        self.page = Page(layout=widgets.Layout(width="0", height="0", overflow="hidden", margin="0"))
        self.children = [*self.children, self.page]
        self._pull_waiting = False

    def _assemble(self, figure: Figure, column: widgets.Widget) -> None:
        """Put the picture beside the controls' column and the words under both, and connect them."""
        self.canvas = LiveCanvas(figure, self._on_mouse)
        self._progress = widgets.FloatProgress(min=0, max=1, layout=widgets.Layout(width="220px", margin="2px 8px"))
        stop = widgets.Button(description="Stop", tooltip="stop computing; the picture stays as it is")
        stop.layout.width = "70px"
        stop.on_click(lambda _: self._stop_pressed())
        self._busy = widgets.HBox([widgets.Label("computing"), self._progress, stop])
        self._busy.layout.display = "none"
        beside = widgets.Layout(flex="1 1 auto", width="0", margin="0 0 0 6px", overflow="hidden")
        picture = widgets.Box([self.canvas], layout=beside)
        column.add_class("gradwidgets-column")
        upper = widgets.HBox([column, picture], layout=widgets.Layout(width="100%", align_items="flex-start"))
        self.children = [
            self._style_sheet,
            self.page,
            self._heading,
            self._guess_rows,
            upper,
            self._alert,
            self._busy,
            self._words,
        ]
        self.page.panel_id, self.page.canvas_id = self.model_id, self.canvas.model_id
        self.canvas.when_free(self._frame_arrived)
        self.canvas.when_rescaled(self._uncover)
        self.page.observe(lambda change: setattr(self.canvas, "patches", change.new), "patches")
        unheld.watch(self)
        self._connect()

    def _set_up(self, settings: Mapping[str, object]) -> None:
        """Take the first settings, make all parts and show the first picture."""
        raise NotImplementedError

    def _begin(self, settings: Mapping[str, object]) -> None:
        """Make everything, with these settings, and follow settings and page from then on."""
        with AT_WORK, as_usual():
            self._set_up(settings)
        self._ready = True
        self._hear_little(self)
        self.page.observe(lambda change: call_soon(self._fit_page), "size")

    def _hear_little(self, shown: widgets.Widget) -> None:
        """Take from the page what it is asked for, of a widget and all in it; what is no control is not the page's."""
        for one in descendants(shown):
            if one is self.page:
                hear_only(one, ("size", "patches"))
            elif one is not self.canvas and not getattr(one, "guarded", False):
                hear_only(one)
            for part in ("style", "layout"):
                if isinstance(getattr(one, part, None), widgets.Widget):
                    hear_only(getattr(one, part))

    def make_buttons(self, looks: Looks, code_tooltip: str) -> widgets.VBox:
        """Make the rows of Reset, Copy code and PNG, and of Share, Save and Load."""

        def button(text: str, tooltip: str, work, width: int) -> widgets.Button:
            layout, style = looks.layout(width=f"{width}px", margin="2px 3px 2px 0"), looks.of(widgets.ButtonStyle)
            made = widgets.Button(description=text, tooltip=tooltip, layout=layout, style=style)
            made.on_click(lambda _: call_soon(lambda: self.pressed(work)))
            return made

        self._copy_button = button("Copy code", code_tooltip, self.copy_code, 96)
        self._copying = self._copy_button, "Copy code"
        self.page.observe(lambda change: call_soon(self._say_copied), "copied")
        self._share_button = button("Share", "copy a line that makes this again, with these settings", self._share, 68)
        reset = button("Reset", "back to the settings that this was made with", self.reset, 68)
        rows = [reset, self._copy_button, button("PNG", "save the picture", self.save_png, 68)]
        self._buttons = widgets.VBox([widgets.HBox(rows), widgets.HBox([self._share_button, self._file_buttons()])])
        return self._buttons

    def _share(self) -> None:
        self.copy(repr(self), self._share_button, "Share")

    def _say_copied(self) -> None:
        if self._closed or self.page.copied is None:
            return
        if self.page.copied:
            button, text = self._copying
            button.description = "Copied ✓"
            call_later(1.5, lambda: setattr(button, "description", text))
        else:
            self.complain("The browser did not allow copying; code() in a cell gives the same text.")

    # -- what a subclass writes ---------------------------------------------------------------------------

    @property
    def figure(self) -> Figure:
        """The Matplotlib figure."""
        return self.canvas.figure

    def code(self) -> str:
        """Return a script that makes what is shown without this package."""
        raise NotImplementedError  # by each panel

    def _snapshot(self) -> object:
        """Freeze the settings that a result depends on."""
        raise NotImplementedError

    def _work(self, settings: object) -> Slices[Shown]:
        """Compute the result of `settings`, in slices."""
        raise NotImplementedError

    def _preview(self, settings: object) -> Shown | None:
        """Return what can be shown at once where the work is known to be long; None where it is short."""
        return None

    def _show(self, result: Shown) -> None:
        """Bring picture, words and controls to a result and the present view of it."""
        raise NotImplementedError

    def _move(self, event) -> None:
        """Take a press of the left mouse button, or a drag with it held."""

    def _cover(self, result: Shown) -> None:
        """Draw what stands in the picture's place until it is guessed, and bring the controls to the settings."""
        raise NotImplementedError

    def _guess_at(self, event) -> None:
        """Take a press or a drag while the picture is to be guessed."""

    # -- computing ----------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        settings = self._snapshot()
        running = self._job is not None and self._job.running
        known = self._shown is not None and (running or self._shown.exact)
        if known and settings == (self._job_settings if running else self._shown.settings):
            self._present(self._shown)  # only the view changed
            return
        if self._job is not None:
            self._job.stop()
        if self.error in (_STOPPED, _INTERRUPTED):
            self.complain("")
        self._job_settings = settings
        work = self._work(settings)
        self._job = Job(work, self._done, self._fail, self._show_progress, self._show_interim, self._do_part)
        self._job_began = time.monotonic()
        preview = self._preview(settings)
        if preview is not None:
            self._present(preview)
        if preview is not None or not self._job.start(pause=self._by_hand):
            if self._ready and not self._by_hand and preview is None:
                self._job.finish_if_short(_STILL)  # on the line after a setting from Python, all is up to date
            if self._job.running:
                self._show_progress(0.0)
                self._job.go_on()

    def _show_interim(self, result: Shown) -> None:
        self._present(result)

    def _done(self, result: Shown) -> None:
        self._result = result
        self._busy.layout.display = "none"
        self._present(result)

    def _do_part(self, part: Callable[[], bool]) -> bool:
        return self.alone(lambda: self.amid(part))

    def _present(self, result: Shown) -> None:
        """Show a result; or, where a guess comes first, what stands in its place."""
        self._showing(lambda: self._present_whole(result))

    def _showing(self, work: Callable[[], None]) -> None:
        """Show something; if that was broken off the last time, all of it is made anew."""
        half, self._half_shown = self._half_shown, True
        if half:
            self._begin_showing_anew()
        self.amid(work)
        self._half_shown = False

    def _begin_showing_anew(self) -> None:
        """Trust nothing that is kept from pictures before."""
        self._invalidate()
        self.canvas.distrust()
        self._prepare_all()
        for control in self.controls.values():
            control.distrust()

    def _present_whole(self, result: Shown) -> None:
        self._fit_picture()  # another thread may have changed what it must leave room for
        if self._covered:
            self._shown = result
            self._cover(result)
            self._prediction.ask(self._question())
            self.summary = self._question()
            self._words.value = ""
            self.complain("")
        else:
            if self._prediction is not None:
                self._prediction.keep(self._guess_in_place)
            self._show(result)

    def _settled(self) -> Shown:
        """Return the exact result of the present settings; what is still to be computed is computed now.

        Where that fails, or somebody has stopped it, `error` says so, and the result is that of the last good picture,
        which stays.
        """
        if not at_home() or self._closed:
            return self.alone(self._computed_here)
        self._catch_up()
        if self._job is not None and self._job.running:
            self._job.finish()
        if not self._up_to_date() and self._amidst:  # asked by what listens to a picture of other settings
            return self.alone(self._computed_here)
        if not self._up_to_date() and self.error != _STOPPED:  # it failed, or was interrupted
            self._attempt(self._refresh)
            if self._job is not None and self._job.running:
                self._job.finish()
        if self._result is None:
            raise RuntimeError(f"there is no result: {self.error}")
        return self._result

    def _up_to_date(self) -> bool:
        return self._result is not None and self._answers(self._result.settings, self._snapshot())

    def _answers(self, measured: object, asked: object) -> bool:
        """Whether a result of these settings is what somebody asks for who has set those."""
        return measured == asked

    def _computed_here(self) -> Shown:
        """The result of the present settings, computed on another thread than the main one, which shows it later."""
        return self._result if self._up_to_date() else finish(self._work(self._snapshot()))

    def _catch_up(self) -> None:
        """Do now what other threads asked for, and what an interrupt broke off."""
        self._pay()
        if self._half_shown and self._shown is not None and not self._amidst:
            self._attempt(self._refresh)

    def _interrupted(self) -> None:
        super()._interrupted()
        if not self._ready:
            return  # whoever makes the panel gets none
        self._half_shown, self._by_hand = True, False
        job, self._job = self._job, None
        if job is not None:
            with contextlib.suppress(Exception):
                job.stop()
        self._busy.layout.display = "none"
        self.complain(_INTERRUPTED)

    def _fail(self, failure: Exception) -> None:
        if self._shown is None and not self._ready:
            raise failure  # nothing to show yet: whoever makes the panel gets the exception itself
        self._busy.layout.display = "none"
        super()._fail(failure)

    def _stop_pressed(self) -> None:
        """Take a press of Stop, on whatever thread the page's message comes."""
        call_soon(self._stop)

    def _stop(self) -> None:
        if self._job is not None:
            self._job.stop()
        self._busy.layout.display = "none"
        self.complain(_STOPPED)

    def _show_progress(self, share: float) -> None:
        if time.monotonic() - self._job_began < self.patience:
            return  # a message for each slice would be more work than some slices are
        self._progress.value = share
        if self._busy.layout.display:
            self._busy.layout.display = ""

    # -- the page -----------------------------------------------------------------------------------------

    def _picture_size(self) -> tuple[int, int]:
        page = self.page.told()
        width, height = (
            page[side] if isinstance(page.get(side), int) else usual
            for side, usual in zip(("width", "height"), _PAGE, strict=True)
        )
        larger = _LARGER if width >= _ROOMY else 1.0
        larger = max(larger, MAGNIFIED[self.style])
        beside = round(CONTROLS_WIDTH * larger)
        width -= 12 + (0 if width < beside + 12 + _LEAST_WIDTH else beside)  # the picture stands under them there
        height = height - _ABOVE - round(self.words_height * larger) - self._heading_height
        height -= _GUESS if self._prediction is not None else 0
        width = max(_LEAST_WIDTH, min(width, 1500))
        return width, max(380, min(height, 900, round(width * 0.85)))

    def _style_name(self) -> str:
        if self.theme != "auto":
            return self.theme
        return "dark" if self.page.told().get("dark") else "light"

    def spare_parts(self) -> Iterable[widgets.Widget]:
        """Return what was made for the panel and is perhaps not in it now."""
        return self.controls.values()

    @shown_at_home
    def _restyle(self) -> None:
        if self.canvas is not None:
            self._fit_page()

    @shown_at_home
    def _uncover(self) -> None:
        if self._shown is not None:
            self._invalidate()
            self._restyle()

    def _invalidate(self) -> None:
        """Redraw everything the next time."""
        raise NotImplementedError

    @shown_at_home
    def _guess_changed(self) -> None:
        if self._shown is not None and self._covered:
            self._present(self._shown)

    def _fit_page(self) -> None:
        """Take the size and the theme that the page told: nothing that was said is less true for that."""
        if self._closed:
            return
        before, self._keeps_error = self.error, self.error != self._unfit
        try:
            self._attempt(self._fit_picture if self._shown is None else lambda: self._present(self._shown))
        finally:
            self._keeps_error = False
        self._unfit = "" if self.error == before else self.error

    def complain(self, message: str) -> None:
        """Show one line of plain text as the panel's error; an empty one clears it."""
        if message or not self._keeps_error:
            super().complain(message)

    def _fit_picture(self) -> None:
        """Give the picture the size that it should have, and the style."""
        size = self._picture_size()
        self.canvas.magnify(self._magnified(*size))
        width, height = self.figure.get_size_inches() * self.figure.dpi / self.canvas.device_pixel_ratio
        if (round(width), round(height)) != size:
            self.canvas.resize(*size)

    def _magnified(self, width: int, height: int) -> float:
        """How much larger text and lines are drawn than they would be in a picture of this size."""
        factor = MAGNIFIED[self.style]
        if factor == 1:
            return 1.0
        # A large picture has larger text anyway, and a picture that is drawn magnified counts as a smaller one.
        return max(1.0, min(factor * type_scale(width, height), width / _NARROWEST, height / _LOWEST))

    def _on_mouse(self, event) -> None:
        pressed = event.name == "button_press_event" and event.button == 1
        dragged = event.name == "motion_notify_event" and 1 in (getattr(event, "buttons", None) or ())
        if (pressed or dragged) and self._shown is not None:
            self._catch_up()
            self._attempt(lambda: (self._guess_at if self._covered else self._move)(event))

    def _frame_arrived(self) -> None:
        if self._pull_waiting:
            self._pull.request()

    def _read_controls(self) -> None:
        """Apply what people moved since the last time; wait while pictures are still on their way."""
        if not self.canvas.free():
            self._pull_waiting = True
            call_later(0.5, self._pull.request)
            return
        self._pull_waiting = False
        super()._read_controls()

    # -- a picture that lasts -----------------------------------------------------------------------------

    def png(self) -> bytes:
        """Return the picture as PNG, at twice its size on the page."""
        if at_home():
            self._catch_up()
        with AT_WORK, as_usual():
            return self.figure._repr_png_()

    def still(self, note: str = "") -> Still:
        """Return picture and words that any notebook shows, those too that cannot show the live widget.

        Args:
            note: A sentence to stand below them.
        """
        return Still(self.png(), self.summary, note)

    def _display_(self) -> Still:
        """Give marimo, which asks for this, what it can show."""
        return self.still("marimo does not show widgets made of several: a still picture. JupyterLab shows it alive.")

    def copy_code(self) -> None:
        """Put `code()` on the reader's clipboard."""
        self._attempt(lambda: self.copy(self.code(), self._copy_button, "Copy code"))

    def copy(self, text: str, button: widgets.Button, name: str) -> None:
        """Put text on the reader's clipboard; the button of this name says for a moment that it is there."""
        self._copying = button, name
        self.page.copy(text)

    def save_png(self) -> None:
        """Hand `png()` to the browser as a download."""
        self._attempt(lambda: self.canvas.download_png(self.png(), self.file_name))

    def __repr__(self) -> str:
        """Return a call that makes this widget again; of a closed one also that it is."""
        return super().__repr__() + (", closed" if self._closed else "")

    def _repr_mimebundle_(self, **kwargs) -> Mapping | None:
        if self._closed:
            return {"text/plain": repr(self)}
        if at_home():
            self._catch_up()
            if self._job is not None and self._job.running:
                self._job.finish_if_short(_STILL)  # a picture that lasts should be the whole one
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return bundle
        self.page.expect()
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        data["text/plain"] = repr(self) + ("\n" + self.summary if self.summary else "")
        data["image/png"] = base64.b64encode(self.canvas.still() if at_home() else self.png()).decode()
        return bundle

    def close(self) -> None:
        """Free the picture and everything registered for it. May be called again."""
        with AT_WORK:  # not while another thread paints
            self._close()

    def _close(self) -> None:
        if self._job is not None:
            self._job.stop()
        if self.canvas is not None:
            self.canvas.when_free(None)
            self.canvas.when_rescaled(None)
        unheld.forget(getattr(self, "_model_id", ""))  # the page may have closed the comm already
        super().close()
