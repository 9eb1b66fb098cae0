"""The picture of clipping: each clipper's norms where they are, its direction on a rail, the elements it cut."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from gradwidgets.figures.base.redraw import EVERYTHING, Redraw
from gradwidgets.figures.clipping.clipped_step import ClippedStep, Elements
from gradwidgets.figures.clipping.end_names import apart
from gradwidgets.figures.clipping.figure import ClippingFigure
from tests.figures.pictures import themed

SIZES = [(400, 380), (598, 440), (760, 470), (1280, 700)]
NAMES = ("norm", "value", "percentile", "autoclip")


@pytest.fixture(params=["light", "dark"])
def view(request, picture):
    return themed(ClippingFigure, request.param)(picture(760, 470))


def elements(**more) -> Elements:
    counts = np.arange(12.0)
    return Elements(**{"edges": np.linspace(-5, 1, 13), "before": counts, "after": counts[::-1], **more})


def step(layers: int = 6, **more) -> ClippedStep:
    before = 10.0 ** np.linspace(0, 2, layers)
    given = {
        "before": before,
        "broken": np.zeros(layers, bool),
        "after": {name: before / 10.0**k for k, name in enumerate(NAMES)},
        "cosines": dict(zip(NAMES, (1.0, 0.25, 0.75, np.nan), strict=True)),
        "told": dict(zip(NAMES, ("1", "0.25", "1 − 2.1e−07", "none"), strict=True)),
        "chosen": "value",
        "elements": elements(limit=0.01, note="59.8 % cut to 0.01"),
    }
    return ClippedStep(**{**given, **more})


@pytest.mark.parametrize("layers", [1, 2, 30, 500])
def test_norms_are_drawn_where_they_are(view, layers):
    shown = step(layers)
    view.update(shown)
    for name, values in {"before": shown.before, **shown.after}.items():
        x, y = view.lines[name].get_data()
        assert x.tolist() == list(range(1, layers + 1)) and y == pytest.approx(np.log10(values))
        assert view.norms.get_ylim()[0] < y.min() <= y.max() < view.norms.get_ylim()[1]


def test_a_rail_is_filled_as_far_as_the_direction_is_kept(view):
    view.update(step())
    ends = {name: mark.get_data()[0].tolist() for name, mark in view.meters.marks.items()}
    assert ends == {"norm": [1.0], "value": [0.25], "percentile": [0.75], "autoclip": []}
    assert view.meters.numbers["percentile"].get_text() == "1 − 2.1e−07"
    assert view.meters.numbers["autoclip"].get_text() == "none"


def test_the_chosen_clipper_s_elements_are_beside_those_before(view):
    view.update(step())
    assert view.elements.after["value"].get_data()[1].max() == view.elements.before.get_data()[1].max() == 1
    assert view.elements.limit.get_data()[0] == pytest.approx([-2, -2])
    view.update(step(elements=elements(after=1000 * np.eye(12)[4])))  # a pile does not flatten the rest
    assert view.elements.before.get_data()[1].max() == 1 < view.elements.after["value"].get_data()[1].max()
    assert view.elements.after["value"].get_data()[1].max() < view.near.get_ylim()[1]
    view.update(step(chosen="norm", elements=elements(note="all × 0.01")))
    assert not len(view.elements.after["value"].get_data()[0]) and not len(view.elements.limit.get_data()[0])
    assert len(view.elements.after["norm"].get_data()[0]) and view.elements.note.get_text() == "all × 0.01"


def test_what_is_zero_or_not_finite_is_marked_and_named(view):
    shown = step()
    shown.before[1], shown.before[3], shown.broken[3] = 0, np.nan, True
    assert view.update(shown) == EVERYTHING
    assert view.lines["zero"].get_data()[0].tolist() == [2] and view.lines["broken"].get_data()[0].tolist() == [4]
    said = [text.get_text() for text in view.norms.texts]
    assert any("▼ zero" in one and "✖ not finite" in one for one in said)


def test_nothing_to_clip_is_one_line_and_no_frame(view):
    view.update(step(elements=None))
    assert lines_in(view) == ["every element is 0: there is nothing to clip"] and not view.near.get_visible()
    view.update(step(before=np.full(6, np.nan)))
    assert lines_in(view) == ["no layer has a gradient: there is nothing to clip"]
    assert not any(axes.get_visible() for axes in view.figure.axes)
    assert view.update(step()).everything and lines_in(view) == []


def lines_in(view) -> list[str]:
    return [" ".join(text.get_text().split()) for text in view.figure.texts if text.get_text()]


def test_a_slider_within_the_axes_leaves_the_background(view):
    view.update(step(settled=False))
    for factor in (0.9, 0.5, 1.1):
        moved = step(settled=False)
        after = {**moved.after, "value": factor * moved.after["value"]}
        assert view.update(replace(moved, after=after, cosines={**moved.cosines, "value": factor / 2})) == Redraw()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, 1e-300, 1e300])
def test_any_number_everywhere_is_drawn_without_an_error(view, drawn, value):
    some = np.full(5, value)
    view.update(
        step(
            5, before=some, broken=~np.isfinite(some), after=dict.fromkeys(NAMES, some),
            cosines=dict.fromkeys(NAMES, value), elements=elements(limit=value),
        )
    )  # fmt: skip
    drawn(view.figure)
    assert np.isfinite(view.norms.get_ylim()).all()


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("state", ["usual", "one", "deep", "named", "broken", "alike", "zeros", "nothing"])
def test_texts_lie_in_the_figure_and_apart(picture, assert_texts_fit, size, state):
    broken = step(6, before=np.array([0, np.nan, 1, 1, 1, 1]), broken=np.arange(6) == 1)
    shown = {
        "usual": step(),
        "one": step(1),
        "deep": step(300),
        "named": step(6, names=tuple(f"encoder.layers.{k}.linear" for k in range(6))),
        "broken": broken,
        "alike": step(after=dict.fromkeys(NAMES, step().before), chosen="autoclip"),
        "zeros": step(elements=None),
        "nothing": step(before=np.full(6, np.nan)),
    }[state]
    view = ClippingFigure(picture(*size))
    view.update(shown)
    assert_texts_fit(view.figure)


@pytest.mark.parametrize("heights", [[], [0.5], [0.5, 0.5, 0.5], [0.0, 0.01, 0.02, 0.9], [0.97, 0.98, 0.99, 1.0]])
def test_names_are_moved_apart_and_stay_beside_the_axes(heights):
    moved = apart(heights, 0.1)
    assert len(moved) == len(heights) and all(b - a >= 0.1 - 1e-9 for a, b in pairwise(moved))
    assert all(-1e-9 <= one <= 1 + 1e-9 for one in moved)
    assert heights != [0.5] or moved == heights


def test_a_layer_s_norms_are_told_under_the_pointer(view):
    view.update(step())
    box = view.norms.get_position()
    told = view.value_at(box.x0 + 0.99 * box.width, box.y0 + 0.5 * box.height).splitlines()
    assert told == ["layer 6", "before 100", "norm 100", "value 10", "percentile 1", "autoclip 0.1"]
    assert view.value_at(0.999, 0.001) == ""
