"""Folds: what is rarely touched is behind a head, which says what was changed; the page alone opens them."""

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

from gradwidgets import LayerFlowPanel, OptimizerPlayground, SurfaceExplorer
from gradwidgets.core import LOSSES, OPTIMIZERS
from gradwidgets.widgets.controls import Looks, Maker
from gradwidgets.widgets.controls.folds import Head, brief
from gradwidgets.widgets.helps.layers_help import HELPS
from gradwidgets.widgets.layers.scene import VIEWS
from gradwidgets.widgets.panel.settings_panel import descendants


@pytest.fixture
def shown():
    panels = []

    def make_one(kind, **settings):
        panels.append(kind(**settings))
        return panels[-1]

    yield make_one
    for panel in panels:
        panel.close()


def heads(panel) -> dict[str, Head]:
    """The heads of the folds that can be seen, by what is written on them."""
    found = [one for one in descendants(panel) if isinstance(one, Head)]
    found = [one for one in found if "gradwidgets-fold" in one._dom_classes]
    return {one.description: one for one in found if "gradwidgets-empty" not in one._dom_classes}


def is_filled(head: Head) -> bool:
    return "gradwidgets-changed" in head._dom_classes


def test_folded_at_first_and_named_when_changed(shown):
    panel = shown(OptimizerPlayground)
    assert list(heads(panel)) == ["3 more", "delta, beta", "start, arrows"]
    assert not any(head.value or is_filled(head) for head in heads(panel).values())
    panel.weight_decay, panel.delta, panel.arrows = 2.0, 0.5, True
    assert list(heads(panel)) == ["weight_decay 2", "delta 0.5", "arrows"]
    assert all(is_filled(head) and not head.value for head in heads(panel).values())
    panel.reset()
    assert list(heads(panel)) == ["3 more", "delta, beta", "start, arrows"]


def test_what_is_unusual_when_it_is_made_is_open(shown):
    panel = shown(OptimizerPlayground, dampening=0.8, momentum=0.9)
    assert [head.value for head in heads(panel).values()] == [True, False, False]
    layers = shown(LayerFlowPanel, width=16, depth=3)
    assert heads(layers)["width 16"].value


def test_a_start_that_belongs_to_another_problem_is_no_change(shown):
    panel = shown(OptimizerPlayground)
    panel.dataset = "rosenbrock"
    assert "start, arrows" in heads(panel)
    panel.start = (1.0, -0.5)
    assert "start 1, −0.5" in heads(panel)


def test_another_optimizer_has_other_settings_to_fold(shown):
    panel = shown(OptimizerPlayground, optimizer="Adam")
    assert "5 more" in heads(panel)  # eps, weight_decay and whether it is decoupled, amsgrad, maximize


def test_a_fold_with_nothing_to_see_in_it_is_gone(shown):
    panel = shown(OptimizerPlayground, hide=["delta"])
    assert "beta" in heads(panel)
    panel.hide = ["delta", "beta"]
    assert list(heads(panel)) == ["3 more", "start, arrows"]
    panel.hide = []
    assert "delta, beta" in heads(panel)


def test_the_axes_of_another_loss_are_no_change(shown):
    panel = shown(SurfaceExplorer)
    for name in panel.controls["example"].menu.options[:3]:
        panel.example = name
        assert list(heads(panel)) == ["Ranges", "Grid"]
    panel.resolution = 31
    assert "resolution 31" in heads(panel)


def test_what_belongs_to_a_descent_comes_and_goes_with_it(shown):
    panel = shown(SurfaceExplorer)
    panel.descent = True
    assert list(heads(panel)) == ["Ranges", "Descent settings", "Grid"]
    panel.momentum = 0.9
    assert list(heads(panel)) == ["Ranges", "momentum 0.9", "Grid"]
    panel.descent = False
    assert list(heads(panel)) == ["Ranges", "Grid"]


def test_a_page_may_press_a_head_and_do_no_more_to_it(shown):
    head = heads(shown(OptimizerPlayground))["3 more"]
    head.set_state({"value": True})
    assert head.value
    head.set_state({"description": "mine"})
    head.set_state({"value": "wide"})
    assert head.value is True and head.description == "3 more"


def test_a_fold_leaves_out_what_has_no_meaning_for_a_model_of_yours(shown):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    panel = shown(LayerFlowPanel, model=model, inputs=torch.randn(8, 4), targets=torch.randn(8, 1), loss_fn=mse_loss)
    assert list(heads(panel)) == ["measure"]
    panel.architecture = "plain"
    assert list(heads(panel)) == ["width, batch, seed", "normalization", "measure"]


def test_brief():
    assert brief("lr", 0.12345) == "lr 0.123" and brief("start", (2.0, -1.0)) == "start 2, −1"
    assert (brief("maximize", True), brief("arrows", False)) == ("maximize", "no arrows")
    assert brief("dtype", "bfloat16") == "dtype bfloat16"


def test_a_question_mark_beside_a_heading_opens_what_its_group_is_about():
    make = Maker(Looks(), {})
    titled = make.group(make.number("lr", (0.1, 1.0)), title="Training", said="a <sup>b</sup>")
    heading, mark, card, lr = titled.children
    assert (heading.value, mark.tooltip, card.value, lr.name) == ("Training", "about training", "a <sup>b</sup>", "lr")
    led = make.group(make.number("momentum", (0.0, 1.0)), about="the ball", said="it rolls")
    assert led.children[0].name == "momentum" and led.children[1].tooltip == "about the ball"
    assert make.helps == {"training": card, "the ball": led.children[2]}
    assert len(make.group(make.number("lr", (0.1, 1.0)), title="Training").children) == 2


def test_every_group_is_explained():
    assert all(kind.formula for kind in OPTIMIZERS.values()) and all(one.formula for one in LOSSES.values())
    groups = {(name, first) for name, view in VIEWS.items() for first in view.headed}
    assert groups == set(HELPS)
