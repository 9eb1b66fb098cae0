"""A loss at many points: three ways, one set of numbers, and nothing left changed."""

import functools
import math
import random
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from gradwidgets.core import SGD, LossError, Objective, descend
from gradwidgets.core.losses.evaluation.at_points import Evaluation
from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.losses.reference import Doubling

POINTS = torch.cartesian_prod(*[torch.linspace(-2, 2, 9, dtype=torch.float64)] * 2)


def by_hand(loss, points=POINTS):
    """Values and gradients by one plain autograd call a point."""
    values, gradients = [], []
    for point in points:
        leaves = [x.clone().requires_grad_() for x in point]
        value = loss(*leaves)
        gradients.append(torch.stack(torch.autograd.grad(value, leaves)))
        values.append(value.detach())
    return torch.stack(values), torch.stack(gradients)


X = torch.linspace(-1, 1, 9, dtype=torch.float64)  # as long as POINTS has different values of one parameter

WAYS = {
    "elementwise": (lambda a, b: (a * b).sin() + a**2, "vectorized"),
    "a scalar": (lambda a, b: ((a - b) ** 2).mean() + a, "vmap"),
    "mixes": (lambda a, b: (a - a.mean()) ** 2 + a * b, "vmap"),
    "data inside": (lambda a, b: ((a * X + b - X**2) ** 2).mean(), "vmap"),
    "Python branches": (lambda a, b: a * b if a > 0.3 else b**2 + a, "pointwise"),
    "item": (lambda a, b: a * b + b.item(), "pointwise"),
}


@pytest.mark.parametrize(("loss", "method"), WAYS.values(), ids=WAYS)
def test_each_loss_is_computed_its_own_way_and_all_give_the_same_numbers(loss, method):
    function = LossFunction(loss, ("a", "b"))
    values = function.values(POINTS)
    assert function.method == method
    wanted, slopes = by_hand(loss)
    torch.testing.assert_close(values.loss, wanted)
    torch.testing.assert_close(values.gradient, slopes)
    assert values.reached == (True, True) and not values.failed


@given(st.integers(2, 200), st.sampled_from(list(WAYS)))
@settings(max_examples=30)
def test_the_way_does_not_depend_on_the_number_of_points(count, name):
    loss, _ = WAYS[name]
    points = torch.linspace(-2, 2, 2 * count, dtype=torch.float64).reshape(-1, 2)
    values = LossFunction(loss, ("a", "b")).values(points)
    torch.testing.assert_close(values.loss, by_hand(loss, points)[0])


