"""Where things go."""

from itertools import combinations

import pytest

from gradwidgets.figures.base.layout import report_layout
from gradwidgets.figures.clipping.clipping_rooms import ClippingLayout
from gradwidgets.figures.curvature.curvature_parts import PARTS
from gradwidgets.figures.curvature.curvature_rooms import CurvatureLayout
from gradwidgets.figures.live.live_rooms import LiveLayout, Rooms
from gradwidgets.figures.playground.squares import playground_layout
from gradwidgets.figures.surface.crossed import beside_layout, crossed_layout, curve_layout

SIZES = [(400, 380), (580, 466), (620, 470), (900, 600), (1500, 900)]


@pytest.mark.parametrize("with_data", [True, False], ids=["data", "objective"])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_boxes_lie_inside_and_apart(count, size, with_data):
    layout = playground_layout(count, *size, with_data)
    boxes = [*layout.maps, layout.losses, *([layout.data] if with_data else [])]
    assert len(layout.maps) == count and (layout.data is None) is not with_data
    for left, bottom, width, height in boxes:
        assert left > 0 and bottom > 0 and left + width < 1 and bottom + height < 1
        assert width * size[0] >= 60 and height * size[1] >= 70
    assert_apart(boxes)


SPANS = [(4.0, 4.0), (4.0, 3.0), (2.0, 4.0), (8.0, 4.0), (200.0, 2.0), (1e-3, 1e3)]


def assert_inside_and_apart(boxes, size, least):
    for left, bottom, width, height in boxes:
        assert left > 0 and bottom > 0 and left + width < 1 and bottom + height < 1
        assert width * size[0] >= least and height * size[1] >= least
    assert_apart(boxes)


@pytest.mark.parametrize("spans", SPANS, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_map_s_cuts_lie_on_its_own_axes(size, spans):
    layout = crossed_layout(*size, spans, 5)
    (left, bottom, width, height), above, beside = layout.maps[0], layout.upper, layout.losses
    assert_inside_and_apart([layout.maps[0], above, beside], size, 50)
    assert above[0] == left and above[2] == pytest.approx(width) and above[1] > bottom + height
    assert beside[1] == bottom and beside[3] == pytest.approx(height) and beside[0] > left + width
    if 0.5 <= spans[1] / spans[0] <= 2:
        assert width * size[0] / spans[0] == pytest.approx(height * size[1] / spans[1])


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("spans", SPANS, ids=str)
@pytest.mark.parametrize("size", [(400, 460), *SIZES[1:]], ids=str)
def test_maps_and_the_map_about_them_are_of_one_size_on_shared_axes(size, spans, count):
    layout, bar = beside_layout(*size, spans, 5, count)
    assert len(layout.maps) == count + 1
    assert_inside_and_apart([*layout.maps, layout.upper, layout.losses], size, 40)
    assert_apart([*layout.maps, layout.upper, layout.losses, bar])
    assert len({(round(w, 9), round(h, 9)) for _, _, w, h in layout.maps}) == 1
    assert layout.upper[0] == layout.maps[0][0] and layout.losses[1] == layout.maps[0][1]
    assert len({box[1] for box in layout.maps[:count]}) == 1  # side by side
    in_a_row = layout.maps[-1][1] == layout.maps[0][1]
    assert in_a_row or layout.maps[-1][1] > layout.maps[0][1] + layout.maps[0][3]  # above the others
    assert layout.bottom_row == set(range(count + in_a_row)) and layout.left_column == {0}
    if spans == (4.0, 4.0):
        _, _, width, height = layout.maps[0]
        assert width * size[0] == pytest.approx(height * size[1])


@pytest.mark.parametrize("count", [1, 2])
def test_a_wide_picture_has_its_maps_in_a_row(count):
    wide, _ = beside_layout(1190, 480, (4.0, 4.0), 5, count)
    high, _ = beside_layout(594, 480, (4.0, 4.0), 5, count)
    assert wide.maps[-1][1] == wide.maps[0][1] and high.maps[-1][1] > high.maps[0][1]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_curve_lies_above_its_gradient_on_one_axis(size):
    layout = curve_layout(*size, 5)
    assert_inside_and_apart([layout.upper, layout.losses], size, 60)
    assert layout.upper[0] == layout.losses[0] and layout.upper[2] == layout.losses[2]
    assert layout.upper[1] > layout.losses[1]


@pytest.mark.parametrize("letters", [0, 3, 8])
def test_a_report_s_map_and_scale_or_its_two_plots_lie_inside_and_apart(letters):
    layout, bar = report_layout(620, 520, letters=letters)
    boxes = [*layout.maps, bar] if letters else [layout.data, layout.losses]
    for left, bottom, width, height in boxes:
        assert left > 0 and bottom > 0 and left + width < 1 and bottom + height < 1
    assert_apart(boxes)
    if letters:  # the scale's labels have room beside it
        assert (1 - bar[0] - bar[2]) * 620 > letters * 0.6 * layout.small * layout.dpi / 72


def assert_apart(boxes):
    for one, other in combinations(boxes, 2):
        apart_across = one[0] + one[2] <= other[0] or other[0] + other[2] <= one[0]
        apart_down = one[1] + one[3] <= other[1] or other[1] + other[3] <= one[1]
        assert apart_across or apart_down


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_every_column_has_labels_below_and_every_row_at_its_left(count):
    layout = playground_layout(count, 620, 470, True)
    columns = {round(box[0], 6) for box in layout.maps}
    rows = {round(box[1], 6) for box in layout.maps}
    assert {round(layout.maps[k][0], 6) for k in layout.bottom_row} == columns
    assert {round(layout.maps[k][1], 6) for k in layout.left_column} == rows


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6])
def test_maps_are_of_one_size_and_a_unit_is_as_long_on_both_axes(count, size):
    for spans in ((13.0, 13.0), (12.0, 6.0), (4.0, 10.0)):
        layout = playground_layout(count, *size, True, spans=spans)
        assert len({(round(w, 9), round(h, 9)) for _, _, w, h in layout.maps}) == 1
        _, _, width, height = layout.maps[0]
        assert width * size[0] / spans[0] == pytest.approx(height * size[1] / spans[1])


