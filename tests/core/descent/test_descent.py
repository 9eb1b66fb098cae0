import json
import math
import subprocess
import sys
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradwidgets.core import (
    LOSSES,
    OBJECTIVES,
    SGD,
    as_objective,
    descend,
    descend_each,
    descending_each,
    quadratic,
    regression,
    regressions,
)
from tests.core.judge import torch_line, torch_run

F32 = torch.tensor([6.0, -3.0])


def test_the_sources_printed_losses(four):
    losses = descend(four["MSE"], SGD(0.1), F32, 100).losses
    assert losses.dtype == torch.float32
    first = [53.078269958, 34.729503632, 22.891206741, 15.226042747, 10.242652893]
    first += [6.987757683, 4.850755692, 3.439580917, 2.501774788, 1.874243021]
    assert [f"{loss:.9f}" for loss in losses[:10].tolist()] == [f"{loss:.9f}" for loss in first]
    assert [f"{loss:.9f}" for loss in losses[97:100].tolist()] == ["0.499441266", "0.499441236", "0.499441266"]


ENDS = {
    "plain": (SGD(0.1), (0.925831, 2.484385), (1.403576, 2.244001), (1.613111, 2.288430)),
    "momentum": (SGD(0.1, 0.9), (0.928083, 2.517710), (0.814165, 2.328384), (0.854091, 2.412758)),
    "nesterov": (
        SGD(0.1, 0.9, nesterov=True),
        (0.925836, 2.484387),
        (0.814596, 2.342236),
        (0.857300, 2.419560),
    ),
    "decay": (
        SGD(0.1, 0.9, weight_decay=2.0, nesterov=True),
        (0.300076, 1.212772),
        (-0.047016, 0.500000),
        (-0.042776, 0.490551),
    ),
    "dampening": (
        SGD(0.1, 0.9, dampening=0.8),
        (0.904429, 2.493088),
        (0.872857, 2.349307),
        (0.829455, 2.403006),
    ),
}


@pytest.mark.parametrize("setting", ENDS)
def test_the_sources_end_points(four, setting):
    optimizer, mse, l1, huber = ENDS[setting]
    paths = descend_each(four, optimizer, F32, 100)
    # The table is torch.nn.Linear's, which sums the weight's gradient in a matrix product's order; in float32, at
    # L1's kinks, that shows in the seventh digit.
    for name, end in {"MSE": mse, "L1": l1, "Huber": huber, "SmoothL1": huber}.items():
        assert paths[name].end.tolist() == pytest.approx(end, abs=1.7e-6)


@pytest.mark.parametrize(
    ("optimizer", "end"), [(SGD(0.4), (-0.943467, -0.000073)), (SGD(0.6, 0.5), (0.007188, 0.002553))]
)
def test_dive_into_deep_learnings_quadratic(optimizer, end):
    assert descend(quadratic(), optimizer, (-5, -2), 20).end.tolist() == pytest.approx(end, abs=5e-7)


@pytest.mark.parametrize(
    ("optimizer", "step"),
    [
        (SGD(2 / 1001), 6160),
        (SGD((2 / (1000**0.5 + 1)) ** 2, momentum=((1000**0.5 - 1) / (1000**0.5 + 1)) ** 2), 296),
    ],
)
def test_the_best_of_gradient_descent_and_of_the_heavy_ball_on_a_long_valley(optimizer, step):
    valley = as_objective(lambda x, y: 0.5 * (x**2 + 1000 * y**2))
    losses = descend(valley, optimizer, (1.0, 1.0), step).losses
    assert int((losses < 1e-8).to(torch.uint8).argmax()) == step