@pytest.mark.parametrize(
    "loss",
    [
        nn.MSELoss(),
        nn.L1Loss(),
        nn.HuberLoss(delta=0.7),
        nn.SmoothL1Loss(),
        nn.BCEWithLogitsLoss(),
    ],
    ids=lambda loss: type(loss).__name__,
)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_torchs_losses_whatever_their_reduction(loss, reduction):
    loss.reduction = reduction
    points = torch.rand(30, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    values = LossFunction(loss, ("input", "target")).values(points)
    wanted, slopes = by_hand(loss, points)
    torch.testing.assert_close(values.loss, wanted)
    torch.testing.assert_close(values.gradient, slopes)


@pytest.mark.parametrize(
    ("loss", "names", "fixed"),
    [
        (functional.huber_loss, ("input", "target"), {"delta": 0.5}),  # takes delta as a plain number
        (lambda a, b, c: a * c.log() + b, ("a", "b"), {"c": 2.0}),  # takes it as a tensor
        (lambda a, b, c=3.0: a * c + b, ("a", "b"), None),
        (lambda a, b, *, c: a * c + b, ("a", "b"), {"c": 2}),
        (lambda a, b, /: a * b, ("a", "b"), None),
        (functools.partial(lambda c, a, b: a * b * c, 2.0), ("a", "b"), None),
        (lambda b, a, data: ((a * data + b) ** 2).mean(), ("a", "b"), {"data": torch.arange(7.0)}),
    ],
    ids=["plain number", "tensor", "default", "keyword", "positional", "partial", "data"],
)
def test_constants_in_every_form(loss, names, fixed):
    values = LossFunction(loss, names, fixed).values(POINTS)
    assert values.loss.isfinite().all() and all(values.reached)


def test_a_constant_is_what_it_is_said_to_be():
    at = torch.tensor([[2.0, 3.0]], dtype=torch.float64)
    for c in (0.5, 4):
        assert float(LossFunction(lambda a, b, c: a * c + b, ("a", "b"), {"c": c}).values(at).loss) == 2 * c + 3


def test_whole_numbers_truth_values_and_words_stay_what_they_are():
    seen = []

    def loss(a, k, flag, how):
        seen.append((k, flag, how))
        return (torch.stack([a, 2 * a])[k] if how == "pick" and flag is True else a * math.nan) ** 2

    fixed = {"k": 1, "flag": True, "how": "pick"}
    values = LossFunction(loss, ("a",), fixed).values(torch.tensor([[0.5], [1.0]], dtype=torch.float64))
    assert values.loss.tolist() == [1.0, 4.0]
    assert all(type(k) is int and k == 1 and flag is True and how == "pick" for k, flag, how in seen)


def test_a_whole_number_where_only_a_tensor_will_do_becomes_one():
    at = torch.tensor([[2.0], [3.0]], dtype=torch.float64)
    assert LossFunction(lambda a, c: a * c.exp(), ("a",), {"c": 0}).values(at).loss.tolist() == [2.0, 3.0]


@pytest.mark.parametrize("reduce", [False, True])
def test_a_value_a_sample_is_reduced_by_the_mean_and_that_is_said(reduce):
    x = torch.linspace(-1, 1, 7, dtype=torch.float64)

    def loss(a, b):
        each = (a * x + b - 1) ** 2
        return each.mean() if reduce else each

    function = LossFunction(loss, ("a", "b"))
    values, point = function.values(POINTS), torch.tensor([0.3, 0.2], dtype=torch.float64)
    right = ((POINTS[:, :1] * x + POINTS[:, 1:] - 1) ** 2).mean(1)
    torch.testing.assert_close(values.loss, right)
    assert ("it returns 7 values for one point, one per sample: their mean is taken" in function.notes) is not reduce
    bend = torch.tensor([[2 * float((x**2).mean()), 0.0], [0.0, 2.0]], dtype=torch.float64)
    torch.testing.assert_close(function.hessian(point), bend)


def test_the_reference_is_in_float64_whatever_the_loss_holds_or_casts_to():
    x = torch.linspace(-1, 1, 9)  # float32
    at = torch.tensor([[0.1], [0.7]], dtype=torch.float64)
    held = LossFunction(lambda a: ((a * x).exp() - 1).mean(), ("a",))
    held.values(at)
    reference = held.reference()
    values, right = reference.values(at), (at * x.double()).exp().mean(1) - 1
    torch.testing.assert_close(values.loss, right, rtol=1e-15, atol=1e-15)
    assert held.dtype == torch.float32 and held.values(at).loss.dtype == torch.float32
    cast = LossFunction(lambda a: torch.exp(-a.half()).to(torch.bfloat16).float(), ("a",))
    coarse = cast.values(at).loss
    fine = cast.reference().values(at)
    torch.testing.assert_close(fine.loss, torch.exp(-at[:, 0]), rtol=1e-15, atol=0)
    torch.testing.assert_close(fine.gradient, -torch.exp(-at), rtol=1e-15, atol=0)
    assert float((coarse.double() - fine.loss).abs().max()) > 1e-4


@pytest.mark.parametrize(("number", "needed"), [(torch.tensor(0.5), True), (torch.tensor(0.5).double(), False)])
def test_calls_are_looked_at_until_one_has_nothing_to_convert(number, needed):
    doubling = Doubling()
    with doubling():
        assert (number * number).dtype == torch.float64
    assert doubling.needed
    doubling.called()
    assert doubling.needed is needed


def test_the_reference_looks_again_for_other_constants():
    def cast_above_1(a, c):
        return (a.float() if float(c.mean()) > 1 else a) ** 2 * c

    at = torch.tensor([[0.1], [0.7]], dtype=torch.float64)
    function = LossFunction(cast_above_1, ("a",), {"c": 0.5})
    function.values(at)
    reference = function.reference()
    for _ in range(3):
        assert torch.equal(reference.values(at).loss, at[:, 0] ** 2 * 0.5)
    other = reference.with_fixed({"c": 2.0})
    for _ in range(3):
        assert torch.equal(other.values(at).loss, at[:, 0] ** 2 * 2)


WRONG = {
    "not callable": (3, ("a",), None, TypeError, "loss must be callable; got int 3"),
    "no such name": (lambda a, q: a, ("a", "b"), None, ValueError, "no parameter 'b'; its parameters are 'a', 'q'"),
    "one missing": (lambda a, b: a, ("a",), None, ValueError, "needs 'b' too"),
    "fixed twice": (lambda a, b: a, ("a", "b"), {"a": 1}, ValueError, "'a' is both an axis and fixed"),
    "fixed NaN": (lambda a, b: a, ("a",), {"b": float("nan")}, ValueError, r"fixed\['b'\] must be finite"),
    "fixed no dict": (lambda a, b: a, ("a",), [1], TypeError, "fixed must map"),
    "an int": (lambda a, b: 3, ("a", "b"), None, LossError, "must return a tensor; it returned int 3"),
    "a tuple": (lambda a, b: (a, b), ("a", "b"), None, LossError, "returned a tuple of 2: return the part"),
    "complex": (lambda a, b: torch.complex(a, b), ("a", "b"), None, LossError, "must return real values"),
    "raises": (lambda a, b: a / [], ("a", "b"), None, LossError, r"loss\(a, b\) raised TypeError"),
}


@pytest.mark.parametrize(("loss", "names", "fixed", "kind", "words"), WRONG.values(), ids=WRONG)
def test_what_is_no_loss_is_refused_in_words(loss, names, fixed, kind, words):
    with pytest.raises(kind, match=words):
        LossFunction(loss, names, fixed).values(POINTS)


def test_points_at_which_it_raises_are_nan_and_counted():
    def picky(a, b):
        if (a > 1.2).any():
            raise ArithmeticError("too high")
        return a + b

    values = LossFunction(picky, ("a", "b")).values(POINTS)
    high = POINTS[:, 0] > 1.2
    assert values.loss[high].isnan().all() and values.loss[~high].isfinite().all()
    assert values.failed == {"picky(a, b) raised ArithmeticError: too high": int(high.sum())}
    assert values.first_failure == tuple(POINTS[high][0].tolist())


@pytest.mark.parametrize(
    ("loss", "reached"),
    [
        (lambda a, b: a.detach() + b, (False, True)),
        (lambda a, b: b**2, (False, True)),
        (lambda a, b: torch.argmax(torch.stack([a, b], -1), -1), (False, False)),
        (lambda a, b: torch.tensor(3.0) + 0 * a.detach(), (False, False)),
    ],
)
def test_parameters_without_a_gradient_path_are_named(loss, reached):
    values = LossFunction(loss, ("a", "b")).values(POINTS)
    assert values.reached == reached
    assert not values.gradient[:, [not one for one in reached]].any()


# -- nothing is changed ---------------------------------------------------------------------------------------


def test_chance_is_repeatable_and_said_and_leaves_the_generators_alone():
    def noisy(a, b):
        return a * torch.rand(()) + b * random.random() + float(np.random.rand())

    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    function = LossFunction(noisy, ("a", "b"))
    first, second = function.values(POINTS), function.values(POINTS)
    assert torch.equal(first.loss, second.loss)
    assert any("random" in note for note in function.notes)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1] and np.random.get_state()[1].tolist() == states[2]


