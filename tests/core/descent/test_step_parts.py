import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradwidgets.core import SGD, descend, quadratic, step_parts

SETTINGS = [
    {},
    {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.8, "weight_decay": 0.3},
    {"momentum": 0.9, "nesterov": True, "weight_decay": 2.0},
    {"momentum": 0.5, "nesterov": True, "maximize": True},
    {"weight_decay": 0.3, "maximize": True},
]


@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("k", [0, 1, 7, 19, 20])
def test_the_parts_add_up_to_the_step(four, kind, k):
    sgd = SGD(0.05, **kind)
    path = descend(four["MSE"], sgd, (6, -3), 20)
    longer = descend(four["MSE"], sgd, (6, -3), 21)
    parts = step_parts(path, four["MSE"], sgd, k)
    assert torch.equal(parts.point, path.points[k])
    assert torch.equal(parts.gradient, path.gradients[k])
    torch.testing.assert_close(parts.next_point, longer.points[k + 1], rtol=1e-12, atol=1e-12)
    whole = parts.gradient_part + parts.weight_decay_part + parts.momentum_part
    torch.testing.assert_close(whole, parts.next_point - parts.point, rtol=1e-9, atol=1e-12)


def test_plain_descent_is_all_gradient(four):
    sgd = SGD(0.1)
    parts = step_parts(descend(four["MSE"], sgd, (6, -3), 5), four["MSE"], sgd, 3)
    torch.testing.assert_close(parts.gradient_part, -0.1 * parts.gradient, rtol=1e-15, atol=0)
    assert not parts.weight_decay_part.any()
    assert not parts.momentum_part.any()
    assert parts.lookahead_point is parts.lookahead_gradient is None


def test_momentum_by_hand():
    # f = 2 y², λ = 4: y 1 → 0.6 → …; the buffer after the first step is 4.
    sgd = SGD(0.1, momentum=0.5)
    parts = step_parts(descend(quadratic(), sgd, (0, 1), 3), quadratic(), sgd, 1)
    assert parts.point[1].item() == pytest.approx(0.6)
    assert parts.gradient_part[1].item() == pytest.approx(-0.1 * 2.4)
    assert parts.momentum_part[1].item() == pytest.approx(-0.1 * 0.5 * 4)


def test_nesterovs_look_ahead(four):
    sgd = SGD(0.1, momentum=0.9, nesterov=True)
    path = descend(four["MSE"], sgd, (6, -3), 10)
    first = step_parts(path, four["MSE"], sgd, 0)
    assert torch.equal(first.lookahead_point, first.point)
    buffer = path.gradients[0]
    second = step_parts(path, four["MSE"], sgd, 1)
    torch.testing.assert_close(second.lookahead_point, second.point - 0.1 * 0.9 * buffer)
    torch.testing.assert_close(second.lookahead_gradient, four["MSE"].value_and_gradient(second.lookahead_point)[1])
    torch.testing.assert_close(second.momentum_part, -0.1 * 0.9 * 0.9 * buffer)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(SETTINGS), st.integers(0, 60), st.floats(0.001, 0.3))
def test_any_step(kind, k, lr):
    sgd, f = SGD(lr, **kind), quadratic()
    path = descend(f, sgd, (-5, -2), 60)
    parts = step_parts(path, f, sgd, k)
    whole = parts.gradient_part + parts.weight_decay_part + parts.momentum_part
    size = float(parts.point.abs().max()) + float(whole.abs().max())
    torch.testing.assert_close(whole, parts.next_point - parts.point, rtol=1e-9, atol=1e-10 * size)


def test_long_runs_forget_what_momentum_has_shrunk(four):
    sgd = SGD(1e-4, 0.9)
    path = descend(four["MSE"], sgd, (6, -3), 5000)
    parts = step_parts(path, four["MSE"], sgd, 4999)
    whole = parts.gradient_part + parts.momentum_part
    torch.testing.assert_close(whole, parts.next_point - parts.point, rtol=1e-6, atol=1e-12)


def test_bad_steps(four):
    sgd = SGD(0.1)
    path = descend(four["MSE"], sgd, (6, -3), 5)
    for k in (-1, 6):
        with pytest.raises(ValueError, match=f"k must be from 0 to 5; got {k}"):
            step_parts(path, four["MSE"], sgd, k)
    for k in (1.0, True, "1"):
        with pytest.raises(TypeError, match="k must be a whole number"):
            step_parts(path, four["MSE"], sgd, k)
    with pytest.raises(ValueError, match="single start"):
        step_parts(descend(four["MSE"], sgd, torch.zeros(3, 2), 5), four["MSE"], sgd, 1)


def test_float32_and_after_divergence(four):
    sgd = SGD(1e6, 0.9, nesterov=True)
    path = descend(four["MSE"], sgd, torch.tensor([6.0, -3.0]), 50)
    parts = step_parts(path, four["MSE"], sgd, 50)
    assert parts.point.dtype == torch.float32
    assert parts.next_point.isnan().all()
