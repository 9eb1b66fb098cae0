"""Which term of a loss falls from one point to another."""

import pytest
import torch

from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.operations.falling import falling_term, slopes_of_terms

NEAR, FAR = torch.tensor([0.5, 0.4], dtype=torch.float64), torch.tensor([9.0, 7.0], dtype=torch.float64)


@pytest.mark.parametrize(
    ("loss", "operation", "of", "subtracted"),
    [
        (lambda a, b: (a - 1) ** 2 - b * 40, "", ("b",), True),
        (lambda a, b: torch.stack([a**2, -b.exp()]).mean(), "exp", ("b",), True),
        (lambda a, b: 0.1 * a**2 + (2 - 3 * (a * b)) / 2, "mul", ("a", "b"), True),
        (lambda a, b: 7 * torch.log(1 / (a + b)) + 0.1 * b, "log", ("a", "b"), False),
    ],
)
def test_the_term_that_falls_most_is_found(loss, operation, of, subtracted):
    function = LossFunction(loss, ("a", "b"))
    function.values(torch.stack([NEAR, FAR]))
    term = falling_term(function, NEAR, FAR)
    assert (term.operation, term.of, term.subtracted) == (operation, of, subtracted)


def test_of_a_loss_that_falls_nowhere_nothing_is_said():
    function = LossFunction(lambda a, b: a**2 + b**2, ("a", "b"))
    function.values(torch.stack([NEAR, FAR]))
    assert falling_term(function, NEAR, FAR) is None


def test_a_deep_computation_takes_no_time():
    def loss(a, b):
        for _ in range(300):
            a, b = a + 0.01 * torch.tanh(b), b + 0.01 * torch.tanh(a)
        return -torch.exp(torch.tanh(a)) - b

    function = LossFunction(loss, ("a", "b"))
    function.values(torch.stack([NEAR, FAR]))
    assert falling_term(function, NEAR, FAR) is not None


@pytest.mark.parametrize("axis", [0, 1])
def test_the_slopes_of_the_terms_are_those_of_autograd_and_add_up(axis):
    def loss(a, b):
        return 3 * a**2 - 2 * torch.exp(b) + 0.5 * b + torch.sin(a * b) / 4

    function = LossFunction(loss, ("a", "b"))
    function.values(torch.stack([NEAR, FAR]))
    terms = slopes_of_terms(function, NEAR, axis, 1e-5)
    assert sum(slope for _, slope in terms) == pytest.approx(float(function.values(NEAR[None]).gradient[0, axis]))
    exp = {term.name: slope for term, slope in terms}.get("exp of b")
    assert exp == (None if axis == 0 else pytest.approx(-2 * float(NEAR[1].exp())))
    assert terms[0][1] == max((slope for _, slope in terms), key=abs)
