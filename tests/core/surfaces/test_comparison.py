"""Two variants of a loss: the angle between their gradients against closed forms, and what is said of them."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradwidgets.core import EXAMPLES, compare_surfaces, sample_surface
from gradwidgets.core.results.slices import finish
from gradwidgets.core.surfaces.patterns import surveying
from gradwidgets.core.surfaces.patterns.singular.lines import singular_lines

SQUARE = {"a": (-1.0, 1.0), "b": (-1.0, 1.0)}
WIDE = {"a": (-5.0, 5.0), "b": (-5.0, 5.0)}
BANANA = {"a": (-2.0, 2.0), "b": (-1.0, 3.0)}
NAMES = ("first", "second")


def bowl(a, b):
    return a**2 + 3 * b**2


def compare(first, second, axes=SQUARE, resolution=41):
    grids = [sample_surface(loss, axes, resolution) for loss in (first, second)]
    return compare_surfaces(*grids, names=NAMES)


# -- the angle ------------------------------------------------------------------------------------------------


def turned(p, q, r):
    return lambda a, b: p * a**2 / 2 + q * a * b + r * b**2 / 2


@pytest.mark.parametrize(("one", "other"), [((1, 0, 3), (3, 0, 1)), ((2, 1, 1), (1, -0.5, 4)), ((1, 0, 1), (0, 1, 0))])
def test_the_angle_between_quadratics_is_that_of_their_matrices_times_the_point(one, other):
    found = compare(turned(*one), turned(*other), resolution=21)
    side = torch.linspace(-1, 1, 21, dtype=torch.float64).tolist()
    for i in range(21):
        for j in range(21):
            vectors = [(p * side[j] + q * side[i], q * side[j] + r * side[i]) for p, q, r in (one, other)]
            (ax, ay), (bx, by) = vectors
            if i == j == 10:
                assert math.isnan(found.angle[i, j])
                continue
            right = math.degrees(abs(math.atan2(ax * by - ay * bx, ax * bx + ay * by)))
            assert float(found.angle[i, j]) == pytest.approx(right, abs=1e-9)


def test_opposite_losses_are_opposite_everywhere():
    found = compare(bowl, lambda a, b: -bowl(a, b))
    assert torch.equal(found.angle.nan_to_num(180.0), torch.full((41, 41), 180.0, dtype=torch.float64))
    assert found.sentences[0] == "the gradients of the two are opposite everywhere in view"
    assert found.sentences[1] == "the gradients of the two are equally large"
    assert "first is lowest at a 0, b 0, second at a " in found.sentences[2] and len(found.sentences) == 3


def test_there_is_no_angle_where_a_gradient_is_zero_or_not_finite():
    found = compare(lambda a, b: torch.relu(a) + 0 * b, lambda a, b: (b + 0.5).log() + a)
    a, b = (sample_surface(loss, SQUARE, 41).loss for loss in (lambda a, b: a, lambda a, b: b))
    assert torch.equal(found.angle.isfinite(), (a > 0) & (b > -0.5 + 1e-12))


def test_a_curve_s_angles_are_0_and_180():
    found = compare(lambda v: v**2, lambda v: (v - 0.3) ** 2, {"v": (-1.0, 1.0)}, 81)
    v = torch.linspace(-1, 1, 81, dtype=torch.float64)
    between = (v > 1e-9) & (v < 0.3 - 1e-9)
    assert torch.equal(found.angle[between], torch.full((int(between.sum()),), 180.0, dtype=torch.float64))
    beside = ~between & ((v - 0.3).abs() > 1e-9) & (v.abs() > 1e-9)
    assert set(found.angle[beside].tolist()) == {0.0}
    assert found.sentences == (
        "the gradients of the two have opposite signs in 15 % of the view",
        "the gradient of second is 1.3 times as large as that of first at the median, 0.56 to 1.7 times in half of "
        "the view",
        "first is lowest at v 0, second at v 0.3",
    )


@given(*[st.floats(-3, 3)] * 6, st.floats(-100, 100), st.floats(-100, 100), st.floats(-1e3, 1e3))
@settings(max_examples=60)
def test_no_scale_no_constant_and_no_order_changes_the_angle(p, q, r, s, t, u, power, other_power, shift):
    one, other = turned(p, q, r), turned(s, t, u)
    scale, other_scale = 10.0**power, 10.0**other_power
    plain = compare(one, other, resolution=7).angle
    changed = compare(lambda a, b: scale * one(a, b), lambda a, b: other_scale * other(a, b) + shift, resolution=7)
    usable = plain.isfinite() & changed.angle.isfinite()
    # Scaled by so much, a gradient may fall short of the smallest number.
    kept = [sample_surface(loss, SQUARE, 7).gradient.abs().amax(-1) > 1e-180 for loss in (one, other)]
    assert torch.equal(usable & kept[0] & kept[1], plain.isfinite() & kept[0] & kept[1])
    assert torch.allclose(changed.angle[usable & kept[0] & kept[1]], plain[usable & kept[0] & kept[1]], atol=1e-6)
    back = compare(other, one, resolution=7).angle
    assert torch.allclose(back, plain, atol=1e-12, equal_nan=True)


# -- the sizes ------------------------------------------------------------------------------------------------


def sizes(found):
    return found.ratio, found.ratio_low, found.ratio_high


def test_the_ratio_of_product_and_log_space_is_one_over_their_product():
    example = EXAMPLES["product and log-space"]
    grids = {name: sample_surface(loss, example.axes, 41) for name, loss in example.loss.items()}
    found = compare_surfaces(*grids.values(), names=tuple(grids))
    side = torch.linspace(-2, 2, 41, dtype=torch.float64)
    right = 1 / (side[:, None] * side).abs()[found.angle.isfinite()]
    assert len(right) == 1600  # all but the two lines where A or B is 0
    low, median, high = (float(right.quantile(share)) for share in (0.25, 0.5, 0.75))
    assert sizes(found) == pytest.approx((median, low, high), rel=0.02)  # interpolated in another way
    back = compare_surfaces(*reversed(grids.values()), names=tuple(reversed(grids)))
    assert sizes(back) == pytest.approx((1 / median, 1 / high, 1 / low), rel=0.02)
    assert sizes(back) == pytest.approx([1 / found.ratio, 1 / found.ratio_high, 1 / found.ratio_low], rel=1e-12)


@pytest.mark.parametrize("factor", [1.0, 0.5, 3.2, 1e-120, 1e120])
def test_the_ratio_of_a_loss_and_a_multiple_of_it_is_the_factor(factor):
    found = compare(bowl, lambda a, b: factor * bowl(a, b))
    assert sizes(found) == pytest.approx((factor,) * 3, rel=1e-12)
    curve = compare(lambda v: v**2, lambda v: -factor * v**2, {"v": (-1.0, 1.0)})
    assert sizes(curve) == pytest.approx((factor,) * 3, rel=1e-12)


def test_a_pole_does_not_move_the_ratio():
    plain = compare(bowl, lambda a, b: 2 * bowl(a, b))
    pole = compare(bowl, lambda a, b: 2 * bowl(a, b) + 1e-7 / ((a - 0.3001) ** 2 + (b - 0.2001) ** 2))
    assert sizes(pole) == pytest.approx(sizes(plain), rel=1e-3)
    assert "the gradient of second is about twice as large as that of first" in pole.sentences


def test_there_is_no_ratio_where_there_is_no_angle():
    found = compare(bowl, lambda a, b: 0 * a + 0 * b)
    assert all(math.isnan(size) for size in sizes(found)) and not any("large" in said for said in found.sentences)
    assert found == compare(bowl, lambda a, b: 0 * a + 0 * b)
    half = compare(lambda a, b: torch.relu(a) + 0 * b, lambda a, b: 3 * torch.relu(a) + b * 0)
    assert sizes(half) == (3.0, 3.0, 3.0)


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (lambda a, b: b, "the gradients of the two are equally large"),
        (lambda a, b: 0.5 * b, "the gradient of second is half as large as that of first"),
        (lambda a, b: -2 * a, "the gradient of second is twice as large as that of first"),
        (lambda a, b: 3.2 * b, "the gradient of second is 3.2 times as large as that of first"),
        (lambda a, b: 3.2 * b + 0.01 * a**2, "the gradient of second is about 3.2 times as large as that of first"),
        (
            lambda a, b: torch.where(a > 0.7, 40 * b, 2 * b),
            "the gradient of second is about twice as large as that of first in half of the view, 2 to 40 times in "
            "nine tenths of it",
        ),
        (
            lambda a, b: 10 ** (2 * a) / (2 * math.log(10)) + 0 * b,
            "the gradient of second is as large as that of first at the median, 0.1 to 10 times in half of the view",
        ),
        (
            lambda a, b: 2 * 10 ** (2 * b) / (2 * math.log(10)) + 0 * a,
            "the gradient of second is twice as large as that of first at the median, 0.2 to 20 times in half of the "
            "view",
        ),
    ],
)
def test_the_sizes_in_words(second, words):
    assert words in compare(lambda a, b: a + 0 * b, second).sentences


@given(st.floats(-3, 3), st.floats(0.1, 3), st.floats(-140, 140), st.floats(-1e3, 1e3))
@settings(max_examples=40)
def test_the_ratio_follows_a_scale_and_no_constant(q, r, power, shift):
    one, other = turned(1.0, 0.3, 2.0), turned(2.0, q, r)
    plain = compare(one, other, resolution=8)
    changed = compare(one, lambda a, b: 10.0**power * other(a, b) + shift, resolution=8)
    assert sizes(changed) == pytest.approx([10.0**power * size for size in sizes(plain)], rel=1e-9)


# -- the words ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resolution", "share", "where"), [(81, "3.7 %", "wherever both are finite"), (80, "5 %", "everywhere in view")]
)
def test_product_and_log_space(resolution, share, where):
    example = EXAMPLES["product and log-space"]
    grids = {name: sample_surface(loss, example.axes, resolution) for name, loss in example.loss.items()}
    found = compare_surfaces(*grids.values(), names=tuple(grids))
    assert found.names == ("product", "log-space")
    assert found.sentences[:3] == (
        f"the gradient for A (likewise B) is under a tenth of its median in {share} of the view for product, nowhere "
        "for log-space",
        "log-space is singular at A = 0 and at B = 0",
        f"the two have the same gradient direction {where}",
    )
    (said,) = found.sentences[3:]
    assert said.startswith("the gradient of log-space is 1.") and said.endswith(" times in half of the view")


def test_the_same_loss_twice_and_one_that_is_a_scale_or_a_constant_away():
    assert compare(bowl, bowl).sentences == ("the two are the same loss everywhere in view",)
    direction = "the two have the same gradient direction everywhere in view"
    assert compare(bowl, lambda a, b: 3 * bowl(a, b) + 1).sentences == (f"{direction}: second is 3 times as steep",)
    assert compare(bowl, lambda a, b: bowl(a, b) / 4).sentences == (f"{direction}: first is 4 times as steep",)
    assert compare(bowl, lambda a, b: bowl(a, b) + 1).sentences == (f"{direction}: they differ by a constant",)
    assert compare(bowl, lambda a, b: torch.log1p(bowl(a, b))).sentences == (
        direction,
        "the gradient of second is 0.46 times as large as that of first at the median, 0.32 to 0.64 times in half "
        "of the view",
    )


def test_the_same_loss_that_is_not_finite_everywhere():
    found = compare(lambda a, b: (a + 0.5).log() + b, lambda a, b: (a + 0.5).log() + b)
    assert found.sentences == ("the two are the same loss wherever both are finite",)


def test_two_that_are_singular_in_the_same_places_do_not_differ_in_that():
    found = compare(lambda a, b: a.abs().log() + b, lambda a, b: 2 * a.abs().log() + b, resolution=40)
    assert not any("singular" in sentence for sentence in found.sentences)


def test_dead_ground_of_one_and_surveys_known_already():
    grids = [sample_surface(loss, SQUARE, 41) for loss in (bowl, lambda a, b: (a.relu() - 0.8) ** 2 + a.relu() * b**2)]
    surveys = {name: finish(surveying(grid)) for name, grid in zip(NAMES, grids, strict=True)}
    found = compare_surfaces(*grids, names=NAMES, surveys=surveys)
    assert found == compare_surfaces(*grids, names=NAMES)
    assert found.sentences[0] == "50 % of the view is dead ground for second, nothing for first"
    assert "of the points where both have one, against each other (over 90°) in" in found.sentences[-3]
    assert found.sentences[-2].endswith("times in half of the points where both have one")


def test_a_constant_is_dead_ground_altogether():
    found = compare(bowl, lambda a, b: 0 * a + 0 * b)
    assert found.sentences == ("100 % of the view is dead ground for second, nothing for first",)
    assert found.angle.isnan().all()


def test_a_parameter_that_no_gradient_reaches():
    found = compare(lambda a, b: a.detach() ** 2 + b**2, lambda a, b: a**2 + b**2)
    assert found.sentences[0] == "no gradient reaches a in first"


def test_a_region_that_is_not_finite():
    example = EXAMPLES["√ under where"]
    grids = {name: sample_surface(loss, example.axes, 81) for name, loss in example.loss.items()}
    found = compare_surfaces(*grids.values(), names=tuple(grids))
    assert found.sentences == (
        "√ under where is not finite in 50 % of the view, for example at x −2, y 0",
        "the two have the same gradient direction wherever both are finite: there they are the same",
    )
    nothing = compare(lambda a, b: (a - 5).log() + b, bowl)
    assert nothing.sentences[0].startswith("first is not finite in 100 % of the view")


def test_how_far_gradients_agree_and_where_each_is_lowest():
    found = compare(bowl, lambda a, b: bowl(a - 0.5, b), resolution=81)
    near = float((found.angle <= 30).double().sum() / found.angle.isfinite().double().sum())
    assert found.sentences == (
        f"the gradients of the two are within 30° of each other in {100 * near:.3g} % of the view, against each other "
        "(over 90°) in 1.66 %",
        "the gradients of the two are about equally large in half of the view, 0.63 to 1.7 times in nine tenths of it",
        "first is lowest at a 0, b 0, second at a 0.5, b 0",
    )
    shifted = compare(bowl, lambda a, b: bowl(a - 0.03, b), resolution=81)
    assert not any("lowest" in sentence for sentence in shifted.sentences)


# -- poles ----------------------------------------------------------------------------------------------------

SMOOTH = {
    "a quadratic": (bowl, SQUARE),
    "Rosenbrock": (lambda a, b: (1 - a) ** 2 + 100 * (b - a**2) ** 2, BANANA),
    "exp": (lambda a, b: torch.exp(3 * a) + torch.exp(-2 * b), WIDE),
    "a high power": (lambda a, b: a**8 + b**8, SQUARE),
    "a steep step": (lambda a, b: torch.tanh(200 * (a - 0.0131)) + b, SQUARE),
    "almost a pole": (lambda a, b: 1 / (a**2 + 1e-6) + b**2, SQUARE),
    "a pole along a parabola": (lambda a, b: (a - b**2).abs().log(), SQUARE),
    "a kink": (lambda a, b: 50 * (a - 0.3).abs() + b, SQUARE),
}


@pytest.mark.parametrize("resolution", [40, 81])
@pytest.mark.parametrize(("loss", "axes"), SMOOTH.values(), ids=SMOOTH)
def test_what_is_steep_is_not_singular(loss, axes, resolution):
    assert singular_lines(sample_surface(loss, axes, resolution)) == {}


@pytest.mark.parametrize("resolution", [40, 80, 81])
@pytest.mark.parametrize(
    "loss",
    [
        lambda a, b: 1 / (a - 0.3123) + b,
        lambda a, b: (a - 0.3123).abs().sqrt() + b,
        lambda a, b: (a - 0.3123).abs().log() * (1 + b**2),
    ],
)
def test_a_pole_is_found_between_the_points(loss, resolution):
    found = singular_lines(sample_surface(loss, SQUARE, resolution))
    assert list(found) == ["a"] and found["a"] == pytest.approx((0.3123,), abs=1e-6)


def test_poles_of_a_curve_and_at_the_end_of_the_view():
    assert singular_lines(sample_surface(lambda v: v.abs().log(), {"v": (-1.0, 1.0)}, 80)) == {"v": (0.0,)}
    assert singular_lines(sample_surface(lambda v: v.log(), {"v": (0.0, 1.0)}, 81)) == {"v": (0.0,)}


# -- what is refused ------------------------------------------------------------------------------------------


def test_other_axes_other_points_or_one_name_for_both_are_refused():
    grid = sample_surface(bowl, SQUARE, 9)
    with pytest.raises(ValueError, match="axes differ: a, b and b, a"):
        compare_surfaces(grid, sample_surface(bowl, {"b": (-1.0, 1.0), "a": (-1.0, 1.0)}, 9), names=NAMES)
    with pytest.raises(ValueError, match="along a differ: 9 from −1 to 1 and 11 from −1 to 1"):
        compare_surfaces(grid, sample_surface(bowl, SQUARE, 11), names=NAMES)
    with pytest.raises(ValueError, match="along b differ"):
        compare_surfaces(grid, sample_surface(bowl, {"a": (-1.0, 1.0), "b": (0.0, 1.0)}, 9), names=NAMES)
    with pytest.raises(ValueError, match="two different"):
        compare_surfaces(grid, grid, names=("one", "one"))
    with pytest.raises(TypeError, match="sample_surface"):
        compare_surfaces(grid, bowl, names=NAMES)
