"""The picture of a training run: what was sampled is drawn, what cannot be is marked, the background stays."""

import numpy as np
import pytest

from gradwidgets.figures.base.redraw import EVERYTHING, Redraw
from gradwidgets.figures.live.figure import LiveFigure
from gradwidgets.figures.live.training import Beside, Histogram, Training
from tests.figures.pictures import texts_in, themed

SIZES = [(400, 380), (598, 440), (760, 470), (1280, 700)]


@pytest.fixture(params=["light", "dark"])
def live(request, picture):
    return themed(LiveFigure, request.param)(picture(*SIZES[2]))


def training(samples: int, layers: int, **more) -> Training:
    rng = np.random.default_rng(layers)
    given = {
        "quantity": "weight gradient, rms",
        "layers": [f"layers.{k}" for k in range(layers)],
        "steps": 1 + np.arange(samples),
        "values": 10.0 ** rng.uniform(-4, -1, (samples, layers)),
        "loss": rng.uniform(1.0, 2.0, samples),
    }
    return Training(**{**given, **more})


def another(samples: int, layers: int, parted: int | None = 120, name: str = "a_long_name_of_a_file") -> Beside:
    rng = np.random.default_rng(7)
    steps, losses = 1 + 3 * np.arange(samples), np.arange(1, 3 * samples)
    values = 10.0 ** rng.uniform(-6, -3, (samples, layers))
    return Beside(name, steps, values, rng.uniform(0.1, 4.0, len(losses)), losses, parted)


def histogram(title: str = "layers.1, step 9") -> Histogram:
    return Histogram(title, np.linspace(-6, -2, 9), np.arange(8.0))


@pytest.mark.parametrize("layers", [1, 2, 12, 30, 500])
@pytest.mark.parametrize("samples", [1, 2, 90])
def test_layers_and_loss_are_drawn_where_they_are(live, samples, layers):
    shown = training(samples, layers)
    live.update(shown)
    chosen = shown.drawn
    assert len(chosen) == min(layers, 12) and chosen[0] == 0 and chosen[-1] == layers - 1
    for k, layer in enumerate(chosen):
        x, y = live.lines[f"layer {k}"].get_data()
        assert x.tolist() == shown.steps.tolist() and y == pytest.approx(np.log10(shown.values[:, layer]))
    x, y = live.lines["now"].get_data()
    assert x.tolist() == list(range(1, layers + 1)) and y == pytest.approx(np.log10(shown.values[-1]))
    assert live.lines["loss"].get_data()[1].tolist() == shown.loss.tolist()
    for line, axes in (("layer 0", live.norms), ("now", live.profile), ("loss", live.loss)):
        x, y = live.lines[line].get_data()
        assert axes.get_xlim()[0] < x.min() <= x.max() < axes.get_xlim()[1]
        assert axes.get_ylim()[0] < y.min() <= y.max() < axes.get_ylim()[1]


def test_the_selected_layer_has_a_line_even_where_few_are_drawn(live):
    shown = training(40, 500, selected=7)
    live.update(shown)
    assert 7 not in shown.drawn
    assert live.lines["own"].get_data()[1] == pytest.approx(np.log10(shown.values[:, 7]))
    assert live.lines["selected"].get_data()[0].tolist() == [8, 8]
    live.update(training(40, 500))
    assert not len(live.lines["own"].get_data()[0]) and not len(live.lines["selected"].get_data()[0])


def test_ten_thousand_samples_keep_newest_and_extremes(live):
    shown = training(10_000, 3)
    shown.values[6543, 1], shown.values[777, 1] = 1e3, 1e-9
    live.update(shown)
    x, y = live.lines["layer 1"].get_data()
    assert len(x) <= 400 and x[0] == 1 and x[-1] == 10_000
    assert {6544, 778} <= set(x.tolist()) and y.max() == pytest.approx(3) and y.min() == pytest.approx(-9)


def test_what_is_zero_or_not_finite_is_marked_at_the_edges(live, drawn):
    shown = training(30, 4, loss=np.where(np.arange(30) < 20, 1.5, np.inf))
    shown.values[10, 1], shown.values[12, 2], shown.values[-1, 3], shown.values[-1, 0] = 0, np.nan, np.inf, 0
    live.update(shown)
    assert live.lines["zero"].get_data()[0].tolist() == [11, 30]
    assert live.lines["broken"].get_data()[0].tolist() == [13, 30]
    assert live.lines["zero now"].get_data()[0].tolist() == [1]
    assert live.lines["broken now"].get_data()[0].tolist() == [4]
    assert live.lines["now"].get_data()[0].tolist() == [2, 3]
    broken = live.lines["loss broken"].get_data()[0].tolist()
    assert broken[0] == 21 and broken[-1] == 30 and broken == sorted(set(broken)) and len(broken) <= 10
    for name, axes in (("zero", live.norms), ("broken", live.norms), ("loss broken", live.loss)):
        low, high = axes.get_ylim()
        assert (low < live.lines[name].get_data()[1]).all() and (live.lines[name].get_data()[1] < high).all()
    assert len(np.unique(drawn(live.figure).reshape(-1, 4), axis=0)) > 20


