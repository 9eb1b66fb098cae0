"""The core under unusual settings: the numbers of the usual ones, or a refusal in a sentence, and all settings kept."""

import contextlib
import linecache
import os
import random
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from gradwidgets import core
from tests.hardening import analyses
from tests.hardening.cases import Case, numbers, square
from tests.hardening.interrupts import FOLDER
from tests.hardening.judge import Snapshot
from tests.hardening.trial import alike, outcome, told_of
from tests.hardening.undo import undone


@contextlib.contextmanager
def setting(put):
    """A setting that is made by a function; `undone` takes it back."""
    put()
    yield


@contextlib.contextmanager
def numpy_raises():
    with np.errstate(all="raise"):
        yield


ENVIRONMENTS = {
    "default float64": lambda: setting(lambda: torch.set_default_dtype(torch.float64)),
    "default float16": lambda: setting(lambda: torch.set_default_dtype(torch.float16)),
    "default bfloat16": lambda: setting(lambda: torch.set_default_dtype(torch.bfloat16)),
    "default device meta": lambda: setting(lambda: torch.set_default_device("meta")),
    "a block on device meta": lambda: torch.device("meta"),
    "inference mode": lambda: torch.inference_mode(),
    "NumPy raises": numpy_raises,
    "no grad": lambda: torch.no_grad(),
    "grad off": lambda: setting(lambda: torch.set_grad_enabled(False)),
    "anomaly mode": lambda: setting(lambda: torch.autograd.set_detect_anomaly(True)),
    "deterministic": lambda: setting(lambda: torch.use_deterministic_algorithms(True)),
    "warnings are errors": lambda: setting(lambda: warnings.simplefilter("error")),
}
# Where a model's own numbers are rightly other ones.
OTHERWISE = {"autocast": lambda: torch.autocast("cpu", torch.bfloat16)}
X, Y = [0.0, 1.0, 2.0, 3.0], [1.0, 3.1, 4.9, 7.2]


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Dropout(0.2), nn.Linear(4, 1))


def case() -> Case:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Case(network(), numbers(), numbers(6, 1), lambda o, t: (o - t).square().mean())


def _run(objective, steps: int = 20):
    optimizer = core.SGD(lr=0.05, momentum=0.9, nesterov=True)
    trajectory = core.descend(objective, optimizer, (0.5, -0.5), steps)
    return (
        trajectory,
        core.outcome(trajectory, objective),
        core.stability(objective, optimizer),
        core.step_parts(trajectory, objective, optimizer, 3),
        core.script({"one": objective}, optimizer, (0.0, 0.0), 5),
    )


def _own(case):
    objective = core.as_objective(lambda a, b: (a - 1) ** 2 + torch.exp(b) - b, view={"a": (-2, 2), "b": (-2, 2)})
    return _run(objective)


def _monitored(case):
    """A training of three steps."""
    optimizer = torch.optim.SGD(case.model.eval().parameters(), lr=0.1)
    with (
        core.GradientMonitor(case.model, optimizer, every=1) as monitor,
        torch.inference_mode(False),
        torch.enable_grad(),
    ):
        for _ in range(3):
            optimizer.zero_grad()
            case.loss_fn(case.model(case.inputs.clone()), case.targets.clone()).backward()
            optimizer.step()
    return monitor.history.steps.tolist(), monitor.history.norm


def _networks(case):
    return [
        list(core.build_network(kind, depth=3, width=4, activation="ReLU", init="He", seed=0).state_dict().values())
        for kind in core.NETWORKS
    ]


def _examples(case):
    report = core.check_loss(lambda a, b: torch.sqrt(a) + b * b, {"a": (-1, 1), "b": (-1, 1)}, resolution=7)
    return report, report.ok


OTHERS = {
    "descend an objective": lambda case: _run(core.OBJECTIVES["rosenbrock"]),
    "descend a regression": lambda case: _run(core.regression(X, Y, "Huber")),
    "descend one's own": _own,
    "map of an objective": lambda case: core.sample_surface(core.OBJECTIVES["beale"], resolution=5),
    "map of four losses": lambda case: core.sample_surfaces(core.regressions(X, Y), resolution=5),
    "data sets": lambda case: [core.DATASETS[name]() for name in core.DATASETS],
    "a loss with NaN": _examples,
    "patterns": lambda case: core.find_patterns(core.sample_surface(lambda a, b: a * b, analyses.AXES, 5)),
    "networks": _networks,
    "theory": lambda case: core.predicted_factors("ReLU", "He", depth=4, width=8),
    "monitor": _monitored,
}
FUNCTIONS = {**analyses.MODELS, **analyses.LOSSES, **OTHERS}


@pytest.fixture(autouse=True)
def put_right():
    with undone():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def usual():
    """What the usual settings give, by function."""
    with undone(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {name: told_of(outcome(fn, case())) for name, fn in FUNCTIONS.items()}


def refusal(error: BaseException) -> bool:
    """Whether an exception is one sentence that we say ourselves, and not torch's words about our arithmetic."""
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    file, text = trace.tb_frame.f_code.co_filename, str(error)
    ours = file.startswith(FOLDER) and linecache.getline(file, trace.tb_lineno).strip().startswith("raise")
    return (
        ours and 20 < len(text) < 500 and "\n" not in text and isinstance(error, (ValueError, TypeError, RuntimeError))
    )


def passes_on(error: BaseException) -> bool:
    """Whether the sentence only wraps what torch said."""
    return isinstance(error.__cause__, (RuntimeError, NotImplementedError, AssertionError, Warning, FloatingPointError))


def pairs(functions, environments) -> list[tuple[str, str]]:
    """All with all in the long form; in the short one a setting that did harm once, in turn, and one more by lot."""
    if os.environ.get("GRADWIDGETS_SOAK"):
        return [(name, environment) for name in functions for environment in environments]
    draw = random.Random(0)
    chosen = ("default device meta", "inference mode")
    others = [environment for environment in environments if environment not in chosen]
    return [
        (name, environment)
        for number, name in enumerate(functions)
        for environment in (chosen[number % 2], draw.choice(others))
    ]


@pytest.mark.parametrize(("name", "environment"), pairs(FUNCTIONS, ENVIRONMENTS))
def test_a_model_from_before_is_measured_as_usual_or_refused(name, environment, usual):
    given = case()
    roots = {} if name == "monitor" else {"model": given.model, "inputs": given.inputs, "targets": given.targets}
    with ENVIRONMENTS[environment]():
        torch.manual_seed(11)
        before = Snapshot(roots, versions=False)
        ended = outcome(FUNCTIONS[name], given)
        changes = before.changes()
    assert changes == []
    if isinstance(ended[1], BaseException):
        assert refusal(ended[1]) and not passes_on(ended[1]), repr(ended[1])
    else:
        assert alike(told_of(ended), usual[name])


@pytest.mark.parametrize(
    ("name", "environment"), pairs([*analyses.MODELS, *analyses.LOSSES], [*ENVIRONMENTS, *OTHERWISE])
)
def test_a_model_that_is_made_there_is_measured_or_refused(name, environment):
    with (ENVIRONMENTS | OTHERWISE)[environment]():
        model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
        given = Case(model, torch.zeros(6, 4), None, square)
        torch.manual_seed(11)
        before = Snapshot({"model": model}, versions=False)
        _, result = outcome(FUNCTIONS[name], given)
        changes = before.changes()
    assert changes == []
    assert not isinstance(result, BaseException) or isinstance(result, (ValueError, TypeError)) or refusal(result), (
        result
    )