def test_inputs_are_its_own_to_change():
    def greedy(a, b, c):
        a.mul_(2)
        c.zero_()
        return a + b + c.sum()

    data, points = torch.ones(3), POINTS.clone()
    LossFunction(greedy, ("a", "b"), {"c": data}).values(points)
    assert torch.equal(points, POINTS) and torch.equal(data, torch.ones(3))


def test_what_it_prints_and_sets_is_caught(capsys):
    def loud(a, b):
        print("look at me")
        torch.set_default_dtype(torch.float64)
        return a + b

    function = LossFunction(loud, ("a", "b"))
    function.values(POINTS)
    assert capsys.readouterr().out == ""
    assert torch.get_default_dtype() == torch.float32
    assert any("prints ('look at me')" in note for note in function.notes)
    assert any("default dtype" in note for note in function.notes)


def test_warnings_are_kept_back_and_said_once(recwarn):
    def nagging(a, b):
        warnings.warn("mind the\n  shapes", UserWarning, stacklevel=1)
        return a * b if a.item() > 0 else b**2 + a

    class Nagging(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x

        @staticmethod
        def backward(ctx, grad):
            warnings.warn("mind the shapes", UserWarning, stacklevel=1)
            return 2 * grad

    for loss in (nagging, lambda a, b: Nagging.apply(a) + b):
        function = LossFunction(loss, ("a", "b"))
        function.values(POINTS)
        assert function.notes == ("it warns ('mind the shapes'): not shown",)
    assert not recwarn.list


def sideways(a, b):
    a.mul_(2)
    return a * a + b * b


def data_changing(a, b, c):
    c.add_(1)
    return a * a + b * b + 0 * c.sum()


IN_PLACE = {
    "vectorized": (sideways, None, "it changes a in place, which torch forbids"),
    "vmap": (lambda a, b: sideways(a, b).sum(), None, "it changes a in place"),
    "pointwise": (lambda a, b: sideways(a, b) if a.item() > 0 else b, None, "it changes a in place"),
    "data": (data_changing, {"c": torch.ones(3)}, "it changes c, passed in fixed, in place"),
}


@pytest.mark.parametrize(("loss", "fixed", "words"), IN_PLACE.values(), ids=IN_PLACE)
def test_what_it_changes_in_place_is_said(loss, fixed, words):
    function = LossFunction(loss, ("a", "b"), fixed)
    function.values(POINTS)
    (note,) = function.notes
    assert note.startswith(words)
    assert function.with_fixed(fixed).notes == function.notes
    clean = LossFunction(lambda a, b: (2 * a).mul_(a) + b**2, ("a", "b"))
    clean.values(POINTS)
    assert not clean.notes


MODEL = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
SMALL = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
LINEAR = nn.Linear(2, 1).double()


def through(model, a, b):
    return model(torch.stack([a, b], -1).reshape(-1, 2)).squeeze(-1)


@pytest.mark.parametrize(
    "make",
    [
        lambda model: lambda a, b: through(model, a, b),
        lambda model: functools.partial(through, model),
        lambda model: lambda a, b, net=model: through(net, a, b),
        lambda model: lambda a, b: through(MODEL, a, b),
    ],
    ids=["closure", "partial", "default", "global"],
)
def test_a_model_that_it_holds_stays_bit_identical(make):
    MODEL.train()
    before = {name: value.clone() for name, value in MODEL.state_dict().items()}

    loss = make(MODEL)
    function = LossFunction(loss, ("a", "b"))
    with pytest.raises(LossError, match="more than 1 value per channel"):
        function.values(POINTS)  # batch statistics make a point's loss depend on the others
    MODEL[1].eval()
    values = LossFunction(loss, ("a", "b")).values(POINTS)
    MODEL[1].train()
    assert values.loss.isfinite().all()
    assert all(torch.equal(value, MODEL.state_dict()[name]) for name, value in before.items())
    assert all(p.grad is None for p in MODEL.parameters())
    assert MODEL.training and MODEL[1].training


def test_a_model_s_changes_are_put_back_and_said():
    net = LINEAR
    net.weight.grad = torch.full_like(net.weight, 7.0)

    def meddling(a, b):
        with torch.no_grad():
            net.weight.add_(1)
        net.eval()
        net.weight.grad = None
        return net(torch.stack([a, b], -1)).squeeze(-1)

    before = net.weight.detach().clone()
    function = LossFunction(meddling, ("a", "b"))
    function.values(POINTS)
    assert torch.equal(net.weight, before) and net.training
    assert torch.equal(net.weight.grad, torch.full_like(net.weight, 7.0))
    assert any("put back" in note for note in function.notes)


def test_a_float32_model_is_met_in_float32_and_that_is_said():
    net = SMALL
    function = LossFunction(lambda a, b: net(torch.stack([a, b], -1)).squeeze(-1), ("a", "b"))
    values = function.values(POINTS)
    assert function.dtype == torch.float32 and any("float32" in note for note in function.notes)
    torch.testing.assert_close(values.loss, net(POINTS.float()).squeeze(-1).detach())


# -- curvature ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["elementwise", "a scalar", "data inside", "Python branches"])
def test_the_hessian_is_that_of_central_differences(name):
    function = LossFunction(WAYS[name][0], ("a", "b"))
    function.values(POINTS)
    point, h = torch.tensor([0.7, -0.4], dtype=torch.float64), 1e-5
    places = torch.stack([point + h * e for e in torch.eye(2)] + [point - h * e for e in torch.eye(2)])
    slopes = function.values(places).gradient
    torch.testing.assert_close(function.hessian(point), (slopes[:2] - slopes[2:]) / (2 * h), rtol=1e-5, atol=1e-6)


def test_rosenbrocks_hessian_has_its_printed_eigenvalues():
    function = LossFunction(lambda x, y: (1 - x) ** 2 + 100 * (y - x**2) ** 2, ("x", "y"))
    at = torch.tensor([[-1.2, 1.0]], dtype=torch.float64)
    values = function.values(at)
    assert float(values.loss) == pytest.approx(24.2)
    assert values.gradient[0].tolist() == pytest.approx([-215.6, -88.0])
    eigenvalues = torch.linalg.eigvalsh(function.hessian(torch.ones(2)))
    assert eigenvalues.tolist() == pytest.approx([0.399361, 1001.60064], rel=1e-6)


@pytest.mark.parametrize(
    "loss",
    [
        lambda a, b: a**3 * b + b.exp(),
        lambda a, b: torch.stack([a, b]).pow(3).sum() + a * b,
        lambda a, b: a**3 + b if a.item() > 0.5 else a * b**2,
        lambda a, b: 2 * a + b.detach() ** 2,
    ],
)
def test_hessians_at_many_points_are_those_at_each(loss):
    function = LossFunction(loss, ("a", "b"))
    points = torch.tensor([[0.1, -0.4], [0.7, 0.3], [0.9, 0.0]], dtype=torch.float64)
    function.values(points)
    each = torch.stack([function.hessian(point) for point in points])
    assert torch.allclose(function.hessians(points), each, rtol=1e-12, atol=0)


# -- inference mode -------------------------------------------------------------------------------------------


class Wrapped(Objective):
    """A loss function as an objective, as a descent wants it."""

    name, parameters, view, start = "wrapped", ("a", "b"), {"a": (-2.0, 2.0), "b": (-2.0, 2.0)}, (1.0, 1.0)

    def __init__(self, function):
        self.function = function

    def value_and_gradient(self, points):
        values = self.function.values(points.reshape(-1, 2))
        return values.loss.reshape(points.shape[:-1]), values.gradient.reshape(points.shape)

    def __call__(self, points):
        return self.value_and_gradient(points)[0]


BOWLS = {
    "vectorized": lambda a, b: a**2 + 3 * b**2,
    "vmap": lambda a, b: (torch.stack([a, b]) ** 2 * torch.tensor([1.0, 3.0], dtype=a.dtype)).sum(),
    "pointwise": lambda a, b: a**2 + 3 * b**2 if a.item() > -100 else a,
}


@pytest.mark.parametrize("method", BOWLS)
def test_inference_mode_changes_nothing(method):
    wanted, function = LossFunction(BOWLS["vectorized"], ("a", "b")).values(POINTS), LossFunction(BOWLS[method], "ab")
    with torch.inference_mode():
        for points in (POINTS, POINTS.clone()):
            values = function.values(points)
            assert torch.is_inference_mode_enabled()
            torch.testing.assert_close((values.loss, values.gradient), (wanted.loss, wanted.gradient))
            assert not values.loss.is_inference() and not values.gradient.is_inference()
        hessian, hessians = function.hessian(POINTS[0]), function.hessians(POINTS[:2])
    assert function.method == method
    assert hessian.tolist() == [[2, 0], [0, 6]] and hessians.tolist() == [[[2, 0], [0, 6]]] * 2
    function.values(POINTS).loss.add_(1)  # and nothing of it is left


@pytest.mark.parametrize("method", BOWLS)
def test_a_descent_over_a_loss_function_is_the_closed_form(method):
    path = descend(Wrapped(LossFunction(BOWLS[method], ("a", "b"))), SGD(lr=0.1), (1.0, 1.0), 10).points
    torch.testing.assert_close(path[-1], torch.tensor([0.8**10, 0.4**10], dtype=torch.float64))


@pytest.fixture
def blocks_of(monkeypatch):
    """How many points each call takes; counted from outside, since what a loss counts is put back."""

    def taken_by(function: LossFunction, count: int) -> list[int]:
        taken, plain = [], Evaluation.at_once
        points = torch.rand(count, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        function.values(points[:3])
        monkeypatch.setattr(
            Evaluation, "at_once", lambda self, some, *more: (taken.append(len(some)), plain(self, some, *more))[1]
        )
        found, at = function.values(points), points[-1].clone().requires_grad_()
        value = function.call(*at.unbind())
        value.backward()
        assert found.loss[-1] == pytest.approx(float(value.detach()), rel=1e-12)
        torch.testing.assert_close(found.gradient[-1], at.grad)
        return taken

    return taken_by


def test_much_data_is_taken_a_few_points_at_a_time(blocks_of):
    data = torch.linspace(-3, 3, 2**20, dtype=torch.float64)
    taken = blocks_of(LossFunction(lambda a, b: torch.sigmoid(a * data + b).square().mean(), ("a", "b")), 70)
    assert sum(taken) == 70 and max(taken) < 20  # all at once would keep more than a GB


def test_little_data_is_taken_all_at_once(blocks_of):
    assert blocks_of(LossFunction(lambda a, b: (a - 1) ** 2 + b**2, ("a", "b")), 50_000) == [50_000]
