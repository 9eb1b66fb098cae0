"""What is said of values that are not finite is so: the places, the shares, the operations and what led to them."""

import re

import pytest
import torch

from gradwidgets import check_loss
from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.operations.non_finite import blame


def told(loss, axes, **keywords):
    return next(one for one in check_loss(loss, axes, **keywords).findings if one.name == "non_finite")


def blamed(loss, at):
    function = LossFunction(loss, ("x",))
    function.values(torch.tensor([[0.11], [0.23]], dtype=torch.float64))
    return blame(function, torch.tensor([at], dtype=torch.float64))


def correlated(b):
    one = torch.ones_like(b)
    return -torch.logdet(torch.stack([torch.stack([one, b], -1), torch.stack([b, one], -1)], -2))


@pytest.mark.parametrize(
    ("loss", "low", "high", "kind"),
    [
        (correlated, -2.0, 2.0, torch.isnan),
        (lambda b: torch.log(1 - b * b), -2.0, 2.0, torch.isnan),
        (lambda b: torch.exp(-b * 1000), -2.5, 0.2, torch.isinf),
    ],
)
def test_at_the_place_as_it_is_printed_it_is_so(loss, low, high, kind):
    found = told(loss, {"b": (low, high)})
    printed = float(re.search(r"b (−?[\d.]+(e−?\d+)?)", found.message)[1].replace("−", "-"))
    assert bool(kind(loss(torch.tensor(printed, dtype=torch.float64))))
    assert found.where == (printed,)


def test_of_loss_and_gradient_both_shares_are_told():
    found = told(lambda m: -torch.log(torch.exp(-0.5 * m**2)), {"m": (-60.0, 60.0)})
    whole, loss, gradient = (float(share) for share in re.findall(r"([\d.]+) %", found.message))
    assert loss + gradient == pytest.approx(whole, abs=0.1) and loss > 30 * gradient / 2
    assert "35" in found.message and "the loss is infinite" in found.message


def test_a_cure_of_float64_and_of_the_training_is_said_once():
    found = check_loss(lambda m: -torch.log(torch.exp(-0.5 * m**2)), {"m": (-60.0, 60.0)}).findings
    actions = {one.name: one.action for one in found}
    assert "logsumexp" in actions["non_finite"] and "float64" not in actions["non_finite"]
    assert actions["precision"] == "What mends it in float64 mends it here too."


def test_of_the_gradient_alone_it_is_said_alone():
    message = told(lambda x: torch.where(x > 0, x**1.5, -x), {"x": (-2.0, 2.0)}).message
    assert "only the gradient" in message and "the loss itself" not in message


@pytest.mark.parametrize(
    ("loss", "words", "unsaid"),
    [
        (lambda x: x / x.abs().detach(), "and detached", "whatever"),
        (lambda x: x / (x > 2).sum(), "of a count that is 0", "whatever"),
        (lambda x: x / torch.zeros(1, dtype=x.dtype), "whatever the parameters are", "detached"),
        (lambda x: x / x.abs(), "from finite numbers", "detached"),
    ],
    ids=("detached", "count", "constant", "plain"),
)
def test_divisors_are_told_apart(loss, words, unsaid):
    said = blamed(loss, 0.0).sentence
    assert words in said and unsaid not in said


def test_infinities_that_meet_are_not_one_branchs_doing():
    said = blamed(lambda x: torch.acos(torch.cos(x) * 0.6 + torch.sin(x) * 0.8), 0.9272952180016122).sentence
    assert "∞ − ∞" in said and "cos then" not in said


def test_all_that_is_steep_in_the_other_branch_is_named_the_first_of_the_way_first():
    culprit = blamed(lambda x: torch.where(x > 0, torch.log(x) / torch.sqrt(x), x), 0.0)
    assert "log and sqrt and div" in culprit.sentence or "sqrt and log and div" in culprit.sentence
    assert "torch.where(taken, x, 1)" in culprit.action


@pytest.mark.parametrize(
    ("loss", "at", "words"),
    [
        (lambda x: 1 / (1 + torch.exp(x)) + torch.where(x > 0, x, -x), 800.0, "backward of exp"),
        (lambda x: torch.where(x >= 0, torch.sqrt(x * x), x), 0.0, "backward of sqrt"),
    ],
    ids=("beside", "taken"),
)
def test_a_choice_that_hides_nothing_is_not_blamed(loss, at, words):
    culprit = blamed(loss, at)
    assert culprit.operation != "where" and words in culprit.sentence


@pytest.mark.parametrize(
    ("loss", "at", "lost", "words"),
    [
        (lambda x: -torch.log(torch.exp(-x)), 800.0, "exp underflows", "logsumexp"),
        (lambda x: -torch.log(1 - torch.sigmoid(x)), 50.0, "1 − sigmoid is rounded to 0", "logsigmoid(−x)"),
        (lambda x: -torch.log(torch.erfc(x)), 35.0, "erfc underflows", "erfcx"),
        (lambda x: -torch.log(x * x), 0.0, "log makes it", "Clamp"),
    ],
)
def test_what_has_lost_a_number_is_named_and_a_true_zero_is_nobodys(loss, at, lost, words):
    culprit = blamed(loss, at)
    assert lost in culprit.sentence and words in culprit.action
    assert ("underflows" in culprit.sentence) == ("underflows" in lost)


def test_torch_where_is_blamed_only_where_it_does_not_take_the_branch():
    taken = blamed(lambda x: torch.where(x < 1, torch.sqrt(x.abs()), x), 0.0)
    assert (
        taken.operation == "sqrt"
        and "torch.where takes that branch"
        in taken.sentence + blamed(lambda x: torch.where(x < 1, torch.sqrt(x), x), 0.0).sentence
    )
    hidden = blamed(lambda x: torch.where(x > 0, torch.sqrt(x.clamp(min=0)), x), -0.5)
    assert hidden.operation == "where" and hidden.steep == ("sqrt",)


@pytest.mark.parametrize(
    "shaped",
    [lambda v: v, lambda v: v.reshape(2, 2).T, lambda v: torch.stack([v, v + 1]), lambda v: v[None].expand(3, 4)],
)
def test_an_element_is_told_from_the_others_whatever_shape_it_has(shaped):
    def loss(x, weights):
        v = shaped(torch.stack([x, x + 1, x + 2, x - 3]))
        root = torch.where(v < 1, torch.sqrt((v - 0.5).abs()), v)
        return (root * weights).sum()

    for weight in (0.0, 1.0):  # a gradient that is 0 for another reason is no doing of where's
        found = blamed(lambda x, weight=weight: loss(x, weight), 0.5)
        assert found.operation == "sqrt" and "add a small eps" in found.action.lower()
