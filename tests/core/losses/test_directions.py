"""Losses of whole tensors, looked at along directions in them."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradwidgets import assert_loss, check_loss

LABELS = torch.tensor([0, 2, 1])
FIRST = torch.tensor([[1.0, 0.0, -1.0]] * 3)
SECOND = torch.eye(3)
AXES = {"a": (-2.0, 2.0), "b": (-2.0, 2.0)}
ALONG = {"a": FIRST, "b": SECOND}


@pytest.mark.parametrize("base", [None, torch.tensor([[0.3, -0.2, 0.1]] * 3)], ids=["from zeros", "from somewhere"])
@pytest.mark.parametrize("loss", [functional.cross_entropy, nn.CrossEntropyLoss()], ids=["function", "module"])
def test_amounts_along_logits(loss, base):
    fixed = {"target": LABELS} if base is None else {"target": LABELS, "input": base}
    report = check_loss(loss, AXES, fixed=fixed, directions=ALONG, resolution=11)
    a, b = report.grid.points.reshape(-1, 2).unbind(-1)
    start = torch.zeros(3, 3, dtype=torch.float64) if base is None else base.double()
    logits = start + a[:, None, None] * FIRST.double() + b[:, None, None] * SECOND.double()
    logits.requires_grad_()
    losses = torch.stack([functional.cross_entropy(one, LABELS) for one in logits])
    (slopes,) = torch.autograd.grad(losses.sum(), logits)
    torch.testing.assert_close(report.grid.loss.flatten(), losses.detach())
    torch.testing.assert_close(report.grid.grad_x.flatten(), (slopes * FIRST).sum((1, 2)))
    torch.testing.assert_close(report.grid.grad_y.flatten(), (slopes * SECOND).sum((1, 2)))
    assert report.certificate.unchanged and report.grid.method == "vmap"


def test_a_fault_along_a_direction_is_named():
    def loss(probabilities):
        return -torch.log(probabilities).mean()

    half = torch.full((2, 2), 0.5)
    axes, one = {"a": (-1.0, 1.0)}, {"a": torch.tensor([[1.0, -1.0], [0.0, 0.0]])}
    report = check_loss(loss, axes, fixed={"probabilities": half}, directions=one)
    assert report.findings[0].name == "non_finite" and "log" in report.findings[0].message
    with pytest.raises(AssertionError, match="non_finite"):
        assert_loss(loss, axes, fixed={"probabilities": half}, directions=one)


@pytest.mark.parametrize(
    ("directions", "kind", "words"),
    [
        ([FIRST], TypeError, "must map each axis to a tensor"),
        ({"a": FIRST}, ValueError, "must name the axes, 'a', 'b'; got 'a'"),
        ({"a": FIRST, "b": SECOND[:2]}, ValueError, "of the same shape"),
        ({"a": FIRST.long(), "b": SECOND}, ValueError, "floating point"),
    ],
)
def test_directions_that_are_none_are_refused(directions, kind, words):
    with pytest.raises(kind, match=words):
        check_loss(functional.cross_entropy, AXES, fixed={"target": LABELS}, directions=directions)


def test_which_tensor_is_moved_must_be_clear():
    with pytest.raises(ValueError, match="it may be 'input' or 'target': fix the others"):
        check_loss(functional.cross_entropy, AXES, directions=ALONG)


def test_of_two_tensors_that_fit_the_first_in_the_signature_is_moved_and_that_is_said():
    ones, zeros = torch.ones(3), torch.zeros(3)
    fixed = {"target": zeros, "input": ones}
    report = check_loss(functional.smooth_l1_loss, {"u": (-3.0, 1.0)}, fixed=fixed, directions={"u": ones})
    assert "input is moved along the directions" in report.grid.notes
    assert report.findings[0].where == pytest.approx((-1.0,), abs=1e-6)


def test_a_saddle_along_directions_says_nothing_of_what_lies_across_them():
    fixed = {"x": torch.tensor([0.5, 0.5, 3.0])}
    directions = {"a": torch.tensor([1.0, 1.0, 0.0]), "b": torch.tensor([1.0, -1.0, 0.0])}
    report = check_loss(
        lambda x: x[0] * x[1] + x[2] ** 2, {"a": (-2.0, 1.0), "b": (-1.0, 2.0)}, fixed=fixed, directions=directions
    )
    saddle = next(one for one in report.findings if one.name == "saddle")
    assert saddle.severity == "info" and "directions of x alone" in saddle.message


def test_a_loss_of_a_tensor_that_is_given_a_number_gets_a_hint():
    with pytest.raises(ValueError, match="move along directions in it"):
        check_loss(lambda logits: logits.softmax(1)[:, 0].mean(), {"logits": (-1.0, 1.0)})
