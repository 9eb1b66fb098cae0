"""What may happen to a panel, at random: raw messages of a page, lines of Python, files; sensible ones and nonsense."""

import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import ipywidgets as widgets
from traitlets import TraitError

from gradwidgets.widgets.controls import Number
from gradwidgets.widgets.kernel.mainloop import at_home
from tests.widgets.conftest import LoopThread
from tests.widgets.fake_page import FakePage
from tests.widgets.inside import file_buttons_of

REFUSALS = (TraitError, ValueError, TypeError)
NONSENSE = (
    None, True, False, "", "x", "NaN", "1e999", "<b>&", "\u2028" * 50, -1, 0, 1, 3, 2.5, 1e308, -1e308, 1e-320,
    float("nan"), float("inf"), -float("inf"), 10**30, 10**400, [], [1], [1, 2], [2, 1], [None, None], [[1], [2]],
    ["a", "b"], {}, {"a": 1}, {"value": {"value": 1}}, {"type": "draw"},
)  # fmt: skip
MOUSE = ("button_press", "button_release", "motion_notify", "dblclick", "figure_enter", "figure_leave", "scroll")
CANVAS = (
    "draw", "refresh", "initialized", "ack", "closing", "send_image_mode", "set_device_pixel_ratio", "set_dpi_ratio",
    "resize", "key_press", "toolbar_button", "event", "json", "unknown",
)  # fmt: skip
LARGE = ("depth", "width", "batch", "steps", "resolution")  # of these, only small ones: the work is not what is tried
# Sensible values of each setting; those that are missing are tried with nonsense alone.
SENSIBLE = {
    "playground": {
        "lr": (0.01, 0.3, 1.5), "momentum": (0.0, 0.5, 0.9), "dampening": (0, 0.2), "weight_decay": (0, 0.1),
        "nesterov": (True, False), "maximize": (True, False), "steps": (0, 1, 12, 40), "start": ((1, 2), (6.0, -3.0)),
        "losses": ("MSE", ("L1", "Huber"), ("MSE", "L1", "Huber", "SmoothL1")), "delta": (0.3, 1), "beta": (0, 1),
        "arrows": (True, False), "dataset": ("article", "beale", "saddle"), "step": (None, 0, 3, 90),
        "theme": ("auto", "light", "dark"),
    },
    "explorer": {
        "example": ("pair", "hinge", "barrier"), "x_axis": ("a", "b", "margin"), "y_axis": ("a", "b", "none"),
        "x_range": (None, (-1, 1), (0.2, 3)), "y_range": (None, (-2, 2)), "fixed": ({}, {"margin": 0.5}),
        "resolution": (2, 9, 15), "scale": ("linear", "log", "symlog"), "arrows": ("direction", "magnitude", "off"),
        "point": (None, (0.5, 0.5), (1, -1), (0.3,)), "gradient_check": (True, False), "descent": (True, False),
        "lr": (0.05, 0.5), "momentum": (0, 0.9), "theme": ("auto", "light", "dark"),
    },
    "layers": {
        "view": ("flow", "doctor", "clipping", "curvature", "live"), "activation": ("ReLU", "Tanh", "GELU"),
        "architecture": ("plain", "residual", "dense"), "init": ("default", "He", "Xavier"), "gain": (0.5, 1, 2),
        "normalization": ("none", "layer", "batch"), "depth": (1, 3, 5), "width": (2, 6), "batch": (1, 8),
        "seed": (0, 3), "quantity": ("weight gradient", "activation", "update/weight"), "measure": ("rms", "norm"),
        "lr": (0.01, 0.1), "compare": (True, False), "fix": ("none", "He init", "LayerNorm", "clipping to norm 1"),
        "clipper": ("norm", "value"), "max_norm": (0.1, 1), "clip_value": (0.01,), "percentile": (50, 90),
        "history_percentile": (10,), "spike": (1, 30), "steps": (1, 20), "theme": ("auto", "light", "dark"),
    },
}  # fmt: skip


