"""A panel has its parts, it is not them: few classes above it, few names on it, and no part reads another's own."""

import ast
from collections.abc import Iterator
from pathlib import Path

import ipywidgets
import pytest
from ipywidgets.widgets import widget as registry

import gradwidgets
from gradwidgets.widgets.controls.base import LINE
from gradwidgets.widgets.panel.prediction import Prediction
from tests.widgets.inside import guess_of
from tests.widgets.taught import KINDS, maker

WIDGETS = Path(gradwidgets.__file__).parent / "widgets"
# What other libraries keep to themselves, and is read all the same.
THEIRS = {
    "_instances", "_trait_values", "_cross_validation_lock", "_reply_subshell_for", "_parameters", "_version",
    "_original_dpi", "_set_dpi", "_handle_custom_msg", "_repr_png_", "_repr_mimebundle_",
    "_dom_classes",
}  # fmt: skip
# Verbs, results and parts to look at that every panel has besides its traits.
EACH = {
    "answer", "canvas", "code", "controls", "copy_code", "figure", "guess_again", "lesson", "lesson_settings", "load",
    "page", "png", "reason", "reset", "restore", "reveal", "save", "save_png", "score", "settings", "share", "state",
    "still",
}  # fmt: skip
OWN = {
    "playground": {"stability", "surfaces", "trajectories"},
    "explorer": {"findings", "grids", "rows"},
    "layers": {
        "apply_fix", "change", "findings", "fixes", "flow", "measure_again", "measure_curvature", "monitor",
        "note_loss", "of_record", "pinned", "problem", "refresh", "selected", "track", "train", "training_findings",
        "undo_fix", "views", "watch",
    },
}  # fmt: skip


@pytest.fixture
def make():
    with maker() as make_one:
        yield make_one


@pytest.mark.parametrize("kind", KINDS)
def test_a_widget_is_three_of_our_classes_deep_and_shows_traits_results_and_verbs(kind, make):
    panel = make(kind)
    ours = [one for one in type(panel).__mro__[1:] if one.__module__.startswith("gradwidgets")]
    assert len(ours) <= 3, ours
    shown = {name for name in set(dir(panel)) - set(dir(ipywidgets.VBox)) if not name.startswith("_")}
    assert {name for name in shown if not panel.has_trait(name)} == EACH | OWN[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_a_panel_that_asks_for_no_guess_holds_nothing_of_one(kind, make):
    panel = make(kind)
    before = set(registry._instances)
    room = next(one for one in panel.children if "gradwidgets-guesses" in one._dom_classes)
    assert guess_of(panel) is None and not room.children
    panel.predict = True
    assert isinstance(guess_of(panel).prediction, Prediction) and room.children == guess_of(panel).rows
    panel.predict = False
    assert guess_of(panel) is None and not room.children
    lines = {key for key, one in registry._instances.items() if LINE in getattr(one, "_dom_classes", ())}
    assert set(registry._instances) - lines == before - lines  # of a control that was off meanwhile the line stays


def foreign(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Private names that are read of anything but oneself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            owner = node.value
            called = isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "super"
            if not called and not (isinstance(owner, ast.Name) and owner.id in ("self", "cls")):
                yield node.lineno, node.attr


def test_no_part_reads_what_is_another_s_own():
    found = []
    for path in sorted(WIDGETS.rglob("*.py")):
        reads = foreign(ast.parse(path.read_text(encoding="utf-8")))
        found += [f"{path.relative_to(WIDGETS)}:{line} {name}" for line, name in reads if name not in THEIRS]
    assert [one for one in found if not one.endswith(" _for_records")] == []  # a class that panel.py cannot name
    assert list(foreign(ast.parse("self._part._own\nother._shown\nself._mine"))) == [(1, "_own"), (2, "_shown")]
