"""Shapes of which a loss of torch makes pairs are a fault, with both shapes and the cure; meant pairs are none."""

import pytest
import torch
from torch.nn import functional as F

from gradwidgets import check_loss

X = torch.tensor([-2.0, -1.0, 0.5, 1.0, 2.0, -0.5])
VIEW = {"w": (-4.0, 4.0), "b": (-4.0, 4.0)}


def column(w, b):
    return F.mse_loss((w * X + b).unsqueeze(1), 2 * X + 1)


def column_of_targets(w, b):
    return torch.nn.SmoothL1Loss()(input=w * X + b, target=(2 * X + 1)[:, None])


def nearest_pairs(w, b):
    return F.l1_loss((w * X + b)[:, None], 2 * X + 1, reduction="none").min(1).values.mean()


def one_target_for_all(w, b):
    return F.mse_loss(w * X + b, torch.tensor(1.0))


def checked(loss, **keywords):
    return check_loss(loss, VIEW, resolution=15, **keywords)


def test_shapes_that_make_pairs_are_named_with_what_comes_of_them_and_nothing_else_is_blamed():
    report = checked(column, target=(2.0, 1.0))
    (finding,) = report.findings
    shapes = "an input of shape (6, 1) against a target of shape (6,) broadcasts to (6, 6)"
    assert finding.message.startswith(f"mse_loss: {shapes}")
    assert "input.squeeze(-1), or target.unsqueeze(-1)" in finding.action
    assert not any("Using a target size" in note for note in report.grid.notes)


def test_a_column_of_targets_is_the_one_to_squeeze():
    (finding,) = checked(column_of_targets).findings
    assert finding.name == "broadcast" and "target.squeeze(-1)" in finding.action


@pytest.mark.parametrize("loss", [nearest_pairs, one_target_for_all])
def test_shapes_that_are_meant_are_not_blamed(loss):
    assert "broadcast" not in {one.name for one in checked(loss).findings}