class Fuzzer:
    """Does one thing after the other to a panel, half of it on another thread than the main one.

    Attributes:
        count: How many things.
        refused: How many of them were refused in a sentence.
        lost: What went wrong.
    """

    def __init__(self, kind: str, panel, page: FakePage, loop: LoopThread, seed: int) -> None:
        self.kind, self.panel, self.page, self.loop = kind, panel, page, loop
        self.chance = random.Random(f"{kind} {seed}")
        self.count, self.refused, self.lost = 0, 0, []
        self.kinds = (
            *[self.moves_a_control] * 6, *[self.moves_the_mouse] * 4, *[self.sets_a_setting] * 5, self.presses_a_button,
            self.says_something_to_the_canvas, self.sends_a_state, self.sends_a_message, self.restores, self.loads,
            self.chooses_a_file, self.sets_a_lesson, self.guesses, self.answers,
        )  # fmt: skip

    def do_one(self) -> str:
        """Do something; return what."""
        self.count += 1
        kind = self.chance.choice(self.kinds)
        try:
            self.what = kind.__name__
            kind()
        except REFUSALS:
            self.refused += 1
        except BaseException as failure:
            self.lost.append(f"{self.what}: {type(failure).__name__}: {failure}"[:300])
        return self.what

    def _do(self, what: str, work: Callable[[], object]) -> None:
        self.what = f"{self.what} {what}"[:300]
        self.loop.do(work) if self.chance.random() < 0.5 else work()

    def _or_nonsense(self, value: object, share: float = 0.25) -> object:
        return self.chance.choice(NONSENSE) if self.chance.random() < share else value

    # -- the page ------------------------------------------------------------------------------------------

    def _raw(self, widget: widgets.Widget, data: dict, buffers=()) -> None:
        message = {"content": {"data": data}, "buffers": list(buffers)}
        self._do(f"{type(widget).__name__} {data!s:.160}", lambda: widget._handle_msg(message))

    def _update(self, widget: widgets.Widget, **state: object) -> None:
        self._raw(widget, {"method": "update", "state": state})

    def _everything(self) -> list[widgets.Widget]:
        found, todo = {}, [self.panel]
        if self.kind == "layers":
            todo += [view.body for view in self.panel.views.values()]
        while todo:
            one = todo.pop()
            if isinstance(one, widgets.Widget) and id(one) not in found:
                found[id(one)] = one
                todo += [*getattr(one, "children", ()), getattr(one, "layout", None), getattr(one, "style", None)]
        return list(found.values())

    def moves_a_control(self) -> None:
        """Move a slider, choose from a menu, type."""
        name, control = self.chance.choice(list(self.panel.controls.items()))
        part = self.chance.choice([one for one in control.children if getattr(one, "guarded", False)])
        if isinstance(part, widgets.IntSlider):
            small = isinstance(control, Number) and name in LARGE
            value = self.chance.randint(0, part.max // 4 if small else part.max)
        elif hasattr(part, "options"):
            self._update(part, index=self._or_nonsense(self.chance.randrange(max(len(part.options), 1)), 0.1))
            return
        else:
            value = self.chance.choice([True, False, 0.5, 1, 2, 4.0])
        self._update(part, value=self._or_nonsense(value, 0.1))

    def moves_the_mouse(self) -> None:
        """Press or drag on the picture."""
        width, height = self.panel.canvas.get_width_height()
        message = {
            "type": self.chance.choice(MOUSE[:3]), "x": self.chance.uniform(0, width), "button": 0,
            "y": self.chance.uniform(0, height), "buttons": 1, "modifiers": [], "guiEvent": {},
        }  # fmt: skip
        if self.chance.random() < 0.3:
            message[self.chance.choice(list(message))] = self.chance.choice(NONSENSE)
        if self.chance.random() < 0.1:
            del message[self.chance.choice(list(message))]
        self._raw(self.panel.canvas, {"method": "custom", "content": message})

    def says_something_to_the_canvas(self) -> None:
        """What ipympl's page says, and what nobody says."""
        kind = self.chance.choice(CANVAS + MOUSE)
        message = {"type": self._or_nonsense(kind, 0.1), "width": self._or_nonsense(500, 0.5), "height": 400}
        message |= {"device_pixel_ratio": self._or_nonsense(self.chance.choice([1, 2]), 0.3), "name": "pan"}
        message = self._or_nonsense(message, 0.2)
        self._raw(self.panel.canvas, {"method": "custom", "content": message})

    def sends_a_state(self) -> None:
        """Set any trait of any widget."""
        widget = self.chance.choice(self._everything())
        names = [name for name in widget.keys if name != "_view_count"]
        self._update(widget, **{self.chance.choice(names): self.chance.choice(NONSENSE)})

    def sends_a_message(self) -> None:
        """Send a message of its own kind, or of none, to any widget but the canvas."""
        widget = self.chance.choice([one for one in self._everything() if one is not self.panel.canvas])
        content = self.chance.choice([*NONSENSE, {"event": "click"}, {"copied": 3}, {"size": 9}, {"save": []}])
        if isinstance(widget, widgets.Button) and content == {"event": "click"} and widget.description == "All three":
            return
        self._raw(widget, {"method": "custom", "content": content}, [b"x"] if self.chance.random() < 0.3 else [])

    def presses_a_button(self) -> None:
        """Press any button, greyed ones too: a message may have been under way."""
        buttons = [one for one in self._everything() if isinstance(one, widgets.Button)]
        button = self.chance.choice(buttons)
        if button.description not in ("Spectrum", "All three", "Noise scale", "Covariance"):  # measured elsewhere
            self._raw(button, {"method": "custom", "content": {"event": "click"}})

    def answers(self) -> None:
        """Answer pictures, one or all, or load the page anew."""
        self.chance.choice([self.page.answer, lambda: self.page.answer(1), self.page.refresh])()

    # -- lines of Python -----------------------------------------------------------------------------------

    def _value_of(self, name: str) -> object:
        sensible = SENSIBLE[self.kind].get(name, ())
        return self._or_nonsense(self.chance.choice(sensible)) if sensible else self.chance.choice(NONSENSE)

    def sets_a_setting(self) -> None:
        """Set a trait."""
        name = self.chance.choice(self.panel.settings())
        value = self._value_of(name)
        self._do(f"{name}={value!r:.60}", lambda: setattr(self.panel, name, value))

    def sets_a_lesson(self) -> None:
        """Hide, lock, dress, ask for a guess."""
        name = self.chance.choice(self.panel.lesson_settings())
        names = tuple(self.chance.sample(list(self.panel.controls), 2))
        values = {"predict": (True, False), "style": ("page", "projector"), "hide": ((), names), "lock": ((), names)}
        value = self._or_nonsense(self.chance.choice(values[name]))
        self._do(f"{name}={value!r:.60}", lambda: setattr(self.panel, name, value))

    def guesses(self) -> None:
        """Guess, look, guess again."""
        panel = self.panel
        answers = [{"fate": self.chance.choice(["converges", "fades", 3])}, {"end": (1, 2), "first": -2}, {}]
        answer = self._or_nonsense(self.chance.choice(answers))
        works = {
            "answer": lambda: setattr(panel, "answer", answer),
            "reveal": panel.reveal,
            "again": panel.guess_again,
        }
        name = self.chance.choice(list(works))
        self._do(f"{name} {answer!r:.60}", works[name])

    def _state(self) -> dict:
        state = self.panel.state()
        for name in self.chance.sample(self.panel.settings(), self.chance.randint(1, 3)):
            state[name] = self._value_of(name)
        for name in ("answer", "revealed", "judged", "widget", "bogus"):
            if self.chance.random() < 0.05:
                state[name] = self.chance.choice(NONSENSE)
        return state

    def restores(self) -> None:
        """Take a state, all of it or nothing."""
        state = self._or_nonsense(self._state(), 0.1)
        self._do(f"{state!r:.250}", lambda: self._all_or_nothing(lambda: self.panel.restore(state)))

    def _all_or_nothing(self, work: Callable[[], None]) -> None:
        before = self.panel.state()
        try:
            work()
        except REFUSALS:
            if at_home() and self.panel.state() != before:  # elsewhere the main thread may be at work on it too
                self.lost.append(f"{self.what}: was refused and taken in part")
            raise

    def _file(self) -> bytes:
        state = {"gradwidgets": 1, **self._state()}
        text = json.dumps(state, default=str)
        if self.chance.random() < 0.2:
            text = text[: self.chance.randrange(len(text))]
        return text.encode()

    def loads(self) -> None:
        """Take the settings of a file."""
        content = self._file()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "mine.json"
            path.write_bytes(content)
            self._do(f"{content!r:.250}", lambda: self._all_or_nothing(lambda: self.panel.load(path)))

    def chooses_a_file(self) -> None:
        """Press Load."""
        content = {"name": self._or_nonsense("mine.json", 0.3)}
        self._raw(file_buttons_of(self.panel), {"method": "custom", "content": content}, [self._file()])