def test_marks_are_explained_while_they_are_seen(live):
    def said(axes) -> list[bool]:
        return [words in words_of(axes) for words in ("▼ zero", "✖ not finite")]

    shown = training(30, 40)
    live.update(shown)
    assert not any(said(live.norms) + said(live.loss))
    shown.values[-1, 1], shown.loss[3] = 0, np.inf
    assert 1 not in shown.drawn
    assert live.update(shown) == Redraw(with_labels=(live.norms, live.loss))
    assert said(live.norms) == [True, False] and said(live.loss) == [False, True]
    shown.values[4, 0] = np.nan
    assert live.update(shown) == Redraw(with_labels=(live.norms,))
    assert said(live.norms) == [True, True]
    live.update(training(30, 40))
    assert not any(said(live.norms) + said(live.loss))


def test_told_what_was_broken_it_does_not_take_nothing_for_it(live):
    shown = training(5, 2, broken=np.zeros((5, 2), bool))
    shown.values[:, 1] = np.nan
    live.update(shown)
    assert not len(live.lines["broken"].get_data()[0]) and not len(live.lines["broken now"].get_data()[0])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, 1e-300, 1e300])
def test_any_number_everywhere_is_drawn_without_an_error(live, drawn, value):
    full = np.full((60, 5), value)
    live.update(training(60, 5, values=full, loss=full[:, 0], update_ratio=full[0], dead=full[0], overhead=value))
    drawn(live.figure)
    assert np.isfinite([live.norms.get_ylim(), live.profile.get_ylim(), live.loss.get_ylim()]).all()


def test_a_loss_is_logarithmic_once_it_spans_two_decades(live):
    live.update(training(20, 2, loss=np.linspace(5, 1, 20)))
    assert live.lines["loss"].get_data()[1][-1] == 1 and live.loss.get_ylim()[0] < 1
    live.update(training(21, 2, loss=np.append(np.linspace(5, 1, 20), 1e-4)))
    assert live.lines["loss"].get_data()[1][-1] == pytest.approx(-4)
    live.update(training(22, 2, loss=np.append(np.linspace(5, 1, 20), [1e-4, -3])))
    assert live.lines["loss"].get_data()[1][-1] == -3


def test_losses_of_steps_between_and_after_the_samples_are_drawn(live):
    steps = np.arange(1, 51)
    losses = np.linspace(5, 3, 50)
    losses[20] = np.nan  # noted so: it is shown as not finite
    live.update(training(5, 2, steps=np.arange(1, 41, 9)[:5], loss=losses, loss_steps=steps))
    x, y = live.lines["loss"].get_data()
    assert x.tolist() == [*range(1, 21), *range(22, 51)] and y[-1] == 3
    assert live.lines["loss broken"].get_data()[0].tolist() == [21]
    assert live.norms.get_xlim()[1] > 50 and live.loss.get_xlim()[1] > 50
    assert any("step 50" in one for one in texts_in(live.loss))
    live.update(training(5, 2, loss=np.empty(0), loss_steps=np.empty(0, int)))
    assert "the loss is not known" in said_instead(live) and not live.loss.get_visible()


def test_a_loss_that_nobody_told_is_said_to_be_unknown(live):
    live.update(training(9, 2, loss=np.full(9, np.nan)))
    assert "the loss is not known" in said_instead(live) and not live.loss.get_visible()
    live.update(training(9, 2))
    assert "the loss is not known" not in said_instead(live) and live.loss.get_visible()


def test_what_is_not_there_leaves_its_room_to_a_neighbour(live):
    live.update(training(9, 2, detail=histogram()))
    loss, norms = live.loss.get_position(), live.norms.get_position()
    assert live.near.get_visible() and not said_instead(live)
    assert live.update(training(9, 2)).everything and not live.near.get_visible()
    assert said_instead(live) == ["sizes of elements: at the next gradient"]
    assert live.loss.get_position().height > 1.5 * loss.height
    live.update(training(9, 2, with_elements=False))
    assert said_instead(live) == [] and live.loss.get_position().height > 2 * loss.height
    live.update(training(9, 2, with_elements=False, loss=np.full(9, np.nan)))
    assert said_instead(live) == ["the loss is not known"] and live.norms.get_position().width > 1.3 * norms.width
    nothing = {"values": np.full((9, 2), np.nan), "broken": np.zeros((9, 2), bool)}
    live.update(training(9, 2, with_elements=False, **nothing))
    assert said_instead(live) == ["weight gradient, rms: no number is recorded"]
    assert not live.norms.get_visible() and live.loss.get_position().width > 0.8
    live.update(training(9, 2, detail=histogram()))
    assert live.norms.get_position().bounds == pytest.approx(norms.bounds) and not said_instead(live)


