"""What every rule in OPTIMIZERS promises, whichever it is."""

from dataclasses import asdict, fields

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradwidgets.core import DATASETS, OBJECTIVES, OPTIMIZERS, descend, descend_each, regressions, script, step_parts
from tests.core.descent.test_script import printed
from tests.core.judge import torch_line, torch_run
from tests.core.optimizers.settings import RULES

X, Y = DATASETS["article"]()
FOUR = regressions(X, Y)
EVERY = pytest.mark.parametrize("rule", list(OPTIMIZERS))


def test_settings_are_drawn_for_every_rule():
    assert list(RULES) == list(OPTIMIZERS)


@EVERY
def test_without_settings_a_rule_is_torchs(rule):
    torchs = getattr(torch.optim, rule)([torch.zeros(2)]).defaults
    ours = OPTIMIZERS[rule]()
    assert asdict(ours) == {field.name: torchs[field.name] for field in fields(ours)}
    assert ours.torch() == (rule, {"lr": torchs["lr"]})


@EVERY
@settings(max_examples=25, deadline=None)
@given(data=st.data(), steps=st.integers(0, 300), loss=st.sampled_from(["MSE", "L1", "Huber", "SmoothL1"]))
def test_a_run_is_torchs_bit_for_bit(rule, data, steps, loss):
    optimizer = data.draw(RULES[rule])
    name, keywords = optimizer.torch()
    start, line = torch.tensor([6.0, -3.0], dtype=torch.float64), torch_line(X.double(), Y.double(), loss)
    points, _, gradients = torch_run(line, start, steps, rule=name, foreach=False, **keywords)
    path = descend(FOUR[loss], optimizer, start, steps)
    lost = points.isnan()
    assert torch.equal(path.points.masked_fill(lost, 0), points.masked_fill(lost, 0))
    assert torch.equal(path.gradients.isnan(), gradients.isnan())


@EVERY
@settings(max_examples=25, deadline=None)
@given(data=st.data(), k=st.integers(0, 70), objective=st.sampled_from(["quadratic", "beale", "saddle"]))
def test_the_parts_add_up_to_the_step(rule, data, k, objective):
    optimizer, f = data.draw(RULES[rule]), OBJECTIVES[objective]
    longer = descend(f, optimizer, f.start, 71)
    path = descend(f, optimizer, f.start, 70)
    if longer.diverged_at is not None and longer.diverged_at <= k + 1:
        return
    parts = step_parts(path, f, optimizer, k)
    whole = parts.gradient_part + parts.weight_decay_part + parts.momentum_part
    size = float(parts.point.abs().max()) + float(whole.abs().max())
    torch.testing.assert_close(whole, longer.points[k + 1] - longer.points[k], rtol=1e-12, atol=1e-12 * size)
    assert torch.equal(parts.next_point, longer.points[k + 1])


@EVERY
@settings(max_examples=10, deadline=None)
@given(data=st.data(), steps=st.integers(0, 40))
def test_the_script_ends_where_the_run_does(rule, data, steps):
    optimizer = data.draw(RULES[rule])
    shown = printed(script(FOUR, optimizer, (6, -3), steps))
    for name, path in descend_each(FOUR, optimizer, (6, -3), steps).items():
        expected = [*path.end.tolist(), path.losses[-1].item()]
        assert shown[name] == pytest.approx([float(f"{value:.9g}") for value in expected], rel=1e-8, nan_ok=True)


@EVERY
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_starts_side_by_side_go_as_each_alone(rule, data):
    optimizer, f = data.draw(RULES[rule]), OBJECTIVES["quadratic"]
    starts = torch.tensor([[1.0, 2.0], [-3.0, 0.5], [0.0, 0.0]], dtype=torch.float64)
    together = descend(f, optimizer, starts, 90)
    for i, start in enumerate(starts):
        alone = descend(f, optimizer, start, 90)
        torch.testing.assert_close(together.points[:, i], alone.points, rtol=1e-13, atol=0, equal_nan=True)
    assert together.states == ()


@EVERY
@settings(max_examples=15, deadline=None)
@given(data=st.data(), point=st.tuples(st.floats(-9, 9), st.floats(-9, 9)))
def test_a_step_changes_nothing_in_place(rule, data, point):
    optimizer = data.draw(RULES[rule])
    here = torch.tensor(point, dtype=torch.float64)
    _, state = optimizer.step(here, here.cos())
    gradient, seen = here.sin(), repr(state)
    before = here.clone(), gradient.clone()
    into = torch.empty_like(here)
    following, _ = optimizer.step(here, gradient, state, into)
    assert following is into
    assert torch.equal(here, before[0])
    assert torch.equal(gradient, before[1])
    assert repr(state) == seen


@EVERY
def test_settings_are_a_value_and_refused_when_they_are_none(rule):
    make = OPTIMIZERS[rule]
    assert eval(repr(make(0.2)), dict(OPTIMIZERS)) == make(0.2)
    assert hash(make(1)) == hash(make(1.0))
    with pytest.raises(AttributeError):
        make().lr = 0.2
    for name in ("lr", "weight_decay"):
        for value in (-1, float("nan"), float("inf"), "0.1", True, None, 10**400):
            with pytest.raises(ValueError, match=r"^Invalid "):
                make(**{name: value})
    with pytest.raises(ValueError, match="Invalid maximize value: 1"):
        make(maximize=1)
