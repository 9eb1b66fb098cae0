"""Bad input: a clear sentence, nothing lost, the next change works."""

import gc
import math

import numpy as np
import pandas as pd
import pytest
import torch
from ipywidgets.widgets import widget as registry
from traitlets import TraitError

from gradwidgets import OptimizerPlayground
from gradwidgets.core import DATASETS, OBJECTIVES
from tests.widgets.playground.test_playground import assert_up_to_date

SETTINGS = [
    ("lr", -1e-9, "0"), ("lr", math.nan, "nan"), ("lr", math.inf, "inf"), ("lr", "0.1", "'0.1'"), ("lr", None, "None"),
    ("lr", 1e300, "1e"), ("momentum", -0.1, "0"), ("momentum", math.nan, "nan"), ("momentum", 1e6, "10"),
    ("dampening", 2, "1"), ("dampening", -1, "0"), ("weight_decay", -1, "0"), ("weight_decay", [1], "[1]"),
    ("steps", -1, "100,000"), ("steps", 100_001, "100,000"), ("steps", 1.5, "whole"), ("steps", "all", "whole"),
    ("start", (math.nan, 0), "finite"), ("start", (1, math.inf), "finite"), ("start", 3, "two"),
    ("start", (1, 2, 3), "two"), ("start", "ab", "two"), ("start", (1e300, 0), "1e150"),
    ("losses", "L2", "'SmoothL1'"), ("losses", (), "'MSE'"), ("losses", ["MSE", "Hinge"], "'Huber'"),
    ("delta", 0, "above 0"), ("delta", -1, "above 0"), ("beta", -0.1, "0"), ("dataset", "iris", "'anscombe I'"),
    ("dataset", "yours", "'article'"), ("dataset", 3, "'hubble 1929'"), ("nesterov", "yes", "True or False"),
    ("maximize", "yes", "True or False"), ("arrows", None, "True or False"), ("step", -1, "0"), ("step", 1.5, "whole"),
    ("theme", "pink", "'dark'"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "allowed"), SETTINGS, ids=lambda v: repr(v)[:20])
def test_a_refused_setting_names_itself_and_changes_nothing(playground, name, value, allowed):
    before, words, runs = playground.state(), playground.summary, playground.trajectories
    with pytest.raises(TraitError) as refusal:
        setattr(playground, name, value)
    message = str(refusal.value)
    assert name in message and allowed in message and repr(value)[:20] in message
    assert playground.state() == before and playground.summary == words
    assert all(playground.trajectories[loss] is run for loss, run in runs.items())
    playground.lr = 0.2
    assert playground.error == "" and playground.summary != words
    assert_up_to_date(playground)


def test_an_unknown_dataset_lists_the_right_ones(playground):
    with pytest.raises(TraitError) as refusal:
        playground.dataset = "iris"
    assert all(repr(name) in str(refusal.value) for name in (*DATASETS, *OBJECTIVES))


EXTREMES = [
    {"lr": 0}, {"lr": 1e6}, {"momentum": 1}, {"momentum": 1.5}, {"momentum": 10, "lr": 1e6}, {"steps": 0}, {"steps": 1},
    {"steps": 0, "step": 0}, {"start": (1e12, -1e12)}, {"start": (500, 500)}, {"delta": 1e-300}, {"delta": 1e6},
    {"beta": 0}, {"beta": 1e-300}, {"weight_decay": 1e6}, {"dampening": 1, "momentum": 0.9}, {"lr": 1e-300},
    {"maximize": True, "lr": 1e6}, {"steps": 100_000, "lr": 50, "losses": ("MSE",)},
]  # fmt: skip


@pytest.mark.parametrize("settings", EXTREMES, ids=str)
def test_an_extreme_setting_is_a_result(playground, settings):
    playground.restore(settings)
    assert playground.error == "" and len(playground.summary.splitlines()) >= len(playground.losses)
    assert playground.png()[:4] == b"\x89PNG"
    playground.reset()
    assert playground.error == ""
    assert_up_to_date(playground)


DATA = {
    "different lengths": ([1, 2], [1, 2, 3], ValueError, "same length; got 2 and 3"),
    "empty": ([], [], ValueError, "x is empty"),
    "NaN in x": ([1, math.nan], [1, 2], ValueError, "x must be finite"),
    "infinity in y": ([1, 2], [1, math.inf], ValueError, "y must be finite"),
    "two columns": (np.ones((3, 2)), [1, 2, 3], ValueError, r"x must be one-dimensional.*\(3, 2\)"),
    "a number": (1.0, 2.0, (TypeError, ValueError), "x must be"),
    "text": ("abc", [1, 2, 3], TypeError, "x must be a sequence of numbers"),
    "texts": ([1, 2], ["a", "b"], TypeError, "y must be a sequence of numbers.*'a'"),
    "a table": (pd.DataFrame({"x": [1.0, 2.0]}), [1, 2], ValueError, "x must be one-dimensional"),
    "missing values": (pd.Series([1, None, 3]), [1, 2, 3], ValueError, "x must be finite"),
    "complex": (torch.ones(2, dtype=torch.complex64), [1, 2], TypeError, "x must be real"),
    "only x": ([1, 2], None, ValueError, "y is missing"),
    "only y": (None, [1, 2], ValueError, "x is missing"),
}


