import math

import pytest
import torch

from gradwidgets.core import SGD, ObjectiveError, as_objective, descend, sample_surface


def bowl(u, v):
    return u**2 + 3 * v**2


def test_two_arguments_name_the_parameters():
    f = as_objective(bowl)
    assert f.parameters == ("u", "v")
    assert f.name == "bowl"
    assert f((1, 2)).item() == 13
    values, gradients = f.value_and_gradient(torch.ones(4, 3, 2))
    assert values.shape == (4, 3)
    assert gradients[0, 0].tolist() == [2, 6]
    assert f.hessian((1.0, 1.0)).tolist() == [[2, 0], [0, 6]]


def test_one_argument_takes_points():
    f = as_objective(lambda points: (points**2).sum(-1))
    assert f.parameters == ("a", "b")
    assert f(torch.ones(2, 5, 2)).shape == (2, 5)
    assert f((3.0, 4.0)).item() == 25


def test_defaults_and_callables_of_other_kinds():
    class Bowl:
        def __call__(self, a, b, scale=2.0):
            return scale * (a * a + b * b)

    f = as_objective(Bowl())
    assert f.name == "Bowl"
    assert f((1, 1)).item() == 4
    assert as_objective(torch.atan2).parameters == ("a", "b")
    assert as_objective(f) is f


def test_given_names_view_start_minima():
    f = as_objective(bowl, parameters=("p", "q"), view={"q": (-1, 1), "p": (0, 2)}, start=(1, 0.5), minima=((0, 0),))
    assert f.parameters == ("p", "q")
    assert list(f.view.items()) == [("q", (-1.0, 1.0)), ("p", (0.0, 2.0))]
    assert f.start == (1.0, 0.5)
    assert f.minima == ((0.0, 0.0),)


def test_a_default_view_holds_start_and_minima():
    f = as_objective(bowl, start=(100, 0), minima=((0, -50),))
    assert f.view["u"][1] >= 100
    assert f.view["v"][0] <= -50
    g = as_objective(bowl)
    assert all(low < at < high for at, (low, high) in zip(g.start, g.view.values(), strict=True))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"parameters": ("a",)}, ValueError, "two different names"),
        ({"parameters": ("a", "a")}, ValueError, "two different names"),
        ({"view": {"u": (0, 1)}}, ValueError, "view must name 'u' and 'v'; got 'u'"),
        ({"view": {"u": (0, 1), "v": (1, 0)}}, ValueError, r"view\['v'\] must be finite with low < high; got \(1, 0\)"),
        ({"view": 3}, TypeError, "view must map"),
        ({"start": (math.nan, 0)}, ValueError, "start must be finite"),
        ({"start": ((0, 0), (1, 1))}, ValueError, r"start must be a single point of shape \(2,\); got shape \(2, 2\)"),
        ({"minima": (((0, 0), (1, 1)),)}, ValueError, "each of minima must be a single point"),
        ({"minima": (0, 1)}, ValueError, "each of minima must hold two parameters"),
    ],
)
def test_bad_settings(settings, error, message):
    with pytest.raises(error, match=message):
        as_objective(bowl, **settings)


def test_what_is_not_a_function_of_two_parameters():
    with pytest.raises(TypeError, match="must be a function of two parameters; got int 3"):
        as_objective(3)
    with pytest.raises(TypeError, match="needs 3 arguments: a, b, c"):
        as_objective(lambda a, b, c: a)
    with pytest.raises(TypeError, match="needs the keyword 'scale'"):
        as_objective(lambda a, b, *, scale: a)


def test_an_exception_is_chained_and_its_call_named():
    def broken(a, b):
        raise KeyError("no such thing")

    f = as_objective(broken)
    with pytest.raises(
        ObjectiveError, match=r"broken\(a, b\) with 2 tensors of shape \(1,\) raised KeyError: 'no such thing'"
    ) as caught:
        f((1, 2))
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(ObjectiveError, match="raised KeyError"):
        f.value_and_gradient((1, 2))
    with pytest.raises(ObjectiveError, match=r"shape \(4096,\)"):
        sample_surface(f)


def test_python_branches_on_whole_tensors_say_what_failed():
    f = as_objective(lambda a, b: a if a > 0 else b)
    with pytest.raises(ObjectiveError, match="raised RuntimeError: Boolean value of Tensor"):
        f(torch.zeros(3, 2))


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (lambda a, b: (a * b).sum(), r"must return one value per point, shape \(3,\), .* it returned shape \(\)"),
        (lambda a, b: torch.stack([a, b]), r"it returned shape \(2, 3\)"),
        (lambda a, b: 3.0, r"must return a tensor of shape \(3,\); it returned float 3.0"),
        (lambda a, b: None, "it returned NoneType None"),
        (lambda a, b: torch.complex(a, b), "must return real values"),
    ],
)
def test_wrong_returns(fn, message):
    f = as_objective(fn)
    with pytest.raises(ObjectiveError, match=message):
        f(torch.ones(3, 2))


@pytest.mark.parametrize(
    "fn",
    [
        lambda a, b: torch.zeros_like(a),
        lambda a, b: (a * b).detach(),
        lambda a, b: torch.tensor([x.item() for x in a]),
        lambda a, b: a.round().long() + b.long(),
        lambda a, b: torch.ones(len(a), requires_grad=True) * 2,
    ],
)
def test_no_gradient(fn):
    f = as_objective(fn)
    f((1, 2))
    with pytest.raises(ObjectiveError, match="has no gradient"):
        f.value_and_gradient((1, 2))


def test_a_parameter_that_does_not_matter_has_slope_zero():
    f = as_objective(lambda a, b: a**2)
    assert f.value_and_gradient((3, 4))[1].tolist() == [6, 0]
    assert f.hessian((3, 4)).tolist() == [[2, 0], [0, 0]]
    assert as_objective(lambda a, b: a + b).hessian((1, 1)).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_gradients_come_in_any_grad_mode(mode):
    f = as_objective(bowl)
    with mode():
        assert f.value_and_gradient(torch.ones(3, 2))[1][0].tolist() == [2, 6]
        assert f.hessian((0, 0)).tolist() == [[2, 0], [0, 6]]
        assert descend(f, SGD(0.1), (1, 1), 2).end.tolist() == pytest.approx([0.64, 0.16])


def test_functions_that_work_in_place_spoil_nothing():
    f = as_objective(lambda points: points.mul_(2).sum(-1))
    points = torch.ones(3, 2)
    assert f(points).tolist() == [4, 4, 4]
    assert torch.equal(points, torch.ones(3, 2))
    own = torch.ones(3, 2, requires_grad=True)
    as_objective(bowl).value_and_gradient(own)
    assert own.grad is None


def test_random_numbers_are_the_same_each_time_and_nobody_elses():
    f = as_objective(lambda a, b: a**2 + b**2 + torch.randn(a.shape, dtype=a.dtype))
    state = torch.get_rng_state()
    assert f((1, 1)) == f((1, 1))
    f.value_and_gradient((1, 1))
    assert torch.equal(torch.get_rng_state(), state)


def test_values_in_another_dtype_become_the_points():
    f = as_objective(lambda a, b: (a * b).float())
    assert f((1, 2)).dtype == torch.float64
    assert f.value_and_gradient((1, 2))[1].tolist() == [2, 1]


def test_non_finite_values_are_values():
    f = as_objective(lambda a, b: torch.log(a) * b)
    assert f((-1, 1)).isnan()
    assert sample_surface(f, {"a": (-1, 1), "b": (-1, 1)}, 5).loss.isnan().any()
