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
from tests.widgets.inside import explanations_in, settled, words_of

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
    with pytest.raises(TraitError, match=r"optimizer must be one of 'SGD', 'Adam', .*, 'ASGD'; got 'Adm'"):
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


@pytest.mark.parametrize("rule", list(OPTIMIZERS))
@pytest.mark.parametrize("before", ["SGD", "AdamW", "Adagrad", "ASGD"])
def test_a_rule_comes_with_its_own_defaults(before, rule):
    with contextlib.closing(OptimizerPlayground(X, Y, optimizer=before, steps=2)) as playground:
        playground.optimizer = rule
        own = {field.name: field.default for field in fields(OPTIMIZERS[rule]) if field.name != "lr"}
        assert {name: getattr(playground, name) for name in own} == own
        chosen = "" if rule == "SGD" else f"optimizer='{rule}', "
        assert repr(playground) == f"OptimizerPlayground({X}, {Y}, {chosen}steps=2)"


def test_what_somebody_changed_stays_and_what_nobody_did_goes_with_its_rule(playground):
    playground.weight_decay = 0.3
    playground.optimizer = "AdamW"
    assert playground.weight_decay == 0.3
    playground.weight_decay = 0.01
    playground.optimizer = "Adam"
    assert playground.weight_decay == 0
    playground.eps, playground.momentum = 1e-3, 0.9
    playground.optimizer = "Adagrad"
    playground.optimizer = "RMSprop"
    assert (playground.eps, playground.momentum, playground.alpha) == (1e-3, 0.9, 0.99)


def test_a_name_that_means_another_thing_is_another_setting(playground):
    playground.optimizer = "RMSprop"
    playground.alpha = 0.5
    playground.optimizer = "SGD"
    assert playground.alpha == 0.5  # kept for RMSprop
    playground.optimizer = "ASGD"
    assert playground.alpha == 0.75
    playground.alpha = 0.6
    playground.optimizer = "RMSprop"
    assert playground.alpha == 0.99
    assert "(RMSprop); how fast lr falls" in playground.controls["alpha"].field.tooltip


def test_a_choice_on_the_page_brings_the_defaults_too_and_a_state_wins(playground, page):
    choose(playground.controls["optimizer"].menu, "AdamW")
    page.answer()
    assert playground.weight_decay == 0.01
    playground.restore({"optimizer": "Adam", "weight_decay": 0.01})
    assert (playground.optimizer, playground.weight_decay) == ("Adam", 0.01)
    assert OptimizerPlayground(optimizer="AdamW", steps=1).weight_decay == 0.01
    assert OptimizerPlayground(optimizer="AdamW", steps=1, weight_decay=0).weight_decay == 0


def test_a_file_from_before_these_rules_opens_as_it_was(playground):
    before = {"optimizer": "Adam", "lr": 0.05, "betas": [0.8, 0.99], "eps": 1e-6, "weight_decay": 0.0, "momentum": 0.5}
    playground.optimizer = "AdamW"
    playground.restore(before | {"dampening": 0.0, "nesterov": False, "amsgrad": True, "maximize": False, "steps": 7})
    optimizer = OPTIMIZERS["Adam"](0.05, (0.8, 0.99), 1e-6, 0.0, True)
    assert playground.trajectories["MSE"] == descend(settled(playground).objectives["MSE"], optimizer, (6, -3), 7)


def test_a_locked_setting_stays_when_a_rule_is_chosen_on_the_page(playground, page):
    playground.lock = ["weight_decay"]
    choose(playground.controls["optimizer"].menu, "AdamW")
    page.answer()
    playground.lock = []
    assert (playground.optimizer, playground.weight_decay) == ("AdamW", 0.0)


def test_nesterov_rules_over_momentum_in_sgd_alone(playground):
    playground.momentum, playground.nesterov = 0.9, True
    playground.optimizer = "RMSprop"
    playground.momentum = 0.0
    assert playground.error == ""
    playground.optimizer = "SGD"
    assert (playground.momentum, playground.nesterov, playground.error) == (0.0, False, "")


@pytest.mark.parametrize("etas", [(1.0, 1.2), (0.0, 1.2), (0.5, 1.0), (0.5, 0.9)])
def test_etas_that_torch_refuses_are_refused(playground, etas):
    with pytest.raises(TraitError, match="etas must be a number between 0 and 1, and one above 1"):
        playground.etas = etas
    assert playground.etas == (0.5, 1.2)


@pytest.mark.parametrize("rule", list(OPTIMIZERS))
def test_a_rule_is_explained_and_its_step_adds_up_in_words(playground, rule):
    playground.optimizer, playground.step = rule, 3
    assert OPTIMIZERS[rule].own_part in words_of(playground)
    assert any(f"Step t of {rule}" in said for said in explanations_in(playground))
    assert f"torch.optim.{rule}([point], lr=" in playground.code()
    assert ("no fixed limit" in playground.summary) == (rule != "SGD")


@pytest.mark.parametrize("dataset", ["article", "rosenbrock", "beale", "himmelblau"])
@pytest.mark.parametrize("rule", list(OPTIMIZERS))
def test_a_rule_s_usual_learning_rate_does_not_diverge(rule, dataset):
    with contextlib.closing(OptimizerPlayground(dataset=dataset, optimizer=rule)) as playground:
        assert "diverged" not in playground.summary
        assert all(run.losses[-1] < run.losses[0] for run in playground.trajectories.values())


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