# Integers make residuals of exactly 0 and ±threshold; the settings reach into divergence.
numbers = st.one_of(st.integers(-4, 4).map(float), st.floats(-5, 5, width=32))
optimizers = st.builds(
    lambda lr, momentum, dampening, decay, nesterov, maximize: {
        "lr": lr,
        "momentum": momentum,
        "weight_decay": decay,
        "maximize": maximize,
        **({"nesterov": True} if nesterov and momentum > 0 else {"dampening": dampening}),
    },
    st.one_of(st.sampled_from([0.0, 0.01, 0.1, 0.5, 1.0]), st.floats(1e-4, 3)),
    st.one_of(st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]), st.floats(0, 1.2)),
    st.one_of(st.sampled_from([0.0, 0.8, 1.0]), st.floats(-0.5, 1.2)),
    st.one_of(st.just(0.0), st.floats(0, 3)),
    st.booleans(),
    st.booleans(),
)
samples = st.integers(1, 60).flatmap(
    lambda n: st.tuples(st.lists(numbers, min_size=n, max_size=n), st.lists(numbers, min_size=n, max_size=n))
)
thresholds = st.one_of(st.sampled_from([1.0, 0.5, 2.0]), st.floats(0.01, 5))


@settings(max_examples=80, deadline=None)
@given(samples, optimizers, st.sampled_from(list(LOSSES)), thresholds, thresholds, st.tuples(numbers, numbers))
def test_every_setting_is_torchs_bit_for_bit(xy, optimizer, name, delta, beta, start):
    x, y = (torch.tensor(column, dtype=torch.float64) for column in xy)
    begin = torch.tensor(start, dtype=torch.float64)
    all_losses = regressions(x, y, losses=LOSSES, delta=delta, beta=beta)
    path = descend_each(all_losses, SGD(**optimizer), begin, 200)[name]
    points, losses, gradients = torch_run(torch_line(x, y, name, delta=delta, beta=beta), begin, 200, **optimizer)
    finite = points.isfinite().all(-1) & (points.abs() < 1e150).all(-1) & losses.isfinite()
    until = 201 if bool(finite.all()) else int((~finite).to(torch.uint8).argmax())
    assert torch.equal(path.points[:until], points[:until])
    assert torch.equal(path.gradients[:until], gradients[:until])
    torch.testing.assert_close(path.losses[:until], losses[:until], rtol=1e-12, atol=1e-300)


@settings(max_examples=10, deadline=None)
@given(samples, optimizers, st.sampled_from(list(LOSSES)), st.tuples(numbers, numbers))
def test_float32_too(xy, optimizer, loss, start):
    x, y = (torch.tensor(column, dtype=torch.float32) for column in xy)
    begin = torch.tensor(start, dtype=torch.float32)
    path = descend(regression(x, y, loss), SGD(**optimizer), begin, 50)
    points, losses, _ = torch_run(torch_line(x, y, loss), begin, 50, **optimizer)
    finite = points.isfinite().all(-1) & (points.abs() < 1e15).all(-1) & losses.isfinite()
    until = 51 if bool(finite.all()) else int((~finite).to(torch.uint8).argmax())
    assert torch.equal(path.points[:until], points[:until])


def test_alone_together_and_in_a_batch_of_starts_are_the_same(article):
    four = regressions(*article, beta=0.25)
    optimizer = SGD(0.3, 0.9, nesterov=True, weight_decay=0.1)
    starts = torch.randn(3, 5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) * 4
    batch = descend_each(four, optimizer, starts, 60)
    for name, objective in four.items():
        assert batch[name].points.shape == (61, 3, 5, 2)
        assert batch[name].losses.shape == (61, 3, 5)
        assert batch[name].diverged_at is None
        alone = descend(objective, optimizer, starts[1, 3], 60)
        assert torch.equal(batch[name].points[:, 1, 3], alone.points)
        assert torch.equal(batch[name].losses[:, 1, 3], alone.losses)
        assert torch.equal(batch[name].gradients[:, 1, 3], alone.gradients)


