"""Schedules beside torch's own, in a plain loop of torch's."""

import inspect
import math
import pickle
import subprocess
import sys
from dataclasses import MISSING, fields, is_dataclass

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

from gradwidgets.core import (
    DATASETS,
    OBJECTIVES,
    OPTIMIZERS,
    SCHEDULES,
    SGD,
    Adam,
    descend,
    descend_each,
    regressions,
    script,
    step_parts,
    warm_up,
)
from tests.core.descent.test_script import numbers_in, run
from tests.core.judge import torch_line, torch_loss
from tests.core.optimizers.settings import RULES
from tests.core.schedules.kinds import ANY, maybe_warm

KINDS = [name for name, kind in SCHEDULES.items() if kind]
X, Y = DATASETS["article"]()
FOUR = regressions(X, Y)
START = torch.tensor([6.0, -3.0], dtype=torch.float64)
STEPS = 60


class Judge:
    """A real scheduler on a real optimizer, from our description by torch's names."""

    def __init__(self, schedule, optimizer):
        self.left, self.warm = 0, None
        if type(schedule).__name__ == "WarmedUpPlateau":
            self.warm, self.left = self.made(schedule.linear, optimizer), schedule.linear.total_iters
            schedule = schedule.plateau
        self.scheduler = self.made(schedule, optimizer)

    def made(self, schedule, optimizer):
        name, keywords = schedule.torch()
        if name == "SequentialLR":
            keywords["schedulers"] = [self.made(one, optimizer) for one in keywords["schedulers"]]
            keywords["milestones"] = list(keywords["milestones"])
        return getattr(torch.optim.lr_scheduler, name)(optimizer, **keywords)

    def step(self, loss):
        self.left -= 1
        if self.left >= 0:
            self.warm.step()
        elif isinstance(self.scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            self.scheduler.step(loss.item())
        else:
            self.scheduler.step()


def judged(objective, optimizer, schedule, steps, batches=None):
    """Points, lrs and losses of the steps in a plain loop."""
    rule, keywords = optimizer.torch()
    point = START.clone().requires_grad_()
    real = getattr(torch.optim, rule)([point], foreach=False, **keywords)
    scheduler = Judge(schedule, real) if schedule else None
    points, lrs, losses = [point.detach().clone()], [], []
    for _ in range(steps):
        real.zero_grad()
        loss = objective(point, *(next(batches) if batches else ()))
        loss.backward()
        lrs.append(real.param_groups[0]["lr"])
        real.step()
        if scheduler:
            scheduler.step(loss)
        points.append(point.detach().clone())
        losses.append(loss.item())
    return torch.stack(points), lrs, losses


def loaded(size, seed):
    """The real thing."""
    loader = DataLoader(
        TensorDataset(X, Y), batch_size=size, shuffle=True, generator=torch.Generator().manual_seed(seed)
    )
    while True:
        yield from loader


def line(name):
    loss = torch_loss(name)
    return lambda p, x=X, y=Y: loss(p[0] * x + p[1], y)


def allowed(lrs):
    return all(math.isfinite(lr) and lr >= 0 for lr in lrs)


optimizers = st.one_of(
    st.builds(SGD, st.floats(1e-3, 0.3), st.floats(0.01, 0.95), nesterov=st.booleans()),
    st.builds(SGD, st.floats(1e-3, 0.3)),
    st.builds(Adam, st.floats(1e-3, 0.5), amsgrad=st.booleans()),
)
losses = st.sampled_from(["MSE", "L1", "Huber", "SmoothL1"])


@pytest.mark.parametrize("name", KINDS)
def test_names_settings_and_defaults_are_torchs(name):
    real = inspect.signature(getattr(torch.optim.lr_scheduler, name).__init__).parameters
    theirs = {
        key: MISSING if one.default is one.empty else one.default
        for key, one in real.items()
        if key not in ("self", "optimizer", "last_epoch", "scale_fn", "scale_mode")
    }
    assert {field.name: field.default for field in fields(SCHEDULES[name])} == theirs
    assert list(ANY) == [*KINDS[:-1], "SequentialLR"]


@settings(max_examples=120, deadline=None)
@given(maybe_warm, optimizers, losses)
def test_a_run_is_torchs_bit_for_bit(schedule, optimizer, loss):
    try:
        points, lrs, _ = judged(line(loss), optimizer, schedule, STEPS)
    except (ValueError, ZeroDivisionError) as error:
        words = str(error)
        with pytest.raises(ValueError) as ours:
            descend(FOUR[loss], optimizer, START, STEPS, schedule=schedule)
        assert words in str(ours.value)
        return
    if not allowed(lrs):
        with pytest.raises(ValueError, match=r"^Invalid "):
            descend(FOUR[loss], optimizer, START, STEPS, schedule=schedule)
        return
    path = descend(FOUR[loss], optimizer, START, STEPS, schedule=schedule)
    assert path.lrs.tolist() == lrs
    assert torch.equal(path.points.nan_to_num(), points.nan_to_num())


@pytest.mark.parametrize("rule", list(OPTIMIZERS))
@settings(max_examples=30, deadline=None)
@given(data=st.data(), loss=losses, size=st.one_of(st.none(), st.integers(1, 50)))
def test_every_optimizer_is_scheduled_bit_for_bit(rule, data, loss, size):
    optimizer, schedule = data.draw(RULES[rule]), data.draw(maybe_warm)
    try:
        points, lrs, _ = judged(line(loss), optimizer, schedule, 40, loaded(size, 3) if size else None)
        path = descend(FOUR[loss], optimizer, START, 40, schedule=schedule, batch_size=size, seed=3)
    except (ValueError, ZeroDivisionError):  # which the tests above and below look at
        assume(False)
    assert path.lrs.tolist() == lrs
    assert torch.equal(path.points.nan_to_num(), points.nan_to_num())


@settings(max_examples=60, deadline=None)
@given(optimizers, losses, st.integers(1, 55), st.integers(0, 2**40), st.one_of(st.none(), maybe_warm))
def test_batches_are_the_loaders_bit_for_bit(optimizer, loss, size, seed, schedule):
    try:
        points, lrs, seen = judged(line(loss), optimizer, schedule, STEPS, loaded(size, seed))
    except (ValueError, ZeroDivisionError):
        assume(False)
    assume(allowed(lrs))
    path = descend(FOUR[loss], optimizer, START, STEPS, schedule=schedule, batch_size=size, seed=seed)
    assert torch.equal(path.points.nan_to_num(), points.nan_to_num())
    assert path.batch_losses.tolist() == pytest.approx(seen, rel=1e-12, nan_ok=True)
    whole = torch.stack([line(loss)(point) for point in points])
    torch.testing.assert_close(path.losses, whole, rtol=1e-12, atol=0, equal_nan=True)


def printed_in_full(text):
    out, stopped = run(text.replace(".9g", ".17g"))
    assert stopped == ""
    return numbers_in(out)


@settings(max_examples=200, deadline=None)
@given(optimizers, maybe_warm, st.one_of(st.none(), st.integers(1, 55)), st.integers(0, 100), st.integers(0, STEPS))
def test_the_script_ends_where_the_run_does(optimizer, schedule, size, seed, steps):
    how = {"schedule": schedule, "batch_size": size, "seed": seed}
    try:
        paths = descend_each(FOUR, optimizer, START, steps, **how)
    except ValueError:
        assume(False)
    shown = printed_in_full(script(FOUR, optimizer, START, steps, **how))
    for name, path in paths.items():
        expected = [*path.end.tolist(), path.losses[-1].item()]
        assert shown[name] == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)


