"""Two variants of a loss: the angle between their gradients against closed forms, and what is said of them."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradwidgets.core import EXAMPLES, compare_surfaces, sample_surface
from gradwidgets.core.patterns import surveying
from gradwidgets.core.singular import singular_lines
from gradwidgets.core.slices import finish

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
    assert "first is lowest at a 0, b 0, second at a " in found.sentences[1] and len(found.sentences) == 2


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


# -- the words ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resolution", "share", "where"), [(81, "3.7 %", "wherever both are finite"), (80, "5 %", "everywhere in view")]
)
def test_product_and_log_space(resolution, share, where):
    example = EXAMPLES["product and log-space"]
    grids = {name: sample_surface(loss, example.axes, resolution) for name, loss in example.loss.items()}
    found = compare_surfaces(*grids.values(), names=tuple(grids))
    assert found.names == ("product", "log-space")
    assert found.sentences == (
        f"the gradient for A (likewise B) is under a tenth of its median in {share} of the view for product, nowhere "
        "for log-space",
        "log-space is singular at A = 0 and at B = 0",
        f"the two have the same gradient direction {where}",
    )


def test_the_same_loss_twice_and_one_that_is_a_scale_or_a_constant_away():
    assert compare(bowl, bowl).sentences == ("the two are the same loss everywhere in view",)
    direction = "the two have the same gradient direction everywhere in view"
    assert compare(bowl, lambda a, b: 3 * bowl(a, b) + 1).sentences == (f"{direction}: second is 3 times as steep",)
    assert compare(bowl, lambda a, b: bowl(a, b) / 4).sentences == (f"{direction}: first is 4 times as steep",)
    assert compare(bowl, lambda a, b: bowl(a, b) + 1).sentences == (f"{direction}: they differ by a constant",)
    assert compare(bowl, lambda a, b: torch.log1p(bowl(a, b))).sentences == (direction,)


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
    assert found.sentences[0] == "51.2 % of the view is dead ground for second, nothing for first"
    assert "of the points where both have one, against each other (over 90°) in" in found.sentences[-2]


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
        "√ under where is not finite in 50.6 % of the view, at x −2, y 0 say",
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