def test_objectives_of_different_kinds_in_one_call(four, article):
    mixed = {"line": four["L1"], "bowl": quadratic(), "other": regression([0.0, 1.0], [1.0, 2.0])}
    paths = descend_each(mixed, SGD(0.1), (1.0, 1.0), 20)
    assert list(paths) == list(mixed)
    for name, objective in mixed.items():
        assert paths[name] == descend(objective, SGD(0.1), (1.0, 1.0), 20)
    assert descend_each({}, SGD(0.1), (1.0, 1.0), 20) == {}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_ready_made_objectives_follow_torch(name):
    f = OBJECTIVES[name]
    optimizer = {"lr": 1e-3, "momentum": 0.8, "nesterov": True}
    start = torch.tensor(f.start, dtype=torch.float64)
    path = descend(f, SGD(**optimizer), start, 100)
    points, losses, _ = torch_run(f, start, 100, **optimizer)
    torch.testing.assert_close(path.points, points, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(path.losses, losses, rtol=1e-10, atol=1e-12)


def test_what_repeats_is_copied_exactly(article):
    # MSE settles, L1 hops for ever, Huber settles; the judge takes every step.
    optimizer = {"lr": 0.1, "momentum": 0.5}
    start = torch.tensor([6.0, -3.0], dtype=torch.float64)
    for name in ("MSE", "L1"):
        path = descend(regression(*article, name), SGD(**optimizer), start, 1500)
        points, _, gradients = torch_run(torch_line(*article, name), start, 1500, **optimizer)
        assert torch.equal(path.points, points)
        assert torch.equal(path.gradients, gradients)


def test_a_run_that_has_settled_costs_no_more(four):
    # At the minimum of x² the step is exactly zero, so that 100 000 steps need a hundred.
    begun = time.perf_counter()
    path = descend(quadratic(), SGD(0.1), (0.0, 0.0), 100_000)
    assert time.perf_counter() - begun < 1.0
    assert path.steps == 100_000
    assert not path.points.any()


def test_divergence_is_a_result(four):
    path = descend(four["MSE"], SGD(1e6), (6.0, -3.0), 100)
    assert path.diverged_at == 1
    assert len(path.points) == 101
    assert not path.points[-1].isfinite().any()
    assert descend(four["MSE"], SGD(1.05), (6.0, -3.0), 40).diverged_at is None
    far = descend(four["MSE"], SGD(1.2), (6.0, -3.0), 100)
    width = 13.0
    outside = ((far.points - 1.5).abs() > 1e4 * width).any(-1)
    assert far.diverged_at == int(outside.to(torch.uint8).argmax()) > 1


def test_a_start_off_the_view_has_not_diverged(four):
    assert descend(four["MSE"], SGD(0.1), (1e9, 0.0), 5).diverged_at is None


def test_a_start_where_the_loss_is_not_finite_has():
    f = as_objective(lambda a, b: torch.log(a) + b**2)
    assert descend(f, SGD(0.1), (-1.0, 0.0), 3).diverged_at == 0


def test_no_steps_and_one(four):
    path = descend(four["L1"], SGD(0.1, 0.9), (6, -3), 0)
    assert path.points.tolist() == [[6.0, -3.0]]
    assert path.steps == 0
    assert torch.equal(path.gradients[0], four["L1"].value_and_gradient((6.0, -3.0))[1])
    assert descend(four["L1"], SGD(0.1, 0.9), (6, -3), 1).steps == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.int64, torch.float64])
def test_all_but_float32_is_computed_in_float64(four, dtype):
    assert descend(four["MSE"], SGD(0.1), torch.tensor([6, -3], dtype=dtype), 1).points.dtype == torch.float64


@pytest.mark.parametrize(
    ("start", "error", "message"),
    [
        ((math.nan, 0.0), ValueError, r"start must be finite; got \(nan, 0.0\)"),
        (torch.full((3, 2), math.inf), ValueError, r"start must be finite; got shape \(3, 2\)"),
        ((1.0, 2.0, 3.0), ValueError, r"start must hold two parameters .* got shape \(3,\)"),
        (1.0, ValueError, r"got shape \(\)"),
        ("ab", TypeError, "start must be numbers"),
        (None, TypeError, "start must be numbers"),
        ((1j, 0.0), TypeError, "start must be real"),
    ],
)
def test_bad_starts(four, start, error, message):
    with pytest.raises(error, match=message):
        descend(four["MSE"], SGD(0.1), start, 3)


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        (-1, ValueError),
        (100_001, ValueError),
        (1.0, ValueError),
        (math.nan, ValueError),
        (True, TypeError),
        ("3", TypeError),
    ],
)
def test_bad_steps(four, steps, error):
    with pytest.raises(error, match=f"steps must be a whole number from 0 to 100000; got {steps!r}"):
        descend(four["MSE"], SGD(0.1), (0, 0), steps)