@settings(max_examples=40, deadline=None)
@given(optimizers, maybe_warm, st.one_of(st.none(), st.integers(1, 55)), st.integers(0, STEPS - 1))
def test_the_parts_add_up_to_the_step_under_a_schedule(optimizer, schedule, size, k):
    f = FOUR["Huber"]
    try:
        longer = descend(f, optimizer, START, STEPS, schedule=schedule, batch_size=size)
        path = descend(f, optimizer, START, k, schedule=schedule, batch_size=size)
    except ValueError:
        assume(False)
    for trajectory in (longer, path):  # in the middle, and what would come next
        parts = step_parts(trajectory, f, optimizer, k)
        whole = parts.gradient_part + parts.weight_decay_part + parts.momentum_part
        assert torch.equal(parts.next_point, longer.points[k + 1])
        torch.testing.assert_close(whole, parts.next_point - parts.point, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["quadratic", "beale"])
def test_any_objective_has_a_schedule_that_looks_at_its_loss(name):
    f = OBJECTIVES[name]
    schedule = SCHEDULES["ReduceLROnPlateau"](patience=2, factor=0.5)
    path = descend(f, SGD(0.01), START / 6, 50, schedule=schedule)
    point = (START / 6).requires_grad_()
    real = torch.optim.SGD([point], lr=0.01)
    judge = torch.optim.lr_scheduler.ReduceLROnPlateau(real, patience=2, factor=0.5)
    for k in range(50):
        real.zero_grad()
        loss = f(point)
        loss.backward()
        assert path.lrs[k] == real.param_groups[0]["lr"]
        real.step()
        judge.step(loss.item())
    torch.testing.assert_close(path.end, point.detach(), rtol=1e-10, atol=1e-12)


