"""Autograd beside central differences, as a map: on gradients known to be right, wrong, or beyond differences."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from gradwidgets import check_loss
from gradwidgets.core import OBJECTIVES, check_gradient, sample_surface
from gradwidgets.core.results.slices import finish
from gradwidgets.core.surfaces.gradient_check import SLOW
from gradwidgets.core.surfaces.patterns import surveying
from gradwidgets.core.surfaces.surface import SurfaceGrid

SQUARE = {"a": (-1.0, 1.0), "b": (-1.0, 1.0)}
WIDE = {"a": (-5.0, 5.0), "b": (-5.0, 5.0)}
BANANA = {"a": (-2.0, 2.0), "b": (-1.0, 3.0)}


class OffByHalf(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, grad):
        return 1.5 * 2 * ctx.saved_tensors[0] * grad


def check(loss, axes=SQUARE, resolution=41, **options):
    return check_gradient(sample_surface(loss, axes, resolution, **options))


RIGHT = {
    "a quadratic": (lambda a, b: a**2 + 3 * b**2 + a * b, SQUARE),
    "Rosenbrock": (lambda a, b: (1 - a) ** 2 + 100 * (b - a**2) ** 2, BANANA),
    "log-sum-exp": (lambda a, b: torch.logsumexp(torch.stack([a, b, 0 * a], -1), -1), WIDE),
    "exp": (lambda a, b: torch.exp(a) + torch.exp(-2 * b), WIDE),
    "a slope": (lambda a, b: a + 2 * b, SQUARE),
    "a constant": (lambda a, b: 0 * a + 0 * b + 3, SQUARE),
    "an objective": (OBJECTIVES["himmelblau"], {"x": (-6.0, 6.0), "y": (-6.0, 6.0)}),
    "a curve": (lambda v: 50 * v**2, {"v": (-1.0, 1.0)}),
}


@pytest.mark.parametrize("resolution", [40, 81])
@pytest.mark.parametrize(("loss", "axes"), RIGHT.values(), ids=RIGHT)
def test_where_autograd_is_right_the_two_agree(loss, axes, resolution):
    found = check(loss, axes, resolution)
    assert found.gap.shape == found.wrong.shape == found.unclear.shape == (resolution,) * len(axes)
    assert found.worst < 1e-6 and float(found.gap.max()) == found.worst
    assert not found.wrong.any() and not found.unclear.any()
    assert found.sentence.startswith("autograd and central differences agree everywhere: the largest relative gap is")


@given(*[st.floats(-5, 5)] * 6, st.floats(-6, 6))
@settings(max_examples=60)
def test_every_quadratic_agrees(p, q, r, s, t, shift, power):
    scale = 10.0**power
    found = check(lambda a, b: scale * (p * a**2 + q * a * b + r * b**2 + s * a + t * b + shift), resolution=9)
    assert not found.wrong.any()
    clear = ~found.unclear
    assert not clear.any() or found.worst < 1e-4  # a steep slope may be next to none beside the shift
    if max(map(abs, (p, q, r, s, t))) > 0.1:
        assert clear.all() and found.worst < 1e-6


def test_half_a_loss_that_is_detached_is_wrong_in_half_the_view():
    found = check(lambda a, b: torch.where(a > 0, a.detach() ** 2, a**2) + b**2)
    right = sample_surface(lambda a, b: a, SQUARE, 41).loss <= 0
    assert torch.equal(found.wrong, ~right)
    assert found.worst == 1 and found.where[0] == 1
    assert found.sentence.startswith("autograd and central differences disagree in 48.8 % of the view, most at a 1, b")


def test_a_parameter_that_is_detached_altogether_is_wrong_though_no_gradient_is_there():
    found = check(lambda a, b: a.detach() ** 2 + b**2)
    at = sample_surface(lambda a, b: a, SQUARE, 41).loss
    assert torch.equal(found.wrong, at != 0)
    assert torch.equal(found.gap[found.wrong], torch.ones_like(found.gap[found.wrong]))
    both = check(lambda a, b: a.detach() ** 2 + 0 * b)  # no gradient anywhere: no steep slope to measure by
    assert torch.equal(both.wrong, at != 0) and both.worst == 1
    assert not check(lambda a, b: 0 * a.detach() + b**2).wrong.any()


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e20])
def test_a_backward_that_is_half_as_much_again_is_a_third_of_the_larger_slope(scale):
    found = check(lambda a, b: scale * (OffByHalf.apply(a) + b**2))
    assert torch.equal(found.wrong, sample_surface(lambda a, b: a, SQUARE, 41).loss != 0)
    assert found.worst == pytest.approx(1 / 3, rel=1e-6)
    assert abs(found.where[0]) == 1
    assert "by 33.3 % of the larger slope" in found.sentence


def test_a_rounding_with_a_gradient_of_its_own_is_wrong():
    found = check(lambda a, b: a + ((3.7 * a).round() / 3.7 - a).detach() + b**2)
    assert found.wrong.double().mean() > 0.9 and found.worst == pytest.approx(1)


@pytest.mark.parametrize(
    "loss", [lambda a, b: a.abs() + b**2, lambda a, b: functional.relu(a) + b**2, lambda a, b: torch.maximum(a, -a)]
)
def test_a_kink_is_no_false_alarm_and_said_to_be_unclear(loss):
    found = check(loss)
    assert not found.wrong.any()
    assert torch.equal(found.unclear, sample_surface(lambda a, b: a, SQUARE, 41).loss == 0)
    assert found.worst < 1e-6
    assert "agree wherever differences can tell" in found.sentence
    assert "at 2.44 % of the points a kink or a jump is within reach" in found.sentence


def test_a_kink_between_the_points_is_not_met():
    assert not check(lambda a, b: a.abs() + b.abs(), resolution=40).unclear.any()


def test_a_kink_of_a_curve():
    found = check(lambda v: v.abs(), {"v": (-1.0, 1.0)})
    assert found.unclear.nonzero().tolist() == [[20]] and not found.wrong.any()


def test_where_loss_or_gradient_are_not_finite_there_is_no_gap():
    found = check(lambda a, b: (a + b - 0.01).log())
    finite = sample_surface(lambda a, b: a + b, SQUARE, 41).loss > 0.01
    assert torch.equal(found.gap.isnan(), ~finite)
    assert not (found.wrong | found.unclear)[~finite].any()
    assert found.worst < 1e-4 and "wherever loss and gradient are finite" in found.sentence
    nothing = check(lambda a, b: (a - 5).log() + b)
    assert nothing.gap.isnan().all() and nothing.where is None and "finite nowhere" in nothing.sentence


def test_a_loss_that_ends_where_the_view_does():
    grid = sample_surface(
        lambda p: functional.binary_cross_entropy(p, torch.ones_like(p), reduction="none"), {"p": (0.0, 1.0)}, 41
    )
    found = check_gradient(grid)
    assert not found.wrong.any() and found.unclear.nonzero().flatten().tolist() == [0, 40]
    assert "the loss right beside is not finite" in found.sentence
    assert grid.function.method == "vectorized"  # what lies out of view changes nothing


def test_a_slope_lost_in_the_loss_s_rounding_is_unclear():
    found = check(lambda a, b: a**2 + b**2 + 1e13)
    assert found.unclear.all() and not found.wrong.any() and found.where is None
    assert "nowhere in view can differences tell" in found.sentence and "rounding hides the slope" in found.sentence


def test_a_loss_that_computes_in_float32_is_checked_in_float64():
    with torch.random.fork_rng(devices=[]):
        layer = torch.nn.Linear(2, 1)
    found = check(lambda a, b: layer(torch.stack([a, b], -1))[..., 0] ** 2)
    assert found.obstacle == "" and not found.wrong.any() and found.worst < 1e-6
    data = torch.ones(3)
    cut = check(lambda a, b: ((a * data) * (a * data).detach()).sum() + b**2)
    assert float(cut.wrong.double().mean()) > 0.9 and cut.worst == pytest.approx(0.5, abs=1e-3)


def test_a_loss_that_is_called_point_by_point_is_checked_at_some_and_yields_often():
    calls = []

    def slow(a, b):
        calls.append(1)
        return a * a.detach() + b**2 if a.item() > 0 else a**2 + b**2

    grid = sample_surface(slow, SQUARE, 41)
    assert grid.method == "pointwise"
    calls.clear()
    work, shares = check_gradient.in_slices(grid), []
    try:
        while True:
            shares.append(next(work))
    except StopIteration as end:
        found = end.value
    assert len(calls) <= 10 * SLOW + 10
    assert shares == sorted(shares) and shares[0] >= 0 and shares[-1] <= 1
    assert found.checked == (21, 21) and found.gap.shape == (41, 41)
    assert found.wrong[:, 22:].all() and not found.wrong[:, :20].any()
    assert found.worst == pytest.approx(0.5)
    assert "checked at 21 × 21 points" in found.sentence


def test_a_small_grid_of_a_slow_loss_is_checked_at_every_point():
    found = check(lambda a: a**2 if a.item() > 0 else -a, {"a": (-1.0, 1.0)})
    assert found.checked == (41,) and found.sentence.count("points") == 1


def test_a_check_is_plain_json_and_needs_the_loss():
    grid = sample_surface(lambda a, b: a**2 + b**2, SQUARE, 5)
    assert check_gradient(grid).to_dict()["checked"] == [5, 5]
    assert check_gradient(grid) == check_gradient(grid)
    alone = SurfaceGrid(grid.x_name, grid.y_name, grid.x, grid.y, grid.loss, grid.grad_x, grid.grad_y)
    with pytest.raises(ValueError, match="sample_surface"):
        check_gradient(alone)


@pytest.mark.parametrize("resolution", [15, 41, 81])
def test_a_survey_and_a_check_beside_it_state_one_share_and_one_place(resolution):
    class Bent(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a):
            ctx.save_for_backward(a)
            return a**2

        @staticmethod
        def backward(ctx, grad):
            (a,) = ctx.saved_tensors
            return grad * torch.where(a > 0.3, 2 * a, a)

    grid = sample_surface(lambda a, b: Bent.apply(a) + b**2, SQUARE, resolution)
    survey = finish(surveying(grid))
    found = next(one for one in survey.findings if one.name == "gradient_mismatch")
    checked = finish(check_gradient.in_slices(grid, survey.look))
    assert (checked.share, checked.where) == (found.evidence["share"], found.where)
    assert checked.worst == found.evidence["largest relative gap"] == pytest.approx(0.5)
    said = found.message.partition(":")[0]
    assert said.startswith("autograd and central differences disagree in") and said in checked.sentence


def test_a_gradient_that_is_wrong_at_a_probe_alone_is_a_warning_and_else_a_remark():
    def entropy(z):
        return z.clamp(min=0) - 0.3 * z + torch.log1p(torch.exp(-z.abs()))

    reports = [check_loss(entropy, {"z": (-5, 5)}, probes=probes) for probes in (None, {"start": 0.0}, {"start": 0.1})]
    told = [[(one.name, one.severity) for one in report.findings] for report in reports]
    assert [report.ok for report in reports] == [True, False, True]
    assert ("gradient_mismatch", "info") in told[0] and ("gradient_mismatch", "warning") in told[1]