@pytest.mark.parametrize(("x", "y", "kind", "words"), DATA.values(), ids=DATA)
def test_data_that_cannot_be_fitted_are_refused_in_words(x, y, kind, words):
    before = len(registry._instances)
    with pytest.raises(kind, match=words):
        OptimizerPlayground(x, y)
    gc.collect()
    assert len(registry._instances) == before


ODD_DATA = {
    "one point": ([2.0], [3.0]),
    "constant x": ([1.5, 1.5, 1.5], [1.0, 2.0, 4.0]),
    "constant y": ([1.0, 2.0, 3.0], [4.0, 4.0, 4.0]),
    "all zero": ([0.0, 0.0], [0.0, 0.0]),
    "huge x": ([1e30, 2e30, 3e30], [1.0, 2.0, 4.0]),
    "huge y": ([1.0, 2.0, 3.0], [1e30, 2e30, 4e30]),
    "huge both": ([1e30, 2e30, 3e30], [1e30, 2e30, 4e30]),
    "tiny": ([1e-30, 2e-30, 3e-30], [1e-30, 2e-30, 4e-30]),
    "far off": ([1e9, 1e9 + 1, 1e9 + 2], [1.0, 2.0, 3.0]),
    "an outlier": ([1.0, 2.0, 3.0], [1.0, 2.0, 1e12]),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("x", "y"), ODD_DATA.values(), ids=ODD_DATA)
def test_odd_data_are_fitted(make, x, y):
    playground = make(x, y, steps=20)
    assert playground.error == "" and len(playground.summary.splitlines()) == 4
    assert "nan" not in playground.summary.lower()
    assert playground.png()[:4] == b"\x89PNG"
    playground.momentum = 0.5
    playground.step = 3
    assert playground.error == ""


PROBLEMS = {
    "an unknown name": ("rosenbruck", ValueError, "rosenbrock"),
    "a number": (3, TypeError, "must be a function"),
    "three arguments": (lambda a, b, c: a, TypeError, "a, b, c"),
    "raises": (lambda a, b: 1 / 0, ValueError, "ZeroDivisionError: division by zero"),
    "a wrong shape": (lambda a, b: (a + b).sum(), ValueError, r"shape \(\)"),
    "None": (lambda a, b: None, ValueError, "NoneType"),
    "a number for all": (lambda a, b: 1.0, ValueError, "float 1.0"),
    "no gradient": (lambda a, b: (a * b).detach(), ValueError, "no gradient"),
    "a constant": (lambda a, b: torch.ones(a.shape), ValueError, "no gradient"),
    "complex": (lambda a, b: torch.complex(a, b), ValueError, "real values"),
}


@pytest.mark.parametrize(("objective", "kind", "words"), PROBLEMS.values(), ids=PROBLEMS)
def test_an_objective_that_is_none_is_refused_in_words_and_leaves_nothing(objective, kind, words):
    before = len(registry._instances)
    with pytest.raises(kind, match=words):
        OptimizerPlayground(objective=objective)
    gc.collect()
    assert len(registry._instances) == before


STRANGE = {
    "NaN": lambda a, b: a * math.nan,
    "log": lambda a, b: torch.log(a) + b,
    "infinite": lambda a, b: (a + b) * math.inf,
    "flat": lambda a, b: a * 0 + b * 0,
    "huge": lambda a, b: (a**2 + b**2) * 1e300,
    "tiny": lambda a, b: 1e-300 * (a + b),
    "of low precision": lambda a, b: a.float() + b.half(),
}


@pytest.mark.parametrize("objective", STRANGE.values(), ids=STRANGE)
def test_an_objective_of_strange_values_is_shown(make, objective):
    playground = make(objective=objective, steps=10)
    assert playground.error == "" and playground.summary
    assert playground.png()[:4] == b"\x89PNG"
    playground.restore({"arrows": True, "step": 2})
    playground.lr = 0.05
    assert playground.error == ""


def test_data_and_an_objective_exclude_each_other():
    with pytest.raises(ValueError, match="not both"):
        OptimizerPlayground([1.0], [2.0], objective="beale")


def test_an_unknown_keyword_lists_the_right_ones():
    with pytest.raises(TypeError, match="learning_rate") as refusal:
        OptimizerPlayground(learning_rate=1)
    assert all(name in str(refusal.value) for name in OptimizerPlayground.settings())


@pytest.mark.parametrize("wrong", [{"lr": -1}, {"dataset": "iris"}, {"start": (math.nan, 0)}, {"steps": 1.5}], ids=str)
def test_a_refused_keyword_leaves_nothing_behind(wrong):
    before = len(registry._instances)
    with pytest.raises(TraitError, match=next(iter(wrong))):
        OptimizerPlayground(**wrong)
    gc.collect()
    assert len(registry._instances) == before


def test_a_setting_misspelt_is_refused_and_names_the_right_ones(playground):
    with pytest.raises(AttributeError, match=r"no setting 'lrr'; it has .*lr, "):
        playground.lrr = 3
    assert not hasattr(playground, "lrr")