def test_paths_side_by_side_have_schedules_of_their_own():
    starts = torch.tensor([[[6.0, -3.0], [0.0, 0.0]]], dtype=torch.float64)
    schedule = SCHEDULES["ReduceLROnPlateau"](patience=1)
    batch = descend(FOUR["L1"], SGD(0.3), starts, 40, schedule=schedule, batch_size=10)
    assert batch.points.shape == (41, 1, 2, 2) and batch.lrs.shape == batch.batch_losses.shape == (40, 1, 2)
    for i in range(2):
        alone = descend(FOUR["L1"], SGD(0.3), starts[0, i], 40, schedule=schedule, batch_size=10)
        for name in ("points", "losses", "gradients", "lrs", "batch_losses"):
            assert torch.equal(getattr(batch, name)[:, 0, i], getattr(alone, name))
    assert len(batch.lrs[:, 0, 0].unique()) > 1


def test_without_a_schedule_lr_is_constant_and_nothing_is_moved():
    path = descend(FOUR["MSE"], SGD(0.1), START, 3)
    assert path.lrs.tolist() == [0.1] * 3 and path.batch_losses is path.momenta is None
    assert SCHEDULES["constant"] is None


def test_one_cycle_moves_momentum_or_beta():
    cycle = SCHEDULES["OneCycleLR"](0.1, total_steps=50)
    for optimizer in (SGD(0.1), Adam(0.1)):
        momenta = descend(FOUR["MSE"], optimizer, START, 50, schedule=cycle).momenta
        assert momenta[0] == 0.95 and momenta.min() == pytest.approx(0.85, abs=1e-3) and len(momenta) == 50
    assert descend(FOUR["MSE"], SGD(0.1), START, 9, schedule=SCHEDULES["StepLR"](3)).momenta is None


