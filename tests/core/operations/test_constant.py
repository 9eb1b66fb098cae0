"""Why a loss is the same everywhere."""

import pytest
import torch

from gradwidgets import check_loss
from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.operations.zeros import why_constant

NOTHING, SOME = torch.zeros(4), torch.tensor([0.0, 1.0, 0.0, 1.0])


def dice(a, y):
    p = torch.sigmoid(a * torch.ones(4))
    return 1 - 2 * (p * y).sum() / (p.sum() + y.sum())


def why(loss, **fixed):
    function = LossFunction(loss, ("a",), fixed)
    function.values(torch.tensor([[0.11], [0.23]], dtype=torch.float64))
    return why_constant(function, torch.tensor([0.4], dtype=torch.float64))


@pytest.mark.parametrize(
    ("loss", "fixed", "said", "action"),
    [
        (dice, {"y": NOTHING}, "y is 0 all over", "smooth the numerator"),
        (lambda a, w: (w * a**2).mean(), {"w": NOTHING}, "w is 0 all over", "leave them out"),
        (lambda a: (torch.zeros(3) * a).sum(), {}, "of shape (3) is 0", "leave them out"),
        (lambda a: 0 * a, {}, "multiplied by 0", "switches its term off"),
        (lambda a: torch.relu(a - 9), {}, "relu lets no gradient through", "leaky_relu"),
        (lambda a: torch.relu(a - 9) + 0 * a, {}, "relu lets no gradient through", "leaky_relu"),
        (lambda a: torch.sign(a - 9), {}, "", "Look for what makes it so"),
    ],
    ids=("dice", "weight", "nameless", "number", "relu", "relu and 0", "unknown"),
)
def test_it_is_told_what_multiplies_the_parameters_away(loss, fixed, said, action):
    sentence, cure = why(loss, **fixed)
    assert said in sentence and action in cure


def test_data_that_are_0_here_and_there_are_not_blamed():
    assert "0 all over" not in why(dice, y=SOME)[0]
    assert check_loss(dice, {"a": (-3.0, 3.0)}, fixed={"y": SOME}, resolution=11).findings[0].name != "dead_zone"


def test_in_a_view_that_is_too_narrow_to_tell_nothing_is_said_of_the_loss():
    found = check_loss(lambda a: (a - 1) ** 2, {"a": (0.0, 1e-300)}).findings
    assert [one.name for one in found] == ["precision"]
    assert "no two numbers" in found[0].message and "scale a" in found[0].action