def test_the_background_stays_while_a_run_goes_on_within_its_limits(live):
    whole = training(400, 20, selected=3, detail=histogram())
    changes = 0
    live.update(training(0, 20))
    for samples in range(1, 401):
        now = Training(
            whole.quantity, whole.layers, whole.steps[:samples], whole.values[:samples], whole.loss[:samples],
            selected=3, detail=whole.detail, overhead=samples / 1e4,
        )  # fmt: skip
        before = [axes.get_ylim() for axes in (live.norms, live.profile)]
        changes += live.update(now) != Redraw()
        after = [axes.get_ylim() for axes in (live.norms, live.profile)]
        assert samples == 1 or all(a[0] <= b[0] and a[1] >= b[1] for a, b in zip(after, before, strict=True))
    assert changes < 25
    assert live.update(now) == Redraw()


def test_another_run_begins_with_limits_of_its_own(live):
    live.update(training(5000, 4, dead=np.full(4, 0.5)))
    assert live.health.get_visible()
    whole = live.update(training(4, 4, values=np.full((4, 4), 1.0))).everything
    assert whole and not live.health.get_visible()
    assert live.norms.get_xlim()[1] < 11 and live.norms.get_ylim()[0] > -4


def test_dead_units_have_a_strip_of_their_own_below(live):
    live.update(training(8, 5))
    whole = live.update(training(9, 5, dead=np.array([np.nan, 0.25, np.nan, 1.0, 0.0]))).everything
    x, y = live.lines["dead"].get_data()
    assert whole and x.tolist() == [2, 4, 5] and y.tolist() == [0.25, 1, 0]
    profile, health = live.profile.get_position(), live.health.get_position()
    assert health.y1 < profile.y0 and (health.x0, health.x1) == (profile.x0, profile.x1)


def test_before_the_first_sample_there_is_a_sentence_and_nothing_else(live, drawn):
    whole = live.update(training(0, 3, waiting="waiting for <b>the</b> $first$ step")).everything
    assert whole and not any(axes.get_visible() for axes in live.figure.axes)
    assert said_instead(live) == ["waiting for <b>the</b> $first$ step"]
    assert live.update(training(0, 3, waiting="waiting for <b>the</b> $first$ step")) == Redraw()
    whole = live.update(training(1, 3)).everything
    assert whole and live.norms.get_visible() and "waiting" not in " ".join(said_instead(live))


def test_the_histogram_is_a_staircase_over_whole_decades_that_only_grow(live):
    live.update(training(9, 2))
    assert live.near in live.update(training(9, 2, detail=histogram())).with_labels
    x, y = live.lines["near"].get_data()
    assert x[0] == -6 and x[-1] == -2 and y.max() == 1 and live.near.get_xlim() == (-6, -2)
    wider = Histogram("layers.1, step 9", np.array([-8.5, -7.0]), np.array([3.0]))
    live.update(training(9, 2, detail=wider))
    assert live.near.get_xlim() == (-9, -2)
    live.update(training(9, 2, detail=histogram("layers.0, step 9")))
    assert live.near.get_xlim() == (-6, -2)
    live.update(training(9, 2, detail=Histogram("nothing", np.linspace(0, 1, 3), np.zeros(2))))
    assert live.lines["near"].get_data()[1].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("state", ["first", "usual", "deep", "broken", "extreme", "waiting", "beside", "both broken"])
def test_texts_lie_in_the_figure_and_apart(picture, assert_texts_fit, size, state):
    shown = {
        "first": training(1, 2),
        "usual": training(300, 24, selected=4, detail=histogram("a.very.long.name.of.a.module." * 4), overhead=0.0213),
        "deep": training(
            2000, 500, dead=np.full(500, 0.3), update_ratio=np.full(500, 1e-3), overhead=0.123, detail=histogram()
        ),
        "broken": training(
            90_000, 2, values=np.tile([0.0, np.nan], (90_000, 1)), loss=np.full(90_000, np.inf), dead=np.zeros(2)
        ),
        "extreme": training(
            40,
            3,
            quantity="a quantity with a name that is longer than its plot is wide, for whatever reason, rms, norm",
            values=10.0 ** np.linspace(-300, 300, 120).reshape(40, 3),
            loss=-(10.0 ** np.linspace(-30, 30, 40)),
            steps=10**9 + np.arange(40) * 10**7,
            detail=Histogram("x", np.array([-300.0, 300.0]), np.ones(1)),
        ),
        "beside": training(
            300, 24, detail=histogram(), dead=np.full(24, 0.3), update_ratio=np.full(24, 1e-3), beside=another(400, 24)
        ),
        "both broken": training(
            900,
            2,
            values=np.tile([0.0, np.nan], (900, 1)),
            loss=np.full(900, np.inf),
            dead=np.zeros(2),
            beside=another(900, 2, parted=3),
        ),
        "waiting": training(0, 3, waiting="waiting for the first step of a loop that somebody has still to run " * 3),
    }[state]
    if state == "extreme" and size[0] < 500:
        pytest.skip("three numbers of eight letters beside each other have no room there")
    live = LiveFigure(picture(*size))
    live.update(shown)
    assert_texts_fit(live.figure)