def test_slices_report_progress_and_return_the_same(four):
    work, shares = descending_each(four, SGD(0.1, 0.9), (6, -3), 2000), []
    while True:
        try:
            shares.append(next(work))
        except StopIteration as end:
            result = end.value
            break
    assert len(shares) > 3
    assert shares == sorted(shares)
    assert shares[0] >= 0 and shares[-1] <= 1
    assert result == descend_each(four, SGD(0.1, 0.9), (6, -3), 2000)


def test_between_slices_the_callers_grad_mode_is_its_own(four):
    work = descending_each(four, SGD(0.1), (6, -3), 500)
    for _ in work:
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_works_in_any_grad_mode_and_gives_ordinary_tensors(four, mode):
    own = as_objective(lambda a, b: a**2 + b**2)
    with mode():
        path = descend(four["MSE"], SGD(0.1), (6, -3), 3)
        mine = descend(own, SGD(0.1), (6, -3), 3)
    assert mine.points[1].tolist() == pytest.approx([4.8, -2.4])
    if mode is not torch.inference_mode:
        (path.points * torch.ones(2, requires_grad=True)).sum().backward()
    assert not path.points.requires_grad


def test_results_compare_print_and_turn_into_json_and_frames(four):
    path = descend(four["MSE"], SGD(1e6), (6.0, -3.0), 100)
    assert path == descend(four["MSE"], SGD(1e6), (6.0, -3.0), 100)
    assert path != descend(four["MSE"], SGD(1e5), (6.0, -3.0), 100)
    assert repr(path).startswith("Trajectory(points=<float64 (101, 2)>, losses=<float64 (101,)>")
    plain = json.loads(json.dumps(path.to_dict(), allow_nan=False))
    assert plain["points"][0] == [6.0, -3.0]
    assert plain["points"][-1] == [None, None]
    assert plain["diverged_at"] == 1
    frame = path.to_frame()
    assert list(frame.columns) == ["step", "weight", "bias", "loss", "gradient weight", "gradient bias"]
    assert len(frame) == 101
    with pytest.raises(ValueError, match="single start"):
        descend(four["MSE"], SGD(0.1), torch.zeros(4, 2), 1).to_frame()
    with pytest.raises(AttributeError):
        path.points = None


def test_long_samples_agree_with_short_ones_and_with_torch():
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(70_000, dtype=torch.float64, generator=generator)
    y = 2 * x + 1 + torch.randn(70_000, dtype=torch.float64, generator=generator)
    four = regressions(x, y, beta=0.3)
    paths = descend_each(four, SGD(0.3, 0.9), (6.0, -3.0), 30)
    for name, path in paths.items():
        points, losses, gradients = torch_run(
            torch_line(x, y, name, beta=0.3), torch.tensor([6.0, -3.0], dtype=torch.float64), 30, lr=0.3, momentum=0.9
        )
        torch.testing.assert_close(path.points, points, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(path.losses, losses, rtol=1e-9, atol=1e-9)
        value, gradient = four[name].value_and_gradient(path.points[:3])
        torch.testing.assert_close(value, losses[:3], rtol=1e-12, atol=0)
        torch.testing.assert_close(gradient, gradients[:3], rtol=1e-10, atol=1e-12)


def test_the_way_from_slider_to_picture_imports_no_optimizer():
    # Building one of torch's imports its compiler: two seconds in which nothing moves.
    code = (
        "import sys; from gradwidgets.core import *; r = regressions(*DATASETS['article']());"
        "t = descend_each(r, SGD(0.1, 0.9), (6, -3), 100); sample_surfaces(r);"
        "[(outcome(t[k], r[k]), stability(r[k], SGD(0.1))) for k in r];"
        "script(r, SGD(0.1), (6, -3), 100);"
        "assert 'torch._dynamo' not in sys.modules; assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
