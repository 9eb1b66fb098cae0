import pytest
import torch

from gradwidgets.core import OBJECTIVES, Objective, quadratic

F64 = torch.float64


@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradient_and_hessian_are_autograds(name):
    f = OBJECTIVES[name]
    points = torch.randn(4, 3, 2, dtype=F64, generator=torch.Generator().manual_seed(0)) * 2
    values, gradients = f.value_and_gradient(points)
    by_autograd = Objective.value_and_gradient(f, points)
    torch.testing.assert_close(values, by_autograd[0], rtol=0, atol=0)
    torch.testing.assert_close(gradients, by_autograd[1], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(f(points), values, rtol=0, atol=0)
    at = points[0, 0]
    torch.testing.assert_close(f.hessian(at), torch.autograd.functional.hessian(f, at), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_minima_are_minima_in_view(name):
    f = OBJECTIVES[name]
    assert f.name == name
    for minimum in f.minima:
        value, gradient = f.value_and_gradient(minimum)
        assert value.item() == pytest.approx(0, abs=1e-20)
        assert gradient.abs().max() < 1e-9
        assert torch.linalg.eigvalsh(f.hessian(minimum)).min() > 0
    for place in (f.start, *f.minima):
        for parameter, at in zip(f.parameters, place, strict=True):
            low, high = f.view[parameter]
            assert low <= at <= high


@pytest.mark.parametrize("name", OBJECTIVES)
def test_dtype_follows_the_points(name):
    f = OBJECTIVES[name]
    values, gradients = f.value_and_gradient(torch.ones(3, 2))
    assert values.dtype == gradients.dtype == torch.float32
    assert f((1, 2)).dtype == F64
    assert gradients.shape == (3, 2)


def test_rosenbrock():
    f = OBJECTIVES["rosenbrock"]
    value, gradient = f.value_and_gradient((-1.2, 1.0))
    assert value.item() == pytest.approx(24.2)
    assert gradient.tolist() == pytest.approx([-215.6, -88])
    assert torch.linalg.eigvalsh(f.hessian((1, 1))).tolist() == pytest.approx([0.399361, 1001.60064], rel=1e-6)


def test_a_product_is_a_saddle():
    f = OBJECTIVES["product"]
    assert torch.linalg.eigvalsh(f.hessian((0, 0))).tolist() == [-1, 1]
    assert f.minima == ()


def test_quadratics_condition_is_a_parameter():
    curvatures = torch.linalg.eigvalsh(quadratic(500).hessian((1, 1)))
    assert (curvatures[1] / curvatures[0]).item() == pytest.approx(500)
    assert quadratic(500).constants == {"condition": 500.0}
    assert quadratic()((-5, -2)).item() == pytest.approx(0.1 * 25 + 2 * 4)
    for bad, error in (
        (0, ValueError),
        (-1, ValueError),
        (float("inf"), ValueError),
        ("20", TypeError),
        (True, TypeError),
    ):
        with pytest.raises(error, match="condition must be"):
            quadratic(bad)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_source_text_is_the_function(name):
    f = OBJECTIVES[name]
    space = {"torch": torch}
    exec(f.source(), space)
    for point in torch.randn(5, 2, dtype=F64, generator=torch.Generator().manual_seed(0)):
        torch.testing.assert_close(space["objective"](point), f(point), rtol=1e-12, atol=1e-12)


def test_points_are_checked():
    f = OBJECTIVES["saddle"]
    with pytest.raises(ValueError, match=r"points must hold two parameters .* got shape \(3,\)"):
        f((1, 2, 3))
    with pytest.raises(ValueError, match=r"point must be a single point of shape \(2,\); got shape \(1, 2\)"):
        f.hessian([[1, 2]])
    with pytest.raises(TypeError, match="points must be numbers"):
        f("ab")
