import math

import pytest
import torch

from gradwidgets.core import SGD


def torchs_error(**settings):
    with pytest.raises(ValueError) as caught:
        torch.optim.SGD([torch.zeros(2)], **settings)
    return str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"lr": -0.1},
        {"lr": 0.1, "momentum": -0.5},
        {"lr": 0.1, "weight_decay": -1},
        {"lr": 0.1, "nesterov": True},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.1, "nesterov": True},
    ],
)
def test_errors_are_torchs(settings):
    with pytest.raises(ValueError) as caught:
        SGD(**settings)
    assert str(caught.value) == torchs_error(**settings)


@pytest.mark.parametrize("name", ["lr", "momentum", "dampening", "weight_decay"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "0.1", True, None, 1j, 10**400])
def test_what_is_not_a_finite_number_is_refused_in_the_same_words(name, value):
    words = {"lr": "learning rate", "momentum": "momentum value", "weight_decay": "weight_decay value"}
    with pytest.raises(ValueError) as caught:
        SGD(**{"lr": 0.1, name: value})
    assert str(caught.value) == f"Invalid {words.get(name, 'dampening value')}: {value}"


@pytest.mark.parametrize("name", ["nesterov", "maximize"])
def test_flags_are_true_or_false(name):
    with pytest.raises(ValueError, match=f"Invalid {name} value: 1"):
        SGD(0.1, 0.9, **{name: 1})


def test_what_torch_allows_is_allowed():
    for settings in ({"lr": 0}, {"lr": 1e6}, {"momentum": 1.5}, {"momentum": 0.5, "dampening": -2.0}, {"dampening": 1}):
        (theirs,), ours = torch.optim.SGD([torch.zeros(2)], **settings).param_groups, SGD(**settings)
        assert {name: getattr(ours, name) for name in settings} == settings == {name: theirs[name] for name in settings}


def test_it_is_a_value():
    assert SGD(0.1, 0.9) == SGD(lr=0.1, momentum=0.9)
    assert hash(SGD(1)) == hash(SGD(1.0))
    assert eval(repr(SGD(0.1, 0.9, nesterov=True))) == SGD(0.1, 0.9, nesterov=True)
    with pytest.raises(AttributeError):
        SGD(0.1).lr = 0.2


def test_half_theta_squared_with_momentum():
    # f = θ²/2 from 1: 0.9, 0.72, 0.486
    sgd, point, buffer = SGD(0.1, momentum=0.9), torch.tensor([1.0, 1.0], dtype=torch.float64), None
    seen = []
    for _ in range(3):
        before = point.clone()
        point, buffer = sgd.step(point, before, buffer)
        seen.append(point[0].item())
    assert seen == pytest.approx([0.9, 0.72, 0.486], rel=1e-15)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"momentum": 0.9},
        {"momentum": 0.9, "dampening": 0.8},
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.3},
        {"weight_decay": 0.5, "maximize": True},
    ],
)
def test_step_is_torchs_bit_for_bit(settings):
    generator = torch.Generator().manual_seed(1)
    p = torch.randn(2, dtype=torch.float64, generator=generator).requires_grad_()
    optimizer, sgd = torch.optim.SGD([p], lr=0.05, **settings), SGD(0.05, **settings)
    point, buffer = p.detach().clone(), None
    for _ in range(20):
        p.grad = torch.randn(2, dtype=torch.float64, generator=generator)
        point, buffer = sgd.step(point, p.grad.clone(), buffer)
        optimizer.step()
        assert torch.equal(point, p)


def test_step_changes_nothing_in_place():
    point, gradient, buffer = torch.ones(2), torch.ones(2), torch.ones(2)
    SGD(0.1, 0.9, weight_decay=1, nesterov=True, maximize=True).step(point, gradient, buffer)
    assert torch.equal(point, torch.ones(2))
    assert torch.equal(gradient, torch.ones(2))
    assert torch.equal(buffer, torch.ones(2))
