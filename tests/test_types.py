"""What the annotations promise to somebody's type checker: `make lint` compares it, and here it is run."""

from typing import assert_type

import pytest
import torch
from torch import Tensor, nn

import gradwidgets
from gradwidgets.core import (
    SGD,
    LayerFlow,
    Outcome,
    Stability,
    Trajectory,
    as_objective,
    descend,
    gradient_noise_scale,
    hessian_spectrum,
    layer_flow,
    outcome,
    quadratic,
    regression,
    script,
    stability,
)
from gradwidgets.core.objectives.objective import Objective
from gradwidgets.core.regression.regression import Regression
from gradwidgets.core.spectra import NoiseScale, Spectrum


def test_a_descent_s_functions_say_what_they_return() -> None:
    run = descend(quadratic(), SGD(lr=0.1), (1.0, 1.0), 3)
    line = regression([0.0, 1.0, 2.0], [1.0, 3.0, 5.0])
    assert isinstance(assert_type(run, Trajectory).losses, Tensor)
    assert isinstance(assert_type(outcome(run, quadratic()), Outcome), Outcome)
    assert isinstance(assert_type(stability(quadratic(), SGD(lr=0.1)), Stability), Stability)
    assert isinstance(assert_type(line, Regression), Objective)
    assert isinstance(assert_type(as_objective(lambda a, b: a * b), Objective), Objective)
    assert isinstance(assert_type(script({"line": line}, SGD(lr=0.1), (0.0, 0.0), 3), str), str)
    assert assert_type(run.diverged_at, int | None) is None
    assert assert_type(SGD(lr=1).lr, float) == 1.0


def test_what_looks_at_a_model_says_what_it_returns() -> None:
    model, x, y = nn.Linear(3, 1), torch.randn(9, 3), torch.randn(9, 1)
    loss = nn.MSELoss()
    assert isinstance(assert_type(layer_flow(model, x, y, loss), LayerFlow), LayerFlow)
    assert isinstance(assert_type(hessian_spectrum(model, x, y, loss), Spectrum), Spectrum)
    assert isinstance(assert_type(gradient_noise_scale(model, x, y, loss), NoiseScale), NoiseScale)
    assert isinstance(hessian_spectrum(model, x, y, loss).to_dict(), dict)


def test_lessons_are_names() -> None:
    assert all(isinstance(assert_type(name, str), str) for name in gradwidgets.lessons())


def test_what_is_refused_is_refused_by_a_type_checker_too() -> None:
    with pytest.raises(TypeError):
        descend(quadratic(), SGD(lr=0.1), (1.0, 1.0), "3")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        descend(quadratic(), SGD(lr=0.1), start=(1.0, 1.0))  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="Invalid learning rate"):
        SGD(lr="0.1")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        hessian_spectrum(len, torch.ones(1), None, nn.MSELoss())  # type: ignore[arg-type]
