"""What is said of rounding, of points that a loss refuses, of numbers in other guises."""

import math

import numpy as np
import pytest
import torch

from gradwidgets import check_loss
from gradwidgets.core.losses.loss_call import LossError
from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.operations.cancellation import rounded_there
from gradwidgets.core.operations.cuts import cuts_of
from gradwidgets.core.operations.divisors import divisor_turns
from gradwidgets.core.surfaces.patterns.precision.parting import named

AXES = {"a": (-2.0, 3.0), "b": (-2.0, 3.0)}


def bowl(a, b):
    return (a - 1) ** 2 + 2 * (b - 0.3) ** 2


def point(*values):
    return torch.tensor(values, dtype=torch.float64)


def names(report):
    return {one.name for one in report.findings}


def first_of(report, name):
    return next(one for one in report.findings if one.name == name)


def test_a_step_that_rounding_makes_is_no_jump():
    report = check_loss(lambda u: -0.2 * torch.log(1 - torch.tanh(u) ** 2) + 0.1 * u.abs(), {"u": (-4, 18.5)})
    assert "precision" in names(report) and "jump" not in names(report)


def test_a_jump_beside_numbers_that_float32_hardly_tells_apart_is_one():
    report = check_loss(lambda x: (x - 5000.2) ** 2 + 0.5 * (x > 5000.31), {"x": (4999, 5001.5)})
    assert "jump" in names(report)


@pytest.mark.parametrize(
    ("loss", "at", "rounded"),
    [
        (lambda x: torch.log(1 - torch.tanh(x) ** 2), 18.1, True),
        (lambda x: (1 - torch.cos(x)) / x**2, 1e-8, True),
        (lambda x: (x - 0.3).floor() + x, 0.3, False),
        (lambda x: x + 0.1 * (x > 0.7), 0.7, False),
    ],
)
def test_a_difference_of_near_numbers_is_told_from_the_way_to_a_point(loss, at, rounded):
    function = LossFunction(loss, ("x",))
    function.values(point(0.1, 0.2)[:, None])
    assert rounded_there(function, point(at), point(2.0)) is rounded


def test_the_operation_that_loses_a_number_first_is_named():
    function = LossFunction(lambda x: x * torch.rsqrt(x * x + 1e-6), ("x",))
    function.values(point(0.1, 0.2)[:, None])
    said = named(function, point(400.0)[None], torch.float16, "under").said
    assert said.startswith("mul overflows") and "rsqrt" in said


def test_a_view_with_few_numbers_in_it_is_said_to_be_one_and_nothing_else_is():
    report = check_loss(bowl, {"a": (1e9, 1e9 + 1e-6), "b": (-2, 3)})
    assert names(report) == {"precision"} and "float64 has about" in report.findings[0].message
    assert "1000000000.000001" in str(report).splitlines()[0]


@pytest.mark.parametrize(
    ("low", "high", "dtype", "told"),
    [
        (1e6, 1e6 + 0.5, "float32", True),
        (1e6 - 20, 1e6 + 30, "float32", False),
        (100, 103, "bfloat16", True),
        (0.5, 1.5, "bfloat16", False),
    ],
)
def test_few_numbers_of_the_training_are_told_of(low, high, dtype, told):
    report = check_loss(lambda x: (x - (low + high) / 2) ** 2, {"x": (low, high)}, dtype=dtype)
    assert any(f"{dtype} has about" in one.message for one in report.findings) is told


def test_a_gradient_within_a_loss_that_has_none_of_its_own_is_named():
    def penalty(w):
        x = torch.linspace(-0.7, 0.9, 4, dtype=w.dtype).requires_grad_()
        (slope,) = torch.autograd.grad((w * x**2).sum(), x)
        return ((slope - 1) ** 2).mean()

    def backwards(w):
        x = torch.linspace(-0.7, 0.9, 4, dtype=w.dtype).requires_grad_()
        (w * x**2).sum().backward()
        return ((x.grad - 1) ** 2).mean()

    assert "create_graph=True" in cuts_of(LossFunction(penalty, ("w",)), point(0.4)).action
    assert cuts_of(LossFunction(backwards, ("w",)), point(0.4)).constant == "backward"
    assert cuts_of(LossFunction(lambda w: w.detach() * w, ("w",)), point(0.4)).constant == ""


def test_a_divisor_that_only_touches_zero_does_not_change_its_sign():
    for loss, turns in ((lambda x: 1 / (x - 0.3), True), (lambda x: 1 / (x - 0.3) ** 2, False)):
        function = LossFunction(loss, ("x",))
        function.values(point(0.1, 0.2)[:, None])
        assert divisor_turns(function, point(0.3), torch.tensor([[-1.0, 1.0]], dtype=torch.float64)) is turns