def test_axes_of_two_units_make_a_square():
    _, _, width, height = playground_layout(4, 620, 470, True, spans=(1.0, 1000.0)).maps[0]
    assert width * 620 == pytest.approx(height * 470)


def test_maps_take_what_the_plots_leave():
    four = playground_layout(4, 598, 440, True)
    assert four.maps[0][2] * 598 > 185 and four.losses[0] > four.maps[1][0] + four.maps[1][2]  # beside
    tall = playground_layout(4, 358, 508, True)
    assert tall.maps[0][2] * 358 > 140 and tall.losses[1] + tall.losses[3] < tall.maps[3][1]  # below


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_sizes_follow_the_picture(size):
    layout = playground_layout(4, *size, True)
    assert 1 <= layout.scale <= 1.7
    assert layout.small >= 7 and layout.label >= layout.small and layout.title >= layout.label
    assert min(layout.arrows) >= 5


@pytest.mark.parametrize("rooms", [Rooms(), Rooms(near=False), Rooms(dead=True), Rooms(False, False, True, ("why",))])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_plots_of_a_training_lie_inside_and_apart(size, rooms):
    places = LiveLayout(*size).places(rooms)
    assert (places.loss is None, places.near is None) == (not rooms.loss, not rooms.near)
    assert_placed([places.norms, places.profile, places.health, places.loss, places.near, *places.waiting])


@pytest.mark.parametrize("there", [frozenset(PARTS[:k]) for k in range(5)], ids=len)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_plots_of_the_curvature_lie_inside_and_apart(size, there):
    waiting = () if len(there) == len(PARTS) else ("this is not measured", "nor is that")
    places = CurvatureLayout(*size).places(there, waiting)
    assert_placed([*(getattr(places, name) for name in PARTS), places.bar, *places.waiting])
    assert places.correlation is None or places.correlation[2] * size[0] == pytest.approx(
        places.correlation[3] * size[1]
    )


@pytest.mark.parametrize("waiting", ["", "every element is 0"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_plots_of_clipping_lie_inside_and_apart(size, waiting):
    places = ClippingLayout(*size).places(4, waiting)
    assert_placed([places.norms, places.meters, places.elements])


def assert_placed(boxes):
    there = [box for box in boxes if box is not None]
    for left, bottom, width, height in there:
        assert left > 0 and bottom > 0 and width > 0 and height > 0 and left + width < 1 and bottom + height < 1
    assert_apart(there)
