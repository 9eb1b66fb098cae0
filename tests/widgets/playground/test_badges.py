"""How a descent ended, in a badge, and where lr's limit stands on its rail."""

from typing import ClassVar

import pytest

from gradwidgets import OptimizerPlayground
from gradwidgets.core import Objective
from gradwidgets.core.objectives.points import as_points
from gradwidgets.figures.base.style import LIGHT
from gradwidgets.widgets.playground.badges import badges, lr_limit
from tests.widgets.inside import settled


def ended(**settings):
    """The badges of a playground with these settings, by loss: title, number, severity."""
    shown = badges(settled(OptimizerPlayground(**settings)), LIGHT)
    return {one.name: (one.severity, one.title, one.number) for one in shown}


def test_each_loss_has_its_own_end():
    found = ended(lr=0.2, momentum=0.8)
    assert found["MSE"] == ("ok", "arrived", "step 61")
    assert found["L1"][:2] == ("warning", "oscillates") and found["L1"][2].startswith("± ")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"lr": 5.0}, ("error", "diverges")),
        ({"lr": 0.001}, ("info", "moving")),
        ({"steps": 0}, ("info", "not begun")),
        ({"lr": 0.0}, ("info", "stands still")),
    ],
)
def test_what_does_not_arrive_says_so(settings, said):
    assert ended(losses=("MSE",), **settings)["MSE"][:2] == said


class TwoValleys(Objective):
    """A double well along a, tilted, with a bowl along b."""

    name, parameters, start = "two valleys", ("a", "b"), (1.5, 0.5)
    view: ClassVar = {"a": (-2.0, 2.0), "b": (-2.0, 2.0)}
    minima = ((-1.0354, 0.0), (0.9601, 0.0))

    def __call__(self, points):
        a, b = as_points(points).unbind(-1)
        return (a**2 - 1) ** 2 + 0.3 * a + b**2


def test_an_end_in_a_higher_valley_is_not_called_arrived():
    playground = OptimizerPlayground(objective=TwoValleys(), lr=0.05, start=(1.5, 0.5), steps=300)
    (shown,) = badges(settled(playground), LIGHT)
    assert (shown.severity, shown.title, shown.number) == ("warning", "higher minimum", "+ 0.6")
    playground.start = (-1.5, 0.5)
    (shown,) = badges(settled(playground), LIGHT)
    assert (shown.severity, shown.title) == ("ok", "arrived")


def test_the_least_limit_is_named_and_stands_on_the_rail():
    playground = OptimizerPlayground(lr=0.2, momentum=0.8)
    value, words = lr_limit(playground.stability)
    assert value == pytest.approx(min(one.lr_limit for one in playground.stability.values() if one.lr_limit))
    assert words == "MSE stable up to 1.76"
    assert playground.page.limits == {"lr": playground.controls["lr"].share_of(value)}
    assert playground.controls["lr"].children[-1].value == words
    assert "gradwidgets-over" not in playground.controls["lr"]._dom_classes
    playground.lr = 2.0
    assert "gradwidgets-over" in playground.controls["lr"]._dom_classes


def test_without_a_limit_the_rail_is_whole():
    playground = OptimizerPlayground(losses=("L1",))
    assert lr_limit(playground.stability) is None and playground.page.limits == {}
    playground = OptimizerPlayground(optimizer="Adam")
    assert playground.page.limits == {}


def test_a_limit_beyond_the_rail_is_said_and_not_drawn():
    number = OptimizerPlayground().controls["lr"]
    assert number.share_of(1e9) is None and number.share_of(1e-9) is None
    assert number.share_of(float(number.stops[0])) == 0
    assert 0.49 < number.share_of(float(number.stops[len(number.stops) // 2])) < 0.51
