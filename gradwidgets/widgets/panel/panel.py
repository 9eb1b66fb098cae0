"""A panel: controls on the left, a live picture on the right, text below, long work in slices.

Its parts are wired together in `_make_parts`: what a teacher prepares, files, the picture's frame, work, buttons; and a
guess, if one is wanted. The data flow: `_snapshot` freezes the settings, `_compute` turns them into one frozen result,
`_show` updates picture, text and controls to it. A subclass implements these three, returns in `_preview` what can be
shown before long work is done, and handles the mouse on the picture in `_move`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic

import ipywidgets as widgets
from matplotlib.backend_bases import MouseEvent

from gradwidgets.figures.base.notebook_figure import Picture
from gradwidgets.figures.base.scene_figure import SceneFigure
from gradwidgets.figures.base.style import STYLES
from gradwidgets.widgets.canvas.canvas import LiveCanvas
from gradwidgets.widgets.controls import Folds
from gradwidgets.widgets.controls.folds import rest_head
from gradwidgets.widgets.controls.maker import Column
from gradwidgets.widgets.kernel import unheld
from gradwidgets.widgets.kernel.as_usual import as_usual
from gradwidgets.widgets.kernel.mainloop import AT_WORK, call_soon
from gradwidgets.widgets.panel.buttons import Buttons
from gradwidgets.widgets.panel.files import Files
from gradwidgets.widgets.panel.frame import LOWEST, Busy, Frame
from gradwidgets.widgets.panel.guess import Guess, Guessing
from gradwidgets.widgets.panel.lesson import MAGNIFIED, Parts, PreparedLesson
from gradwidgets.widgets.panel.page import Page
from gradwidgets.widgets.panel.prediction import Question
from gradwidgets.widgets.panel.settings_panel import SettingsPanel
from gradwidgets.widgets.panel.still import Still, Stills
from gradwidgets.widgets.panel.traits import Flag, Names, OneOf
from gradwidgets.widgets.panel.words import Badge, Words
from gradwidgets.widgets.panel.work import R, S, Steps, Work

_MARIMO = "marimo does not show composite widgets, so this is a still picture; JupyterLab shows it live."
_GUESS = 62  # CSS pixels: the row for a guess, and its result


class Panel(SettingsPanel, Generic[S, R]):
    """A widget of controls, a picture and text.

    Attributes:
        predict: Whether the user guesses before seeing the picture.
        hide: What is not shown; `"buttons"` are the icons in the first line. Names of controls, `"buttons"` or
            `"words"`.
        lock: The controls that stay as they are whatever the page does: presets, clicks and files cannot change what
            they set, Python can. Names of controls.
        style: `"projector"` for large type. One of `"page"`, `"projector"`.
        theme: The colours of the picture; `"auto"` follows JupyterLab. One of `"auto"`, `"light"`, `"dark"`.
        lesson: The lesson that it is prepared for.
        error: The last error, one line of plain text; empty when all is well.
        summary: What the picture shows, as lines of text.
    """

    predict = Flag(False, help="whether the user guesses before seeing the picture").tag(lesson=True)
    hide = Names(
        lambda self: self.lesson.hideable, help='what is not shown; "buttons" are the icons in the first line'
    ).tag(lesson=True, told='names of controls, `"buttons"` or `"words"`')
    lock = Names(
        lambda self: tuple(self.lesson.lockable),
        help="the controls that stay as they are whatever the page does: presets, clicks and files cannot change what "
        "they set, Python can",
    ).tag(lesson=True, told="names of controls")
    style = OneOf("page", lambda self: tuple(MAGNIFIED), help='"projector" for large type').tag(lesson=True)
    theme = OneOf(
        "auto", lambda self: ("auto", *STYLES), help='the colours of the picture; "auto" follows JupyterLab'
    ).tag(setting=True)

    _file_name: ClassVar[str] = "gradwidgets"  # name of saved files, without extension
    _patience: ClassVar[float] = 0.0  # seconds of work after which progress is shown
    _words_height: ClassVar[int] = 84  # height of the text in CSS pixels, where it is not folded
    _head_height: ClassVar[int] = 26  # … of the head that opens it, where it is
    _height_over: ClassVar[int] = 0  # height of what is over and under the picture besides, in CSS pixels
    _height_shared: ClassVar[int] = 0  # of that, what shares a line with something else on a projector
    _tall: ClassVar[float] = 1.5  # height of the picture on a phone, of its width
    _folds = Folds()
    _helps: Mapping[str, widgets.HTML]
    _usually: Mapping[str, object] | None = None  # the defaults of what is in the folds

    _buttons: Buttons
    _guessing: Guessing[R]
    _work: Work[S, R]

    def __init__(self, **keywords: object) -> None:
        taught = {name: keywords.pop(name) for name in self.lesson_settings() if name in keywords}
        super().__init__(**keywords)
        self._settings.taught = taught
        self._make_parts()
        self.observe(lambda change: self.lesson.follow(change.name), names=list(self.lesson_settings()))
        # Not while another thread draws the cover.
        self.observe(lambda change: self._turns.alone(lambda: self._guessing.follow(self.predict)), "predict")

    # -- its parts ------------------------------------------------------------------------------------------

    def _make_parts(self) -> None:
        turns, errors, busy = self._turns, self._errors, Busy(self._stop_pressed)
        besides = {"buttons": lambda: (self._buttons.rows,), "words": lambda: self._told.parts}
        refit, dressed = (lambda: self._work.refit()), (lambda: self._update_folds())
        parts = Parts(self.settings(), lambda: self.controls, besides, refit=refit, dressed=dressed)
        self.lesson = self._make_lesson(parts)
        self._frame = Frame(
            turns, busy, style=lambda: self.style, theme=lambda: self.theme,
            above=lambda: self._height_over + self.lesson.height + (0 if self._guessing.guess is None else _GUESS),
            below=self._words_height, folded=self._head_height, shared=self._height_shared, lowest=self._lowest,
            tall=self._tall,
        )  # fmt: skip
        self._files = Files(self._file_name, state=self.state, restore=self.restore, lesson=self.lesson, errors=errors)
        self._buttons = Buttons(
            self.page, errors, self._files.buttons,
            reset=self.reset, png=self.save_png, code=self.code, call=lambda: repr(self),
        )  # fmt: skip
        steps = Steps[S, R](
            begin=self._before, snapshot=self._snapshot, compute=self._compute, preview=self._preview,
            fit=self._frame.fit, show=lambda result: self._guessing.show(result),
            invalidate=lambda: self._guessing.invalidate(), anew=self._discard_caches, answers=self._answers,
        )  # fmt: skip
        ready, closed = (lambda: self._ready), (lambda: self._closed)
        self._work = Work(steps, turns, errors, busy, patience=self._patience, ready=ready, closed=closed)

        def make_guess() -> Guess[R]:
            return Guess(
                self._question(), turns, errors,
                settings=self._settings.plain, changed=self._work.present_again, uncover=self._work.redraw,
            )  # fmt: skip

        self._guessing = Guessing(
            make_guess, limit_messages=self._limit_messages, settings=self._settings,
            predict=lambda wanted: setattr(self, "predict", wanted),
            show=self._show, cover=self._cover, redraw=self._work.redraw, move=self._move,
            invalidate=self._invalidate,
        )  # fmt: skip
        self._stills = Stills(self._frame, self._work, call=lambda: repr(self), summary=lambda: self.summary)

    def _make_lesson(self, parts: Parts) -> PreparedLesson:
        return PreparedLesson(self, self._turns, parts)

    def _assemble(self, figure: Picture, column: Column) -> None:
        """Put the picture beside the controls and the words under both, and connect them."""

        def press(event: MouseEvent) -> None:
            if self._work.shown is not None:
                self._work.catch_up()
                self._errors.attempt(lambda: self._guessing.press(event))

        self._folds, self._helps = column.folds, column.helps
        picture = self._frame.hang(figure, press, lambda across, up: self._pictured().value_at(across, up))
        said = widgets.HBox([self._told.above, *column.beside], _dom_classes=("gradwidgets-said",))
        stage = widgets.VBox([said, picture, *column.under], _dom_classes=("gradwidgets-stage",))
        upper = widgets.HBox([column.box, rest_head(), stage], _dom_classes=("gradwidgets-upper",))
        above = [self.children[0], self.page, self.lesson.heading, self._guessing.room, *column.over]
        self.children = [*above, upper, self._errors.box, self._frame.busy.row, self._told.head, self._told.below]
        self.page.panel_id = self.model_id
        self.canvas.when_rescaled(self._work.redraw)
        unheld.watch(self)
        self._choices.connect()
        for name, value in self._settings.taught.items():  # now that the controls exist
            setattr(self, name, value)

    def _set_up(self, settings: Mapping[str, Any]) -> None:
        """Set the initial settings, make all parts and show the first picture."""
        raise NotImplementedError

    def _begin(self, settings: Mapping[str, object]) -> None:
        """Make everything, with these settings, and observe settings and page from then on."""
        with AT_WORK, as_usual():
            self._set_up(settings)
            self._update_folds()
            self._folds.open_changed()
            self._dress()
        self.observe(lambda change: self._dress(), "theme")
        self._ready = True
        self._limit_messages(self)
        self.page.observe(lambda change: call_soon(self._work.refit), "size")

    def _limit_messages(self, shown: widgets.Widget) -> None:
        """Limit what the page may change to the controls."""
        self._frame.limit_messages(shown)

    # -- what a subclass writes ---------------------------------------------------------------------------

    def _before(self) -> None:
        """Do what is needed before the settings are frozen."""

    def _snapshot(self) -> S:
        """Freeze the settings that a result depends on."""
        raise NotImplementedError

    def _compute(self, settings: S) -> Generator[float | R, None, R]:
        """Compute the result of `settings`, in slices; on the way it may yield results that can be shown already."""
        raise NotImplementedError

    def _preview(self, settings: S) -> R | None:
        """Return what can be shown immediately if the work is known to be long; None if it is short."""
        return None

    def _answers(self, result: R, asked: S) -> bool:
        """Whether a result also answers these settings."""
        return bool(result.settings == asked)

    def _show(self, result: R) -> None:
        """Update picture, text and controls to a result and its current view."""
        raise NotImplementedError

    def _show_controls(self, result: R) -> None:
        """Update the controls to the settings."""
        raise NotImplementedError

    def _pictured(self) -> SceneFigure[Any]:
        """The figure that is shown."""
        raise NotImplementedError

    def _move(self, event: MouseEvent) -> None:
        """Handle a press of the left mouse button, or a drag with it."""

    def _tell(self, said: Words) -> None:
        """Say what the picture shows."""
        self._told.show(said)
        self.summary = said.summary

    def _invalidate(self) -> None:
        """Redraw everything the next time."""
        raise NotImplementedError

    def _question(self) -> Question[R]:
        """Make the question that is asked before the picture is shown."""
        raise NotImplementedError

    def _lowest(self) -> int:
        """The minimum height of the picture, in CSS pixels."""
        return LOWEST

    def _usual_in_folds(self) -> Mapping[str, object]:
        """The usual values of the settings that are in folds."""
        if self._usually is None:
            known = [name for name in self._folds.names() if self.has_trait(name)]
            self._usually = {name: self.traits()[name].default_value for name in known}
        return self._usually

    def _update_folds(self) -> None:
        """Name on the heads of the folds what was changed in them."""
        self._folds.update(lambda name: getattr(self, name), self._usual_in_folds())

    def _dress(self) -> None:
        """Give the controls the colours of the theme setting, or of the page."""
        for theme in STYLES:
            (self.add_class if self.theme == theme else self.remove_class)(f"gradwidgets-{theme}")

    # -- computing and showing ----------------------------------------------------------------------------

    def _cover(self, guess: Guess[R], result: R) -> None:
        self.canvas.redraw(guess.question.cover(result))
        self._show_controls(result)
        self._tell(Words(guess.ask(), "", (Badge("info", "Guess first", sign="?"),)))
        self._errors.complain("")

    def _discard_caches(self) -> None:
        """Discard everything cached from earlier pictures."""
        self._guessing.invalidate()
        self.canvas.distrust()
        self.lesson.prepare()
        self._guessing.follow(self.predict)
        self._choices.distrust()

    def _interrupted(self) -> None:
        super()._interrupted()
        if self._ready:  # else the panel is still being made
            self._work.interrupted()

    def _stop_pressed(self) -> None:
        """Handle a press of Stop, on the thread on which the page's message arrives."""
        call_soon(self._work.stop)

    # -- a guess before the picture -------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return all settings as a JSON-safe dict, for `restore`; and the guess, if one is wanted."""
        return super().state() | self._guessing.state()

    def restore(self, state: Mapping[str, object]) -> None:
        """Restore the settings and the guess of a `state`; if anything in it is refused, nothing changes.

        Args:
            state: The result of `state`, possibly via JSON.

        Raises:
            TraitError: A setting is refused; nothing has changed.
            ValueError: The state is another widget's, or has a name that is not a setting, or an invalid guess.
            TypeError: The state is not a dict of settings.
        """
        self._guessing.restore(state)

    # -- in a saved notebook, and at the end ----------------------------------------------------------------

    def _repr_mimebundle_(self, **kwargs: object) -> Mapping[str, Any] | tuple[Mapping[str, Any], ...] | None:
        if self._closed:
            return {"text/plain": repr(self)}
        self._stills.whole()
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is not None:
            self.page.expect()
            self._stills.put_into(bundle[0] if isinstance(bundle, tuple) else bundle)
        return bundle

    def _spare_parts_(self) -> Iterable[widgets.Widget]:
        """Return widgets made for the panel that may not be among its children now: see unheld.py."""
        return self.controls.values()

    def close(self) -> None:
        """Free the picture and everything registered for it. May be called again."""
        with AT_WORK:  # not while another thread paints
            self._close()

    def _close(self) -> None:
        if "_work" in vars(self):  # else it was not made at all
            self._work.drop()
            self._frame.close()
        unheld.forget(getattr(self, "_model_id", ""))  # the page may have closed the comm already
        super().close()

    # -- the picture and the script -------------------------------------------------------------------------

    @property
    def page(self) -> Page:
        """The connection to the browser."""
        return self._frame.page

    @property
    def canvas(self) -> LiveCanvas:
        """The canvas that shows the picture in the page."""
        return self._frame.canvas

    @property
    def figure(self) -> Picture:
        """The Matplotlib figure."""
        figure: Picture = self.canvas.figure
        return figure

    def code(self) -> str:
        """Return a script that reproduces what is shown without this package."""
        raise NotImplementedError  # by each panel

    def png(self) -> bytes:
        """Return the picture as PNG, at twice its size on the page."""
        return self._stills.png()

    def still(self, note: str = "") -> Still:
        """Return picture and text in a form that any notebook shows, even if it cannot show the live widget.

        Args:
            note: A sentence to show below them.
        """
        return self._stills.with_words(note)

    def _display_(self) -> Still:
        """Return what marimo can show; called by marimo."""
        return self.still(_MARIMO)

    def copy_code(self) -> None:
        """Copy `code()` to the user's clipboard."""
        self._buttons.copy_code()

    def save_png(self) -> None:
        """Offer `png()` to the browser as a download."""
        self._errors.attempt(lambda: self.canvas.download_png(self.png(), self._file_name))

    # -- a guess before the picture -------------------------------------------------------------------------

    @property
    def answer(self) -> dict[str, Any]:
        """The guess: name → plain value; {} if there is none. Can be set."""
        return self._guessing.answer

    @answer.setter
    def answer(self, answer: Mapping[str, object]) -> None:
        self._guessing.asked.take(answer)

    @property
    def score(self) -> float | None:
        """The score of the guess, from 0 to 1; None before `reveal`."""
        return self._guessing.score

    @property
    def reason(self) -> str:
        """The right answer, in words; empty before `reveal`."""
        return self._guessing.reason

    def reveal(self) -> None:
        """Show the picture and the score of the guess.

        Raises:
            ValueError: There is no guess yet.
        """
        self._guessing.asked.reveal()

    def guess_again(self) -> None:
        """Hide the picture of the current settings until it is guessed."""
        self._guessing.asked.again()

    # -- settings that travel -------------------------------------------------------------------------------

    def share(self) -> None:
        """Print a call that recreates this widget with exactly these settings."""
        print(repr(self))

    def save(self, path: str | Path) -> None:
        """Write `state()` to a JSON file."""
        Path(path).write_text(self._files.text(), encoding="utf-8")

    def load(self, path: str | Path) -> None:
        """Restore the settings from a file that `save` wrote; all or none.

        Raises:
            ValueError: It is not such a file, it is another widget's, or it changes what is locked in a lesson.
            TraitError: A setting is refused.
            OSError: It cannot be read.
        """
        self._files.load(path)
