"""One block a layer, lit by its gradient; bands behind the profile; words that cover no line."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from gradwidgets.figures.base.redraw import Redraw
from gradwidgets.figures.base.side_plot import Curve, Detail
from gradwidgets.figures.base.style import STYLES, contrast
from gradwidgets.figures.flow.bands import Band
from gradwidgets.figures.flow.block_row import LitLayers
from gradwidgets.figures.flow.figure import FlowFigure, Profile
from gradwidgets.figures.flow.free_room import FreeRoom
from gradwidgets.widgets.canvas.renderer import Renderer
from tests.figures.pictures import picture, themed
from tests.widgets.inside import blocks_in, pixels_of_blocks

SIZES = [(598, 440), (932, 612), (400, 440), (660, 334)]


@pytest.fixture(params=["light", "dark"])
def figure(request):
    made = themed(FlowFigure, request.param)(picture(598, 440))
    made.theme = request.param
    return made


def lit(levels, name="") -> LitLayers:
    levels = np.asarray(levels, float)
    return LitLayers(name, levels, np.zeros(len(levels), bool))


def profile(values, **more) -> Profile:
    values = np.asarray(values, float)
    rows = more.pop("rows", (lit(np.linspace(0, 1, len(values))),))
    return Profile("weight gradient, rms", values, np.zeros(len(values), bool), rows=rows, **more)


def pixels_of(figure) -> np.ndarray:
    return Renderer(figure.figure.canvas).draw()[..., :3] / 255


def block_colors(figure, row=0) -> np.ndarray:
    """The colours in the middle of each block, (L, 3)."""
    axes, pixels = figure.blocks[row].axes, pixels_of(figure)
    box, (low, high) = axes.bbox, axes.get_xlim()
    count = blocks_in(figure.blocks[row])
    columns = box.x0 + (np.linspace(1, len(figure.lines["measured"].points), count) - low) / (high - low) * box.width
    return pixels[int(pixels.shape[0] - (box.y0 + box.y1) / 2), columns.astype(int)]


@pytest.mark.parametrize("count", [1, 5, 20, 100, 1000])
def test_strong_is_light_and_gone_is_dark_whatever_the_number_of_layers(figure, count):
    figure.update(profile(np.ones(count), rows=(lit(np.linspace(0, 1, count)),)))
    colors = block_colors(figure)
    light = colors @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(light) > -0.02).all() and (count == 1 or light[-1] > light[0] + 0.5)


def test_blocks_stand_apart_and_hundreds_join(figure):
    face = np.array(to_rgb(STYLES[figure.theme].face))

    def gaps(count):
        figure.update(profile(np.ones(count), rows=(lit(np.full(count, 0.5)),)))
        box, pixels = figure.blocks[0].axes.bbox, pixels_of(figure)
        row = pixels[int(pixels.shape[0] - (box.y0 + box.y1) / 2), round(box.x0) + 12 : round(box.x1) - 12]
        return (np.abs(row - face).max(-1) < 0.02).sum()

    assert gaps(20) >= 19 and gaps(500) == 0


def test_what_is_not_known_or_not_finite_has_a_colour_of_its_own(figure):
    row = replace(lit([0.5, np.nan, 0.5]), broken=np.array([False, False, True]))
    figure.update(profile(np.ones(3), rows=(row,)))
    colors, style = block_colors(figure), STYLES[figure.theme]
    assert np.abs(colors[1] - to_rgb(style.faint)).max() < 0.02 and np.abs(colors[2] - to_rgb(style.alarm)).max() < 0.02


def test_a_block_is_clicked_as_the_profile_is_and_the_selected_one_is_ringed(figure):
    figure.update(profile(np.ones(8), selected=4))
    (row,) = figure.blocks
    assert figure.layer_at(row.axes, 3.2) == 2 == figure.layer_at(figure.profile, 3.2)
    x, _ = row.ring.get_data()
    assert min(x) < 5 < max(x) and max(x) - min(x) <= 1
    figure.update(profile(np.ones(8)))
    assert not len(row.ring.get_xdata())


def test_a_row_is_painted_anew_only_where_it_changes(figure, monkeypatch):
    figure.update(profile(np.ones(8)))
    painted = []
    monkeypatch.setattr(pixels_of_blocks(figure.blocks[0]), "paint", painted.append)
    assert figure.update(profile(np.ones(8))) == Redraw() and not painted
    figure.update(profile(np.ones(8), rows=(lit(np.zeros(8)),)))
    assert len(painted) == 1


def test_now_and_cure_are_two_named_rows_also_with_other_numbers_of_layers(figure):
    rows = lit(np.linspace(0, 1, 8), "now"), lit(np.ones(13), "cure")
    figure.update(profile(np.logspace(-8, 0, 8), rows=rows, pinned={"with He": np.full(13, 0.1)}, tried="tried: He"))
    assert len(figure.blocks) == 2 and len(block_colors(figure, 1)) == 13
    assert {"now", "cure"} <= {text.get_text() for text in figure.figure.texts}
    assert "tried: He" in {text.get_text() for text in figure.profile.texts}


BANDS = (
    Band("healthy", "", True, np.full(12, 1e-5), np.full(12, 10.0)),
    Band("vanished", "gone", False, np.zeros(12), np.logspace(-8, -7, 12)),
    Band("exploded", "", False, np.full(12, 1e9), np.full(12, np.inf)),
)


def test_bands_are_tinted_named_and_words_on_them_stand_out(figure):
    figure.update(profile(np.logspace(-12, 0, 12), bands=BANDS))
    pixels, box = pixels_of(figure), figure.profile.bbox
    (bottom, top), style = figure.profile.get_ylim(), STYLES[figure.theme]

    def at(height):
        y = box.y0 + (height - bottom) / (top - bottom) * box.height
        return pixels[int(pixels.shape[0] - y), int(box.x0 + 0.93 * box.width)]

    plain, good, bad = at(-6.4), at(-1.6), at(-10.4)
    assert np.abs(plain - to_rgb(style.plot)).max() < 0.01
    assert contrast(style.written(style.sound), good) >= 4.5 and contrast(style.written(style.alarm), bad) >= 4.5
    assert good[1] > good[0] and bad[0] > bad[1]
    said = {text.get_text() for text in figure.profile.texts} - {""}
    assert {"healthy", "vanished: gone"} <= said and "exploded" not in said  # which is beyond the axis
    figure.update(profile(np.logspace(-12, 0, 12)))
    assert "healthy" not in {text.get_text() for text in figure.profile.texts}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("values", [np.logspace(-18, 0, 20), np.logspace(8, 2, 12), np.full(5, 0.1)])
def test_words_in_the_profile_cover_neither_lines_nor_each_other(size, values):
    figure = FlowFigure(picture(*size))
    count = len(values)
    bands = tuple(replace(one, low=np.full(count, one.low[0]), high=np.full(count, one.high[0])) for one in BANDS)
    shown = profile(values, theory=values * 2, bands=bands, factor="× 0.14 per layer", sick=range(count // 2))
    figure.update(shown)
    renderer, frame = figure.figure.canvas.get_renderer(), figure.profile.bbox
    boxes = [text.get_window_extent(renderer) for text in figure.profile.texts if text.get_text()]
    inside = [box for box in boxes if box.y0 < frame.y1]
    assert len(inside) >= 2
    for k, box in enumerate(inside):
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1 + 1
        assert not any(box.overlaps(other) for other in inside[:k])
        x, y = figure.profile.transData.transform(figure.lines["measured"].points).T
        along = np.linspace(box.x0, box.x1, 50)
        heights = np.interp(along, x, y, left=-1, right=-1)
        assert not ((heights > box.y0) & (heights < box.y1)).any()


def test_a_line_that_rises_through_a_place_leaves_no_room_there():
    axes = picture(400, 300).add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 400), ylim=(0, 300))
    room = FreeRoom(axes, [np.array([[0.0, 0.0], [400.0, 300.0]])], margin=4)
    assert room.take([(150, 110, 60, 20)]) is None
    assert room.take([(150, 110, 60, 20), (20, 200, 60, 20)]) == (20, 200, 60, 20)
    assert room.take([(30, 205, 60, 20)]) is None  # which is taken now
    assert room.take([(380, 10, 60, 20)]) is None  # beyond the edge


DETAIL = Detail("", [Curve("now", np.arange(3.0), np.ones(3))], names=(("now", "dead units"),))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"hint": "Click a layer for more"},
        {"above": DETAIL, "why": ("A sentence that is long enough for three lines of text or more.",), "hint": "Click"},
        {"above": DETAIL, "below": replace(DETAIL, title="losses", x_label="step"), "hint": "Click a layer"},
    ],
)
def test_nothing_is_cut_off_and_no_frame_is_empty(size, more):
    figure = FlowFigure(picture(*size))
    figure.update(profile(np.logspace(-6, 0, 9), **more))
    assert [one is not None for one in (figure.above, figure.below)] == ["above" in more, "below" in more]
    renderer, whole = figure.figure.canvas.get_renderer(), figure.figure.bbox
    texts = [*figure.figure.texts, *(text for axes in figure.figure.axes for text in axes.texts)]
    for text in texts:
        if text.get_text():
            box = text.get_window_extent(renderer)
            assert whole.x0 - 1 <= box.x0 and box.x1 <= whole.x1 + 1, text.get_text()
            assert whole.y0 - 1 <= box.y0 and box.y1 <= whole.y1 + 1, text.get_text()
    frames = [axes.get_window_extent(renderer) for axes in figure.figure.axes]
    for k, one in enumerate(frames):
        assert one.width > 20 and one.height > 4 and not any(one.overlaps(other) for other in frames[:k])


def test_a_sentence_with_more_lines_finds_room_and_a_hand_does_not_move_the_rest(figure):
    short, long = ("Short.",), ("A sentence that takes many lines where there is little room for it.",)
    figure.update(profile(np.ones(5), above=DETAIL, why=short))
    before = figure.above.axes.get_position().height
    assert figure.update(profile(np.ones(5), above=DETAIL, why=long)).everything
    assert figure.above.axes.get_position().height <= before
    again = figure.update(profile(np.ones(5), above=DETAIL, why=short, settled=False))
    assert not again.everything
