"""What keeps a part from learning: norms that saw nothing, single parameters, what is not finite and goes nowhere."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gradwidgets.core.layers import layer_flow, preflight
from gradwidgets.core.monitor import diagnose
from tests.core.layers.field.case import Runs, classes, through
from tests.core.layers.field.kinds_sixth import generated, head_left_aside, normed, scaled, swallowed


def said(case, name):
    """What is said under a name of a case, and all names that are warnings or errors."""
    torch.manual_seed(0)
    found = diagnose(layer_flow(*case))
    return [one for one in found if one.name == name], {
        one.name for one in found if one.severity in ("warning", "error")
    }


def test_norms_in_evaluation_mode_that_saw_no_batch_are_blamed_where_the_loss_shows_it():
    model, x, *rest = normed()
    (found,), _ = said((model, 10 * x, *rest), "batch norm")
    assert found.severity == "warning" and found.evidence["size"] > 5 and "model.train()" in found.action
    assert [one.severity for one in said((model, x, *rest), "batch norm")[0]] == ["info"]
    assert said((model, x / 300, *rest), "batch norm") == ([], set())
    assert said((model.train(), x, *rest), "batch norm")[0] == []


def test_norms_with_a_momentum_of_0_are_sound_once_they_have_statistics():
    model, *rest = normed(momentum=0.0, training=True)
    assert [one.severity for one in said((model, *rest), "batch norm")[0]] == ["warning"]
    for one in (model[1], model[4]):
        nn.init.constant_(one.running_mean, 0.5)
    assert said((model, *rest), "batch norm") == ([], set())


@pytest.mark.parametrize("how", ["log", "root"])
def test_what_is_not_finite_and_goes_nowhere_is_a_note(how):
    (found,), bad = said(swallowed(how), "non_finite")
    assert found.severity == "info" and "are finite" in found.message and bad == set()


def test_what_is_not_finite_and_gets_to_a_weight_is_an_error():
    model = Runs(
        lambda s, x: s.out(torch.where(x > 0, s.first(x).sqrt(), 0.0)), first=nn.Linear(6, 6), out=nn.Linear(6, 2)
    )
    nn.init.zeros_(model.first.weight), nn.init.zeros_(model.first.bias)
    (found,), _ = said((model, torch.randn(30, 6), classes(30, 2), F.cross_entropy), "non_finite")
    assert found.severity == "error"


@pytest.mark.parametrize(("how", "severity"), [("numbers", "error"), ("rounded", "error"), ("unused", "info")])
def test_a_single_parameter_without_a_gradient_is_named(how, severity):
    (found,), _ = said(scaled(how), "no_gradient")
    assert found.evidence["layers"] == ["0.scale"] and found.severity == severity and found.where == (0,)


def test_single_parameters_are_not_told_beside_their_layer():
    class Rounded(nn.Linear):
        def forward(self, x):
            return F.linear(x, self.weight.round(), self.bias)

    model = nn.Sequential(Rounded(6, 12), nn.ReLU(), nn.Linear(12, 3))
    (found,), _ = said((model, torch.randn(30, 6) * 3, classes(30, 3), F.cross_entropy), "no_gradient")
    assert found.evidence["layers"] == ["0"]


def test_a_layer_that_runs_with_other_weights_is_a_note():
    case = generated("call")
    assert [one.gradient for one in layer_flow(*case).layers if one.name == "layer"] == ["replaced"]
    (found,), bad = said(case, "no_gradient")
    assert found.severity == "info" and "layer runs with other weights" in found.message and bad == set()


def test_a_queue_that_is_written_to_is_no_weight():
    def run(s, x):
        with torch.no_grad():
            keys = s.teacher(x)
            s.queue[:] = keys
        return s.net(x) - keys

    queue = nn.Parameter(torch.zeros(20, 4), requires_grad=False)
    model = Runs(run, net=through(6, 16, 4), teacher=through(6, 16, 4), queue=queue)
    _, bad = said((model, torch.randn(20, 6), None, lambda o, _: o.square().mean()), "no_gradient")
    assert bad == set()


def test_a_new_head_that_nobody_calls_is_told_before_training():
    (found,) = preflight(*head_left_aside("fc"))
    assert found.name == "no_gradient" and found.severity == "error" and found.evidence["never run"] == ["fc"]
    assert preflight(*head_left_aside("head")) == []
