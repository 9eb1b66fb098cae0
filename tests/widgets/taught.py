"""The three widgets as a teacher prepares them, for the tests of what that does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gradwidgets import LayerFlowPanel, OptimizerPlayground, SurfaceExplorer
from gradwidgets.widgets.panel.prediction import Prediction
from tests.widgets.fake_page import arrived
from tests.widgets.inside import guess_of

KINDS = {
    "playground": lambda **given: OptimizerPlayground(**given),
    "explorer": lambda **given: SurfaceExplorer("pair", **given),
    "layers": lambda **given: LayerFlowPanel(depth=5, width=8, **given),
}
# A setting that each has, two values of it, and a guess that its question takes.
MOVES = {"playground": ("lr", 0.2, 0.3), "explorer": ("resolution", 21, 31), "layers": ("gain", 1.5, 2.0)}
GUESSES = {
    "playground": {"end": [1.0, 2.0], "fate": "converges"},
    "explorer": {"finding": "dead_zone"},
    "layers": {"fate": "fades", "first": -3.0, "middle": -1.0},
}


@contextmanager
def maker() -> Iterator[Callable]:
    """Makes widgets by kind, and closes them in the end."""
    made = []

    def make_one(kind, **given):
        made.append(KINDS[kind](**given))
        return made[-1]

    try:
        yield make_one
    finally:
        for panel in made:
            panel.close()


def question_of(panel) -> str:
    """What a panel that is covered asks."""
    return guess_of(panel).question.words()


def prediction_of(panel) -> Prediction:
    """The row in which a person guesses."""
    return guess_of(panel).prediction


def by_hand(panel, name, value):
    """Move a control as the page does that has answered all pictures."""
    arrived(panel.canvas)
    panel.controls[name].field.value = value