def test_another_run_is_drawn_in_dashes_on_the_same_scales(live):
    shown = training(40, 24, beside=another(30, 24))
    live.update(shown)
    other = shown.beside
    for k, place in zip((0, 11), (0, 23), strict=True):
        x, y = live.lines[f"twin {k}"].get_data()
        assert x.tolist() == other.steps.tolist() and y == pytest.approx(np.log10(other.values[:, place]))
    assert live.lines["twin now"].get_data()[1] == pytest.approx(np.log10(other.values[13]))  # step 40 was the newest
    assert live.lines["part"].get_data()[0].tolist() == live.lines["loss part"].get_data()[0].tolist() == [120, 120]
    for line, axes in (("twin 0", live.norms), ("twin now", live.profile), ("twin loss", live.loss)):
        x, y = live.lines[line].get_data()
        assert axes.get_xlim()[0] < x.min() <= x.max() < axes.get_xlim()[1]
        assert axes.get_ylim()[0] < y.min() <= y.max() < axes.get_ylim()[1]


def test_of_a_layer_that_is_looked_at_both_runs_have_a_line_and_the_others_none(live):
    shown = training(40, 24, beside=another(30, 24, parted=None), selected=5)
    live.update(shown)
    assert live.lines["own twin"].get_data()[1] == pytest.approx(np.log10(shown.beside.values[:, 5]))
    assert len(live.lines["twin 0"].get_data()[0]) == len(live.lines["part"].get_data()[0]) == 0


def test_without_another_run_nothing_of_it_stays(live):
    live.update(training(40, 3, beside=another(30, 3)))
    assert any("a_lon" in one for one in texts_in(live.profile))
    live.update(training(41, 3))
    assert all(len(live.lines[name].get_data()[0]) == 0 for name in live.lines if "twin" in name or "part" in name)
    assert not any("a_lon" in one for one in texts_in(live.profile))


def test_another_run_without_any_number_for_a_layer_is_drawn_without_it(live, drawn):
    other = another(5, 3)
    other.values[:, 1] = np.nan
    live.update(training(1, 3, beside=other))
    drawn(live.figure)
    assert live.lines["twin now"].get_data()[0].tolist() == [1, 3]
    nothing = Beside("none", np.empty(0), np.empty((0, 3)), np.empty(0), np.empty(0))
    live.update(training(2, 3, beside=nothing))
    drawn(live.figure)
    assert len(live.lines["twin now"].get_data()[0]) == 0


def test_a_click_finds_the_layer(live):
    live.update(training(0, 5))
    assert live.layer_at(live.profile, 2.0) is None
    live.update(training(3, 5, dead=np.zeros(5)))
    assert live.layer_at(live.profile, 2.4) == 1 and live.layer_at(live.health, 99.0) == 4
    assert live.layer_at(live.norms, 2.0) is None and live.layer_at(None, None) is None


def test_a_model_without_layers_still_has_a_loss(live, drawn):
    live.update(training(5, 0))
    drawn(live.figure)
    assert len(live.lines["loss"].get_data()[0]) == 5


def test_the_figure_can_be_built_again_in_another_size(live):
    live.update(training(5, 3))
    live.figure.set_size_inches(12.8, 7)
    assert live.update(training(5, 3)) == EVERYTHING
    assert len(live.figure.axes) == 5 and len(live.lines["now"].get_data()[0]) == 3


def said_instead(live) -> list[str]:
    """The lines in place of plots."""
    return [" ".join(text.get_text().split()) for text in live.figure.texts if text.get_text()]


def words_of(axes) -> str:
    return " ".join(" ".join(text.get_text() for text in axes.texts).split())


def test_a_layer_s_newest_value_is_told_under_the_pointer(live):
    live.update(training(3, 2, values=np.full((3, 2), 0.25), dead=np.array([0.5, np.nan])))
    box = live.profile.get_position()
    told = [live.value_at(box.x0 + share * box.width, box.y0 + 0.5 * box.height) for share in (0.01, 0.99)]
    assert told == ["layers.0\nweight gradient, rms 0.25\ndead units 50 %", "layers.1\nweight gradient, rms 0.25"]
