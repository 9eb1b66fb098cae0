"""The picture of a network's profile: what is there is drawn, what is zero or not finite is marked."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradwidgets.figures.axes.decades import Decades
from gradwidgets.figures.axes.layer_names import room_for
from gradwidgets.figures.base.redraw import Redraw
from gradwidgets.figures.base.side_plot import LOOKS, Detail
from gradwidgets.figures.flow.figure import FlowFigure, Profile
from tests.figures.pictures import picture, themed


@pytest.fixture(params=["light", "dark"])
def figure(request):
    return themed(FlowFigure, request.param)(picture(600, 420))


def profile(values, **more) -> Profile:
    values = np.asarray(values, float)
    return Profile("weight gradient, rms", values, np.zeros(len(values), bool), **more)


@given(st.lists(st.floats(1e-300, 1e300), min_size=1, max_size=30))
def test_whole_decades_hold_all_values_and_name_a_few(values):
    decades = Decades.of(np.array(values))
    heights = decades.height(np.array(values))
    assert decades.low - 1e-6 <= heights.min() and heights.max() <= decades.high + 1e-6
    assert decades.high - decades.low >= 2 and 1 <= len(decades.ticks) <= 8
    assert all(decades.low <= at <= decades.high for at in decades.ticks)


def test_what_is_not_positive_has_no_height():
    heights = Decades.of(np.array([1e-3, 1.0])).height(np.array([0.0, np.nan, np.inf, -1.0, 0.1]))
    assert np.isnan(heights[:4]).all() and heights[4] == pytest.approx(-1)
    assert Decades.of(np.array([np.nan, 0.0])) == Decades(-2, 0)


@pytest.mark.parametrize("count", [1, 2, 30, 500])
def test_any_number_of_layers_is_drawn_in_its_place(figure, count):
    values = 0.5 ** np.arange(count)
    figure.update(profile(values))
    x, y = figure.lines["measured"].get_data()
    assert x.tolist() == list(range(1, count + 1)) and y == pytest.approx(np.log10(values))
    low, high = figure.profile.get_ylim()
    assert low < y.min() and y.max() < high
    assert figure.layer_at(figure.profile, count + 3.0) == count - 1 and figure.layer_at(None, 1.0) is None


def test_zero_and_not_finite_are_marked_and_named(figure):
    shown = profile([1.0, 0.0, np.nan, 0.1], sick=[3])
    shown.broken[2] = True
    figure.update(shown)
    assert figure.lines["zero"].get_data()[0].tolist() == [2]
    assert figure.lines["broken"].get_data()[0].tolist() == [3]
    assert figure.lines["sick"].get_data()[0].tolist() == [4]
    assert figure.lines["measured"].get_data()[0].tolist() == [1, 4]
    said = {text.get_text() for text in figure.figure.texts}
    assert said == {"now", "sick", "zero", "not finite"}


def test_pins_of_other_depths_are_spread_over_the_same_width_and_named(figure):
    whole = figure.update(profile(np.ones(11), pinned={"He": np.full(3, 0.1), "<b>": np.full(11, 10.0)})).everything
    assert whole
    assert figure.lines["pinned 0"].get_data()[0].tolist() == [1, 6, 11]
    assert {"He", "<b>"} <= {text.get_text() for text in figure.figure.texts}
    assert figure.update(profile(np.ones(11), pinned={"He": np.full(3, 0.1), "<b>": np.full(11, 10.0)})) == Redraw()
    assert figure.profile.get_xlabel() == "layer, in order of execution; other depths are stretched"
    figure.update(profile(np.ones(11), pinned={"<b>": np.full(11, 10.0)}))
    assert figure.profile.get_xlabel() == "layer, in order of execution"


def test_while_a_hand_moves_the_axis_seldom_shrinks(figure):
    figure.update(profile([1e-6, 1.0]))
    figure.update(profile([1e-4, 1.0], settled=False))
    assert figure.profile.get_ylim() == Decades(-6, 0).limits
    figure.update(profile([1e-3, 1.0], settled=False))  # half of it would be empty
    assert figure.profile.get_ylim() == Decades(-3, 0).limits
    figure.update(profile([1e-9, 1.0], settled=False))
    assert figure.profile.get_ylim() == Decades(-9, 0).limits
    figure.update(profile([1e-2, 1.0]))
    assert figure.profile.get_ylim() == Decades(-2, 0).limits


def test_a_histogram_is_a_staircase():
    detail = Detail.histogram("a layer", np.array([0.0, 1.0, 2.0]), np.array([2.0, 4.0]))
    (curve,) = detail.curves
    x, y = curve.x, curve.y
    assert (
        curve.look in LOOKS
        and x.tolist() == [0, 1, 1, 2]
        and y.tolist() == [0.5, 0.5, 1, 1]
        and detail.limits == (0, 2, 0, 1.08)
    )


def test_marks_give_way_where_there_are_many_layers_and_come_back(figure):
    def look():
        return [figure.lines[name].get_marker() for name in ("measured", "pinned 0")], figure.lines[
            "sick"
        ].get_markersize()

    few, many = np.full(5, 0.1), np.full(400, 0.1)
    figure.update(profile(few, sick=[1], pinned={"before": few}))
    marks, size = look()
    assert "" not in marks
    figure.update(profile(many, sick=[1], pinned={"before": many}))
    assert look()[0] == ["", ""] and look()[1] < size / 2
    figure.update(profile(few, sick=[1], pinned={"before": few}))
    assert look() == (marks, size)


def test_the_axis_of_the_layers_has_room_and_seldom_changes_under_a_hand(figure):
    for count in (*range(1, 130), 300, 499, 500, 501, 1000):
        assert count <= room_for(count) <= max(1.34 * count, count + 1)
    figure.update(profile(np.ones(50)))
    assert figure.update(profile(np.ones(45), settled=False)) == Redraw() and figure.profile.get_xlim() == (0.4, 50.6)
    assert figure.layer_at(figure.profile, 49.0) == 44
    assert figure.update(profile(np.ones(51), settled=False)).with_labels == (figure.profile,)
    figure.update(profile(np.ones(45)))
    assert figure.profile.get_xlim() == (0.4, 45.6)  # a hand that let go leaves no empty room


def test_names_stand_along_the_axis_as_many_as_there_is_room_for(figure):
    few = ("stem", "<b>$x$", "head")
    figure.update(profile(np.ones(3), names=few))
    assert [text.get_text() for text in figure.profile.get_xticklabels()] == list(few)
    many = tuple(f"encoder.layers.{k}.linear1" for k in range(60))
    figure.update(profile(np.ones(60), names=many))
    texts = figure.profile.get_xticklabels()
    assert 2 <= len(texts) < 12 and texts[0].get_text() == "…0.linear1"
    renderer = figure.figure.canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in texts]
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))


def test_it_tells_the_layer_under_the_pointer(figure):
    def told(layer: int) -> str:
        place = figure.profile.transData.transform((layer + 0.2, np.mean(figure.profile.get_ylim())))
        return figure.value_at(*(place / figure.figure.bbox.size))

    figure.update(profile([1e-3, 1.0, 0.1], theory=np.ones(3)))
    assert told(1) == "layer 1\nweight gradient, rms 0.001\ntheory 1"
    figure.update(profile([0.5, np.nan], names=("fc", "out")))
    assert told(1) == "fc\nweight gradient, rms 0.5" and told(2) == "out\nweight gradient, rms undefined"
    assert figure.value_at(0.001, 0.001) == ""
