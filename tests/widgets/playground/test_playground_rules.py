"""Another rule than SGD in the playground: its own settings, its own controls, the same answers as the core's."""

import contextlib
from dataclasses import fields

import pytest
import torch
from traitlets import TraitError

from gradwidgets import OptimizerPlayground
from gradwidgets.core import OPTIMIZERS, descend
from gradwidgets.widgets.playground.rules import declared
from tests.core.judge import torch_line, torch_run
from tests.widgets.fake_page import choose, send
from tests.widgets.inside import settled, words_of

X, Y = [0.0, 1.0, 2.0, 4.0], [1.0, 2.5, 3.0, 6.0]


def seen(playground):
    return {name for name in declared() if playground.controls[name].layout.display != "none"}


@pytest.mark.parametrize("rule", list(OPTIMIZERS))
def test_each_rule_shows_its_own_controls_and_runs_as_in_the_core(playground, rule):
    playground.optimizer = rule
    assert playground.error == ""
    assert seen(playground) == {field.name for field in fields(OPTIMIZERS[rule])}
    optimizer = OPTIMIZERS[rule](**{field.name: getattr(playground, field.name) for field in fields(OPTIMIZERS[rule])})
    for name, run in playground.trajectories.items():
        objective = settled(playground).objectives[name]
        assert run == descend(objective, optimizer, playground.start, playground.steps)


def test_a_choice_on_the_page_is_torchs_adam(playground, page):
    choose(playground.controls["optimizer"].menu, "Adam")
    page.answer()
    send(playground.controls["betas"].fields[0], value=0.5)
    send(playground.controls["amsgrad"].box, value=True)
    page.answer()
    assert (playground.optimizer, playground.betas, playground.amsgrad) == ("Adam", (0.5, 0.999), True)
    assert "torch.optim.Adam([point], lr=0.1, betas=(0.5, 0.999), amsgrad=True)" in playground.code()
    sample = settled(playground).objectives["L1"].sample
    line, start = torch_line(sample.x, sample.y, "L1"), torch.tensor([6.0, -3.0], dtype=torch.float64)
    points, _, _ = torch_run(line, start, 100, rule="Adam", lr=0.1, betas=(0.5, 0.999), amsgrad=True, foreach=False)
    assert torch.equal(playground.trajectories["L1"].points, points)


@pytest.mark.parametrize("betas", [(1.0, 0.9), (0.9, -0.1), (0.9,), 0.9, "no"])
def test_betas_that_cannot_be_are_refused_and_nothing_is_lost(playground, betas):
    playground.optimizer = "Adam"
    with pytest.raises(TraitError, match="betas must be two numbers from 0 to below 1"):
        playground.betas = betas
    assert playground.betas == (0.9, 0.999)
    playground.betas = (0.8, 0.99)
    assert playground.error == ""


def test_a_wrong_rule_is_answered_with_the_right_ones(playground):
    with pytest.raises(TraitError, match="optimizer must be one of 'SGD', 'Adam'; got 'Adm'"):
        playground.optimizer = "Adm"
    assert playground.optimizer == "SGD"


def test_a_rule_brings_a_learning_rate_in_place_of_one_that_nobody_chose():
    with contextlib.closing(OptimizerPlayground(objective="rosenbrock", steps=10)) as playground:
        usual = playground.lr
        playground.optimizer = "Adam"
        assert playground.lr == 0.1 > usual
        playground.lr = 0.02
        playground.optimizer = "SGD"
        assert playground.lr == 0.02


def test_words_say_that_adam_has_no_limit_and_a_step_of_it_adds_up(playground):
    playground.optimizer = "Adam"
    assert "MSE: still moving after 100 steps" in playground.summary
    assert "no fixed limit: Adam divides every step by the size of its gradients" in playground.summary
    assert playground.stability["MSE"].lr_limit is None
    playground.step = 5
    assert "gradient / √v" in words_of(playground) and "−lr·gradient" not in words_of(playground)
    assert "MSE: gradient (−0.0202, 0.0203) + momentum (−0.0791, 0.0791) = step (−0.0993, 0.0994)" in playground.summary


def test_a_state_brings_the_rule_back_and_a_preset_is_sgds(playground):
    playground.restore({"optimizer": "Adam", "betas": [0.5, 0.9], "lr": 0.3})
    state = playground.state()
    playground.reset()
    assert playground.optimizer == "SGD"
    playground.restore(state)
    assert (playground.optimizer, playground.betas, playground.lr) == ("Adam", (0.5, 0.9), 0.3)
    assert playground.controls["preset"].menu.value == ""
    assert repr(playground) == "OptimizerPlayground(betas=(0.5, 0.9), lr=0.3, optimizer='Adam')"


def test_a_playground_made_with_adam_starts_so():
    with contextlib.closing(OptimizerPlayground(X, Y, optimizer="Adam", steps=300, losses="MSE")) as playground:
        assert "betas" in seen(playground) and "momentum" not in seen(playground)
        assert playground.trajectories["MSE"].losses[-1] < 0.3