BAD = {
    "StepLR": [{"step_size": 0}, {"step_size": 2.5}, {"step_size": 3, "gamma": math.nan}, {"step_size": True}],
    "MultiStepLR": [{"milestones": 3}, {"milestones": [1.5]}, {"milestones": [0]}],
    "ConstantLR": [{"factor": 1.5}, {"factor": -1}, {"total_iters": -1}, {"factor": "a"}],
    "LinearLR": [{"start_factor": 0}, {"end_factor": 2}, {"start_factor": math.inf}, {"total_iters": 1.5}],
    "ExponentialLR": [{"gamma": "a"}, {"gamma": math.inf}, {"gamma": None}, {"gamma": 10**400}],
    "CosineAnnealingLR": [{"T_max": 0}, {"T_max": -3}, {"T_max": 5, "eta_min": "a"}],
    "CosineAnnealingWarmRestarts": [{"T_0": 0}, {"T_0": 1.5}, {"T_0": 5, "T_mult": 0}, {"T_0": 5, "eta_min": "a"}],
    "OneCycleLR": [
        {"max_lr": 0.1},
        {"max_lr": 0.1, "total_steps": 0},
        {"max_lr": 0.1, "total_steps": 2.5},
        {"max_lr": 0.1, "epochs": 0, "steps_per_epoch": 3},
        {"max_lr": 0.1, "epochs": 3, "steps_per_epoch": 0},
        {"max_lr": 0.1, "total_steps": 9, "pct_start": 2.0},
        {"max_lr": 0.1, "total_steps": 9, "pct_start": 1},
        {"max_lr": 0.1, "total_steps": 9, "anneal_strategy": "exp"},
        {"max_lr": "a", "total_steps": 9},
        {"max_lr": 0.1, "total_steps": 10, "pct_start": 0.1},
        {"max_lr": 0.1, "total_steps": 9, "div_factor": 0},
        {"max_lr": 0.1, "total_steps": 9, "three_phase": 1},
    ],
    "PolynomialLR": [{"total_iters": -1}, {"power": math.nan}],
    "CyclicLR": [
        {"base_lr": 0.1, "max_lr": 0.2, "mode": "square"},
        {"base_lr": 0.1, "max_lr": 0.2, "step_size_up": 0},
        {"base_lr": 0.1, "max_lr": None},
    ],
    "ReduceLROnPlateau": [
        {"factor": 1.0},
        {"mode": "down"},
        {"mode": 5},
        {"threshold_mode": "sum"},
        {"patience": -1},
        {"cooldown": 0.5},
    ],
    "SequentialLR": [
        {"schedulers": [], "milestones": []},
        {"schedulers": [SCHEDULES["StepLR"](3)], "milestones": [3]},
        {"schedulers": [SCHEDULES["ReduceLROnPlateau"]()], "milestones": []},
        {"schedulers": [SCHEDULES["StepLR"](3)] * 2, "milestones": [0]},
    ],
}


@pytest.mark.parametrize(("name", "wrong"), [(name, wrong) for name in KINDS for wrong in BAD[name]])
def test_settings_are_refused_in_torchs_words_where_it_has_them(name, wrong):
    with pytest.raises(ValueError) as ours:
        SCHEDULES[name](**wrong)
    optimizer = torch.optim.SGD([torch.zeros(2)], lr=0.1)
    told = dict(wrong)
    if name == "SequentialLR":
        told["schedulers"] = [Judge(one, optimizer).scheduler for one in wrong["schedulers"]]
    try:
        getattr(torch.optim.lr_scheduler, name)(optimizer, **told)
    except ValueError as torchs:
        assert str(ours.value) == str(torchs)
    except Exception:
        pass
    assert str(ours.value)


def test_what_is_no_schedule_is_refused():
    for wrong in ("StepLR", SCHEDULES["StepLR"], torch.optim.lr_scheduler.StepLR, 3):
        with pytest.raises(TypeError, match="schedule must be one of SCHEDULES"):
            descend(FOUR["MSE"], SGD(0.1), START, 3, schedule=wrong)
        with pytest.raises(TypeError):
            script(FOUR, SGD(0.1), START, 3, schedule=wrong)
        with pytest.raises(TypeError, match="index 0 should be a schedule"):
            SCHEDULES["SequentialLR"]([wrong], [])
    with pytest.raises(TypeError, match="schedulers must be schedules"):
        SCHEDULES["SequentialLR"](3, [])


