import pytest
import torch

from gradwidgets.core import LOSSES, regression
from tests.core.judge import torch_line


@pytest.mark.parametrize(
    ("loss", "setting", "value", "slope"),
    [
        ("Huber", {"delta": 0.5}, 0.875, 0.5),
        ("SmoothL1", {"beta": 0.5}, 1.75, 1.0),
        ("MSE", {}, 4.0, 4.0),
        ("L1", {}, 2.0, 1.0),
    ],
)
def test_residual_two(loss, setting, value, slope):
    f = regression([1.0], [0.0], loss, **setting)
    values, gradients = f.value_and_gradient((0.0, 2.0))
    assert values.item() == value
    assert gradients.tolist() == [slope, slope]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("setting", [1.0, 0.5, 0.7, 3.0])
def test_edges_of_the_threshold_are_torchs(loss, dtype, setting):
    r = torch.tensor([-1, 1], dtype=dtype)[:, None] * torch.tensor(
        [0.0, setting, setting * (1 + 1e-7), setting * (1 - 1e-7), setting / 2, 10.0], dtype=dtype
    )
    y = -r.ravel()
    x = torch.linspace(-1, 1, len(y), dtype=dtype)
    p = torch.zeros(2, dtype=dtype, requires_grad=True)
    torch_line(x, y, loss, delta=setting, beta=setting)(p).backward()
    f = regression(x, y, loss, delta=setting, beta=setting)
    values, gradient = f.value_and_gradient(p)
    assert torch.equal(gradient, p.grad)
    expected = torch_line(x, y, loss, delta=setting, beta=setting)(p.detach())
    assert values.item() == pytest.approx(expected.item(), rel=1e-6 if dtype == torch.float32 else 1e-14)


def test_smooth_l1_with_beta_zero_is_l1(article):
    p = torch.randn(7, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    a = regression(*article, "SmoothL1", beta=0).value_and_gradient(p)
    b = regression(*article, "L1").value_and_gradient(p)
    assert torch.equal(a[0], b[0])
    assert torch.equal(a[1], b[1])


def test_smooth_l1_is_huber_over_delta(article):
    a = regression(*article, "SmoothL1", beta=0.3)((1.0, 1.0))
    b = regression(*article, "Huber", delta=0.3)((1.0, 1.0))
    assert a.item() == pytest.approx(b.item() / 0.3, rel=1e-15)


@pytest.mark.parametrize(
    ("setting", "error", "message"),
    [
        ({"delta": 0}, ValueError, "delta must be a positive number; got 0"),
        ({"delta": -1.0}, ValueError, "delta must be a positive number; got -1.0"),
        ({"delta": float("nan")}, ValueError, "delta must be a positive number; got nan"),
        ({"delta": "1"}, TypeError, "delta must be a positive number; got '1'"),
        ({"delta": True}, TypeError, "delta must be a positive number; got True"),
    ],
)
def test_bad_delta(setting, error, message):
    with pytest.raises(error, match=message):
        regression([1.0], [1.0], "Huber", **setting)


def test_bad_beta_and_unknown_loss():
    with pytest.raises(ValueError, match=r"beta must be a number ≥ 0; got -0\.1"):
        regression([1.0], [1.0], "SmoothL1", beta=-0.1)
    with pytest.raises(ValueError, match="unknown loss 'mse': choose one of 'MSE', 'L1', 'Huber', 'SmoothL1'"):
        regression([1.0], [1.0], "mse")


def test_a_setting_that_the_loss_does_not_have_is_not_looked_at():
    assert regression([1.0], [1.0], "MSE", delta=-1).constants == {}