def test_a_divisor_that_is_zero_at_an_edge_of_the_view_does_not_go_through_it():
    function = LossFunction(lambda h: torch.atan(1 / h), ("h",))
    function.values(point(0.1, 0.2)[:, None])
    for low, turns in ((-4.0, True), (0.0, False)):
        assert divisor_turns(function, point(0.0), torch.tensor([[low, 4.0]], dtype=torch.float64)) is turns


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("tolist", lambda w, x: torch.tensor((w * x).tolist()).sum()),
        ("item", lambda w, x: (w * x.sum()).item()),
        ("float()", lambda w, x: float(w)),
        ("torch.tensor(…)", lambda w, x: torch.tensor([w, 2 * w]).sum()),
        ("detach or no_grad", lambda w, x: w.detach() * x.mean().item()),
    ],
)
def test_what_makes_numbers_of_the_parameters_is_named(name, part):
    x = torch.linspace(-1, 1, 5)
    cuts = cuts_of(LossFunction(lambda w: part(w, x) + w**2, ("w",)), point(0.4))
    assert cuts.sentence.startswith(f"{name} on the way cuts the gradient, in “(")
    assert ("Leave it a tensor" in cuts.action) is (name != "detach or no_grad")


def test_a_loss_that_gives_nothing_at_some_points_is_judged_at_the_others():
    report = check_loss(lambda x: (x - 0.4) ** 2 if x < 1.2 else None, {"x": (-1, 2)}, resolution=11)
    found = first_of(report, "non_finite")
    assert "returned nothing" in found.message and "NaN" not in found.message and found.where[0] > 1.2
    assert any(row.input_name == "converged" and abs(row.inputs["x"] - 0.4) < 0.05 for row in report.rows)


def test_a_loss_that_raises_at_most_points_is_judged_at_the_others_and_one_that_always_does_is_refused():
    def narrow(x):
        if not 1.31 < x < 1.42:
            raise ValueError("not bracketed")
        return (x - 1.37) ** 2

    found = first_of(check_loss(narrow, {"x": (-1, 2)}, resolution=9), "non_finite")
    assert "not bracketed" in found.message
    with pytest.raises(LossError, match="not bracketed"):
        check_loss(narrow, {"x": (-1, 1)}, resolution=9)


def test_numbers_of_numpy_and_tensors_of_one_number_are_numbers():
    t = torch.tensor
    report = check_loss(
        bowl,
        {"a": (t(-2.0), np.float32(3)), "b": np.array([-2.0, 3.0])},
        probes={"start": (t(1.5), np.int64(2))},
        target=(t(1.0), np.float64(0.3)),
        resolution=11,
    )
    assert report.ok and report.grid.axes == AXES
    assert report.rows[0].inputs == {"a": 1.5, "b": 2.0}


@pytest.mark.parametrize("factor", [-2.0, 0.0])
def test_directions_on_one_line_are_refused(factor):
    first = torch.eye(2)
    with pytest.raises(ValueError, match=r"parallel|leads nowhere"):
        check_loss(lambda z: (z**2).sum(), AXES, directions={"a": first, "b": factor * first})


def test_notes_are_cut_between_words_and_name_what_has_changed():
    def talkative(x, _calls=[]):  # noqa: B006 that is what is to be seen
        _calls.append(1)
        print("it is a very long line that somebody prints at every call and that is cut somewhere")
        return x**2 * len(_calls)

    notes = check_loss(talkative, {"x": (-1.0, 2.0)}, resolution=11).grid.notes
    assert any("calls of the defaults" in note for note in notes)
    assert any("every call…')" in note for note in notes)


def test_data_that_are_zero_or_a_mask_are_named_with_their_place():
    time = torch.tensor([1.3, 0.7, 0.0, 2.9])

    def weibull(k, scale, time):
        return -(torch.log(k) + (k - 1) * torch.log(time / scale) - (time / scale) ** k).mean()

    def masked(a, b, mask):
        return (torch.stack([a, b]) + mask).logsumexp(-1).sum()

    found = first_of(check_loss(weibull, {"k": (0.3, 2), "scale": (0.5, 3)}, fixed={"time": time}), "non_finite")
    assert "time[2] is 0" in found.message
    mask = torch.tensor([[0.0, -math.inf], [-math.inf, -math.inf]])
    found = first_of(check_loss(masked, AXES, fixed={"mask": mask}, resolution=11), "non_finite")
    assert "mask[1] is minus infinite all along" in found.message
