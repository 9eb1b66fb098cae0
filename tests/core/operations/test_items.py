"""The item of the data that makes something undefined is named by its tensor, its index and its value."""

import pytest
import torch

from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.operations.non_finite import blame

ROWS = torch.tensor([[1.0, 2.0], [0.0, 0.0], [3.0, 1.0]])
SIZES = torch.tensor([2.0, 0.0])
CUBE = torch.ones(2, 3, 2).index_fill(1, torch.tensor([1]), 0.0)


def blamed(loss, fixed=None):
    function = LossFunction(loss, ("x",), fixed)
    point = torch.tensor([0.37], dtype=torch.float64)
    function.values(point[None])
    return blame(function, point)


@pytest.mark.parametrize(
    ("loss", "item"),
    [
        (lambda x: (x / SIZES).sum(), "SIZES[1] is 0"),
        (lambda x: (x * ROWS / ROWS.norm(dim=1, keepdim=True)).sum(), "ROWS[1] is 0 all along"),
        (lambda x: (x / CUBE.sum((0, 2))).sum(), "CUBE[:, 1] is 0 all along"),
        (lambda x: (x * torch.log(SIZES)).sum(), "SIZES[1] is 0"),
        (lambda x: (x * torch.atanh(ROWS[0] / 2)).sum(), "; ROWS"),
    ],
)
def test_the_item_is_named(loss, item):
    said = blamed(loss).sentence
    assert item in said if item.startswith(("SIZES", "ROWS", "CUBE")) else item not in said


def test_a_tensor_in_fixed_is_named_as_well():
    assert "y[1] is 0" in blamed(lambda x, y: (x / y).sum(), {"y": SIZES}).sentence


def test_a_divisor_made_of_parameters_tells_where_it_is_0():
    found = blamed(lambda x: (x / torch.stack([x, x - x, x])).sum())
    assert "0 in part, [1] of shape (3)" in found.sentence


def test_a_number_that_alone_is_to_blame_is_named_and_no_other():
    found = blamed(lambda x, power, weight: weight * (x**power - 1) / power, {"power": 0.0, "weight": 2.0})
    assert "power is 0" in found.sentence and "weight" not in found.sentence and "limit" in found.action


def test_data_without_a_0_are_not_named():
    assert "SIZES" not in blamed(lambda x: (x * SIZES).sum() / (x - x)).sentence
