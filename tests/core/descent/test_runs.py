import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradwidgets.core import (
    DATASETS,
    LOSSES,
    SCHEDULES,
    SGD,
    Adam,
    descend,
    descend_runs,
    descending_runs,
    quadratic,
    regression,
    regressions,
)
from gradwidgets.core.descent import runs as module
from tests.core.schedules.kinds import ANY


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([SGD(0.1), SGD(0.05, 0.9, nesterov=True, weight_decay=0.1), Adam(0.1, amsgrad=True)]),
    st.integers(1, 55),
    st.lists(st.integers(0, 2**40), min_size=1, max_size=6),
    st.integers(0, 60),
    st.one_of(st.none(), ANY["OneCycleLR"], ANY["StepLR"], ANY["ReduceLROnPlateau"]),
)
def test_every_run_is_that_of_descend_bit_for_bit(optimizer, size, seeds, steps, schedule):
    lines = regressions(*DATASETS["article"](), losses=LOSSES)
    every = descend_runs(lines, optimizer, (6, -3), steps, batch_size=size, seeds=seeds, schedule=schedule)
    for name, line in lines.items():
        runs = every[name]
        assert runs.points.shape == (steps + 1, len(seeds), 2) and runs.seeds == tuple(seeds)
        assert runs.kept.tolist() == list(range(steps + 1)) and runs.parameters == ("weight", "bias")
        for i, seed in enumerate(seeds):
            path = descend(line, optimizer, (6, -3), steps, schedule=schedule, batch_size=size, seed=seed)
            for ours, theirs in ((runs.points, path.points), (runs.losses, path.losses)):
                exact = name != "LogCosh"  # whose exponentials are rounded otherwise at the end of a row
                assert torch.equal(ours[:, i], theirs) or not exact
                torch.testing.assert_close(ours[:, i], theirs, rtol=1e-12, atol=1e-13, equal_nan=True)
            assert torch.equal(runs.ends, runs.points[-1])
            lrs = runs.lrs if runs.lrs.ndim == 1 else runs.lrs[:, i]
            assert torch.equal(lrs, path.lrs)
            later = path.points[steps // 2 + 1 :].mean(0) if steps else path.end
            torch.testing.assert_close(runs.averages[i], later, rtol=1e-12, atol=1e-12)


def test_of_long_runs_some_points_are_kept(four, monkeypatch):
    monkeypatch.setattr(module, "MOST_KEPT", 50)
    schedule = SCHEDULES["StepLR"](300)
    for how in (None, schedule, SCHEDULES["ReduceLROnPlateau"](patience=100)):
        runs = descend_runs(four, SGD(0.1), (6, -3), 1201, batch_size=8, seeds=[3, 4], schedule=how)["Huber"]
        assert runs.kept.tolist() == [*range(0, 1201, 25), 1201] and len(runs.points) == 50
        path = descend(four["Huber"], SGD(0.1), (6, -3), 1201, batch_size=8, seed=4, schedule=how)
        assert torch.equal(runs.points[:, 1], path.points[runs.kept])
        assert torch.equal(runs.losses[:, 1], path.losses[runs.kept])
        torch.testing.assert_close(runs.averages[1], path.points[601:].mean(0), rtol=1e-12, atol=0)


def test_losses_on_different_data_and_other_betas_go_too(four):
    lines = {
        "one": regression([0.0, 1.0, 2.0], [1.0, 2.0, 4.0]),
        "beta": four["SmoothL1"].with_loss("SmoothL1", beta=0.3),
    }
    every = descend_runs(lines, SGD(0.1), torch.tensor([1.0, 1.0]), 40, batch_size=2)
    for name, line in lines.items():
        assert every[name].points.dtype == torch.float32
        path = descend(line, SGD(0.1), torch.tensor([1.0, 1.0]), 40, batch_size=2, seed=20)
        torch.testing.assert_close(every[name].points[:, 20], path.points, rtol=1e-5, atol=1e-5)


def test_slices_report_progress_and_return_the_same(four):
    work, shares = descending_runs(four, SGD(0.1), (6, -3), 1500, batch_size=8, seeds=range(20)), []
    try:
        while True:
            shares.append(next(work))
    except StopIteration as end:
        result = end.value
    assert len(shares) > 10 and shares == sorted(shares) and shares[0] >= 0 and shares[-1] <= 1
    assert result == descend_runs(four, SGD(0.1), (6, -3), 1500, batch_size=8, seeds=range(20))


def test_memory_does_not_grow_with_the_steps(four):
    runs = descend_runs(four, SGD(0.1), (6, -3), 20_000, batch_size=50, seeds=range(3))
    assert sum(one.points.numel() for one in runs.values()) < 4 * 3 * 2 * 2002


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"seeds": []}, ValueError, "there must be 1 to 1000 seeds; got 0"),
        ({"seeds": range(1001)}, ValueError, "got 1001"),
        ({"seeds": [0.5]}, TypeError, "seed must be a whole number"),
        ({"batch_size": 0}, ValueError, "batch_size should be a positive integer value"),
        ({"batch_size": None}, ValueError, "batch_size should be a positive integer value"),
        ({"start": torch.zeros(3, 2)}, ValueError, r"many runs have a single start; got shape \(3, 2\)"),
        ({"start": (math.nan, 0)}, ValueError, "start must be finite"),
        ({"steps": 100_001}, ValueError, "steps must be"),
        ({"schedule": "StepLR"}, TypeError, "schedule must be"),
        ({"objectives": {"": quadratic()}}, ValueError, "batch_size needs data"),
    ],
)
def test_bad_input(four, wrong, error, message):
    how = {"objectives": four, "optimizer": SGD(0.1), "start": (6, -3), "steps": 3, "batch_size": 8, **wrong}
    with pytest.raises(error, match=message):
        descend_runs(**how)
