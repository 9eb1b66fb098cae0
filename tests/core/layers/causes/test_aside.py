"""A teacher or a target network that no gradient reaches is told from what is cut off by accident."""

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from gradwidgets.core.layers import layer_flow
from gradwidgets.core.monitor import diagnose
from tests.core.layers.field.case import Runs, through


def quietly(part, x):
    with torch.no_grad():
        return part(x)


def agree(output, _):
    return functional.mse_loss(*output)


def to_first(output, _):
    return functional.cross_entropy(output, torch.zeros(len(output), dtype=torch.long))


def contrasted(s, x):
    q, k = s.student(x), quietly(s.teacher, x + 0.1)
    return torch.cat(((q * k).sum(1, keepdim=True), q @ s.queue.detach()), 1)


def valued(s, x):
    with torch.no_grad():
        worth = x[:, 0] + 0.99 * s.teacher(x + 0.1).max(1).values
    return s.student(x).max(1).values, worth


def copied(s, x):
    weights = {name: one.detach() for name, one in s.teacher.named_parameters()}
    return s.student(x), functional_call(s.teacher, weights, (x,))


def judged(run, loss, teacher=(16, 32, 8), **more):
    torch.manual_seed(0)
    model = Runs(run, student=through(16, 32, 8), teacher=through(*teacher), **more)
    model.register_buffer("queue", torch.randn(8, 20))
    found = diagnose(layer_flow(model, torch.randn(32, 16), None, loss))
    return next((one for one in found if one.name == "no_gradient"), None)


@pytest.mark.parametrize(
    ("run", "loss"),
    [
        (lambda s, x: (s.student(x), quietly(s.teacher, x + 0.1)), agree),
        (lambda s, x: (s.student(x), s.teacher(x).detach()), agree),
        (lambda s, x: (s.student(x), s.teacher(x)), lambda o, t: (o[0] - o[1].detach()).square().mean()),
        (valued, agree),
        (copied, agree),
        (contrasted, to_first),
    ],
)
def test_a_teacher_with_a_twin_that_is_trained_is_noted_and_no_fault(run, loss):
    found = judged(run, loss)
    assert found.severity == "info" and found.evidence["layers"] == ["teacher.0", "teacher.2"]
    assert "a teacher or a target network beside student, that is right" in found.message


@pytest.mark.parametrize(
    ("run", "loss", "teacher"),
    [
        (lambda s, x: (s.student(x), quietly(s.teacher, x)), agree, (16, 64, 64, 8)),  # of other shapes
        # It is handed to the loss as another output, and compared with nothing that is trained.
        (
            lambda s, x: (s.student(x), s.teacher(x).detach()),
            lambda o, _: to_first(o[0], _) + to_first(o[1], _),
            (16, 32, 8),
        ),
    ],
)
def test_a_part_that_stands_beside_and_has_no_twin_is_a_warning(run, loss, teacher):
    found = judged(run, loss, teacher)
    assert found.severity == "warning" and "or a target network, that is right" in found.message


@pytest.mark.parametrize(
    "run",
    [
        lambda s, x: torch.cat((s.student(x), s.student(quietly(s.teacher, x)))),
        lambda s, x: torch.cat((s.student(x), s.student(s.teacher(x).detach()))),
        lambda s, x: s.student(torch.cat((x, s.teacher(x).detach()))),
        lambda s, x: s.student(torch.cat((x, s.teacher(x).detach())) * 0.5),
    ],
)
def test_a_generator_in_its_critics_step_is_noted_and_no_fault(run):
    found = judged(run, to_first, (16, 24, 16))
    assert found.severity == "info" and found.evidence["layers"] == ["teacher.0", "teacher.2"]
    assert "a generator in its critic's step" in found.message


@pytest.mark.parametrize(
    ("run", "more"),
    [
        (lambda s, x: s.head(quietly(s.teacher, x)) + s.student(x), {"head": nn.Linear(8, 8)}),
        (lambda s, x: s.head(torch.cat((s.student(x), s.teacher(x).detach()), 1)), {"head": nn.Linear(16, 8)}),
        (lambda s, x: s.student(x) + s.teacher(x).detach(), {}),
        (lambda s, x: s.head(s.student(x) * s.teacher(x).detach().sigmoid()), {"head": nn.Linear(8, 8)}),
        (lambda s, x: s.student(s.stem(x)) * s.teacher(s.stem(x)).detach(), {"stem": nn.Linear(16, 16)}),
        (lambda s, x: s.head(torch.cat((s.student(x), s.teacher(x).detach()))), {"head": nn.Linear(8, 8)}),
        (lambda s, x: s.head(torch.cat((x, s.teacher(x).detach()), 1)), {"head": nn.Linear(24, 8)}),
        (lambda s, x: s.student(x) * torch.from_numpy(s.teacher(x).detach().numpy()), {}),
    ],
)
def test_what_is_cut_off_in_the_way_of_what_is_trained_stays_an_error(run, more):
    found = judged(run, to_first, **more)
    assert found.severity == "error" and {"teacher.0", "teacher.2"} <= set(found.evidence["layers"])
    assert "target network" not in found.message