def test_an_lr_that_is_not_allowed_is_told_with_its_step():
    rising, negative = SCHEDULES["ExponentialLR"](1e300), SCHEDULES["ExponentialLR"](-1.0)
    with pytest.raises(ValueError, match=r"^Invalid learning rate: inf, set for step 3 by ExponentialLR"):
        descend(FOUR["MSE"], SGD(1.0), START, 5, schedule=rising)
    with pytest.raises(ValueError, match=r"^Invalid learning rate: -0.1, set for step 2 by ExponentialLR"):
        descend(FOUR["MSE"], SGD(0.1), START, 5, schedule=negative)
    assert descend(FOUR["MSE"], SGD(0.1), START, 1, schedule=negative).lrs.tolist() == [0.1]
    wide = SCHEDULES["OneCycleLR"](0.1, total_steps=9, max_momentum=1.5)
    with pytest.raises(ValueError, match=r"^Invalid beta parameter at index 0: 1.5, set for step 1 by OneCycleLR"):
        descend(FOUR["MSE"], Adam(0.1), START, 5, schedule=wide)


def test_what_torch_leaves_unfinished_is_told():
    step = SCHEDULES["StepLR"](3)
    inner = SCHEDULES["SequentialLR"]([step, step], [3])
    with pytest.raises(ValueError, match=r"^SequentialLR.* cannot be computed after step 5: NotImplementedError$"):
        descend(FOUR["MSE"], SGD(0.1), START, 9, schedule=SCHEDULES["SequentialLR"]([step, inner], [5]))
    with pytest.raises(ValueError, match=r"^ConstantLR.* cannot be computed after step 4: float division by zero$"):
        descend(FOUR["MSE"], SGD(0.1), START, 9, schedule=SCHEDULES["ConstantLR"](0.0, 4))


def test_a_run_longer_than_its_schedule_is_refused_in_torchs_words():
    cycle = SCHEDULES["OneCycleLR"](0.1, total_steps=10)
    assert descend(FOUR["MSE"], SGD(0.1), START, 10, schedule=cycle).steps == 10
    with pytest.raises(ValueError, match=r"^Tried to step 11 times. The specified number of total steps is 10$"):
        descend(FOUR["MSE"], SGD(0.1), START, 11, schedule=cycle)


def test_a_warm_up_goes_before_any():
    assert warm_up(None, 4, 0.5) == SCHEDULES["LinearLR"](0.5, total_iters=4)
    for name in KINDS:
        required = [30] if fields(SCHEDULES[name])[0].default is MISSING else []
        settings_of = {
            "OneCycleLR": [0.1, 100],
            "CyclicLR": [0.1, 0.2],
            "MultiStepLR": [[20]],
            "ExponentialLR": [0.9],
            "SequentialLR": [[SCHEDULES["StepLR"](30), SCHEDULES["StepLR"](20)], [25]],
        }
        schedule = SCHEDULES[name](*settings_of.get(name, required))
        lrs = descend(FOUR["MSE"], SGD(0.1), START, 12, schedule=warm_up(schedule, 8, 0.25)).lrs
        assert (lrs[1:8] > lrs[:7]).all() and lrs[0] == pytest.approx(lrs[7] * 0.25 / (0.25 + 0.75 * 7 / 8))
    for steps, factor in ((0, 0.5), (-1, 0.5), (2.5, 0.5), (3, 0.0), (3, 1.5)):
        with pytest.raises(ValueError):
            warm_up(None, steps, factor)
    plateau = SCHEDULES["ReduceLROnPlateau"]()
    with pytest.raises(ValueError, match="has a warm-up already"):
        warm_up(warm_up(plateau, 3), 3)


@settings(max_examples=60, deadline=None)
@given(maybe_warm)
def test_a_schedule_is_a_value(schedule):
    assert is_dataclass(schedule) and pickle.loads(pickle.dumps(schedule)) == schedule
    assert hash(pickle.loads(pickle.dumps(schedule))) == hash(schedule)
    with pytest.raises(AttributeError):
        schedule.meaning = ""


@pytest.mark.parametrize("size", [0, -1, 2.5, 3.0, True, "3", math.nan])
def test_sizes_of_batches_are_refused_in_torchs_words(size):
    with pytest.raises(ValueError, match=r"^batch_size should be a positive integer value, but got batch_size="):
        descend(FOUR["MSE"], SGD(0.1), START, 3, batch_size=size)


def test_batches_need_data():
    with pytest.raises(ValueError, match=r"batch_size needs data .* quadratic has none"):
        descend(OBJECTIVES["quadratic"], SGD(0.1), START, 3, batch_size=2)
    for seed in (1.0, "a", None, True):
        with pytest.raises(TypeError, match="seed must be a whole number"):
            descend(FOUR["MSE"], SGD(0.1), START, 3, batch_size=2, seed=seed)
    with pytest.raises(ValueError, match="seed must be a whole number"):
        descend(FOUR["MSE"], SGD(0.1), START, 3, batch_size=2, seed=-1)


def test_a_batch_of_all_data_or_more_is_the_whole_sample():
    plain = descend(FOUR["MSE"], SGD(0.1), START, 30)
    for size in (50, 51, 10**9):
        path = descend(FOUR["MSE"], SGD(0.1), START, 30, batch_size=size)
        torch.testing.assert_close(path.points, plain.points, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(path.batch_losses, plain.losses[:30], rtol=1e-12, atol=0)


def test_many_starts_have_the_same_batches():
    starts = torch.randn(3000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    batch = descend_each(FOUR, SGD(0.1, 0.9), starts, 8, batch_size=15, schedule=SCHEDULES["StepLR"](3))
    for name, paths in batch.items():
        assert paths.batch_losses.shape == (8, 3000) and paths.lrs.shape == (8,)
        for i in (0, 1500, 2999):
            alone = descend(FOUR[name], SGD(0.1, 0.9), starts[i], 8, batch_size=15, schedule=SCHEDULES["StepLR"](3))
            assert torch.equal(paths.points[:, i], alone.points)
            assert torch.equal(paths.batch_losses[:, i], alone.batch_losses)


def test_float32_and_one_point():
    start = START.float()
    path = descend(FOUR["L1"], Adam(0.1), start, 20, schedule=SCHEDULES["StepLR"](5), batch_size=7)
    assert path.points.dtype == path.batch_losses.dtype == torch.float32
    single = regressions([1.0], [2.0])
    lone = descend_each(single, SGD(0.1), START, 20, batch_size=1)
    for name, one in descend_each(single, SGD(0.1), START, 20).items():
        assert torch.equal(lone[name].points, one.points)


def test_long_samples_have_batches_too():
    x = torch.randn(40_000, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    four = regressions(x, 2 * x + 1, beta=0.3)
    for size in (64, 39_000):
        paths = descend_each(four, SGD(0.3), START, 4, batch_size=size, seed=3)
        for name, path in paths.items():
            loader = DataLoader(TensorDataset(x, 2 * x + 1), size, shuffle=True,
                                generator=torch.Generator().manual_seed(3))  # fmt: skip
            loss, batches = torch_loss(name, beta=0.3), [batch for _ in range(3) for batch in loader][:4]
            point = START.clone().requires_grad_()
            real = torch.optim.SGD([point], lr=0.3)
            for a, b in batches:
                real.zero_grad()
                loss(point[0] * a + point[1], b).backward()
                real.step()
            torch.testing.assert_close(path.end, point.detach(), rtol=1e-10, atol=1e-12)
            whole = torch_line(x, 2 * x + 1, name, beta=0.3)(path.end)
            torch.testing.assert_close(path.losses[-1], whole, rtol=1e-9, atol=1e-12)


def test_no_compiler_is_imported_on_the_way():
    code = (
        "import sys; from gradwidgets.core import *; r = regressions(*DATASETS['article']());"
        "descend_each(r, SGD(0.1), (6, -3), 9, schedule=warm_up(SCHEDULES['OneCycleLR'](0.1, 20), 3), batch_size=8);"
        "descend_each(r, SGD(0.1), (6, -3), 9, schedule=SCHEDULES['ReduceLROnPlateau']());"
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
