"""One fault is said once, with a cure that fits, in words that hold beside what else is said."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gradwidgets.core.layers import layer_flow
from gradwidgets.core.monitor import diagnose
from tests.core.layers.field.case import Runs, through


def found(model, inputs, targets, loss_fn=F.mse_loss):
    return diagnose(layer_flow(model, inputs, targets, loss_fn))


def weighed(s, x):
    """Shares of steps, taken while steps and samples lie on one axis."""
    scores = s.score(x.reshape(-1, x.shape[-1]))
    return s.out((torch.softmax(scores, 1).view(*x.shape[:2], 1) * s.value(x)).sum(1))


def of_steps(s, x):
    return s.out((torch.softmax(s.score(x), -1) * s.value(x)).sum(1))


def attending(run):
    torch.manual_seed(0)
    return Runs(run, score=nn.Linear(6, 1), value=nn.Linear(6, 8), out=nn.Linear(8, 2))


@pytest.mark.parametrize(
    ("run", "words"), [(weighed, "Bring them to (samples, steps) before the softmax"), (of_steps, "dim=1")]
)
def test_a_softmax_of_one_is_all_that_is_said_and_its_cure_goes_by_the_shape(run, words):
    said = found(attending(run), torch.randn(9, 5, 6), torch.randn(9, 2))
    assert [one.name for one in said] == ["softmax_of_one"]
    assert words in said[0].action and ("dim=1" in said[0].action) == (run is of_steps)


def test_another_layer_without_a_gradient_is_said_beside_a_softmax_of_one():
    model = attending(lambda s, x: weighed(s, x) + 0 * s.other(x[:, 0]))
    model.other = nn.Linear(6, 2)
    said = found(model, torch.randn(9, 5, 6), torch.randn(9, 2))
    assert next(one.name for one in said if one.severity != "info") == "softmax_of_one"
    assert any("other" in one.message for one in said)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "norm", [lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.GroupNorm(8, 8)), lambda: nn.GroupNorm(8, 8)]
)
def test_a_norm_over_one_number_is_all_that_is_said_whatever_rounding_leaves_of_the_gradient(norm, dtype):
    torch.manual_seed(0)
    size = 6 if isinstance(norm(), nn.Sequential) else 1
    kernel = {"kernel_size": 3, "padding": 1} if size > 1 else {"kernel_size": 1}
    model = nn.Sequential(nn.Conv2d(3, 8, **kernel), nn.ReLU(), nn.Conv2d(8, 8, **kernel), norm(), nn.Flatten(1))
    model.append(nn.Linear(8, 3)).to(dtype)
    x, y = torch.randn(12, 3, size, size, dtype=dtype), torch.randint(0, 3, (12,))
    said = found(model, x, y, F.cross_entropy)
    assert not {"cliff", "vanishing"} & {one.name for one in said} and said[0].name == "norm_of_one"


def test_a_norm_of_one_that_gives_zeros_throughout_is_all_that_is_said_of_the_layer_behind_it():
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1), nn.LayerNorm(1), nn.Linear(1, 3))
    said = found(model, torch.randn(20, 6), torch.arange(20) % 3, F.cross_entropy)
    assert [one.name for one in said if one.severity == "error"] == ["norm_of_one"]


@pytest.mark.parametrize("loss", [lambda out, y: F.cross_entropy(out, y), lambda out, y: out.sum()])
def test_of_an_empty_batch_nothing_else_is_said(loss):
    said = found(through(6, 8, 3), torch.zeros(0, 6), torch.zeros(0, dtype=torch.long), loss)
    assert [one.name for one in said] == ["empty_batch"]


def test_a_loss_that_is_given_no_target_is_not_said_to_ignore_them():
    flow = layer_flow(through(6, 8, 3), torch.zeros(0, 6), torch.zeros(0, dtype=torch.long), F.cross_entropy)
    assert "it is given none" in flow.origin and "ignore_index" not in flow.origin


class Gated(nn.Module):
    """A branch that begins shut."""

    def __init__(self):
        super().__init__()
        self.f, self.gate = through(6, 6, 6), nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return x + self.gate * self.f(x)


class Zeroed(nn.Module):
    """A branch whose last layer begins at 0."""

    def __init__(self):
        super().__init__()
        self.f = through(6, 6, 6)
        nn.init.zeros_(self.f[2].weight)

    def forward(self, x):
        return x + self.f(x)


@pytest.mark.parametrize(
    ("block", "count", "words"),
    [
        (Gated, 12, "1.gate, 2.gate, 3.gate and 9 more begin at 0 and let nothing back"),
        (Zeroed, 12, "1.f.2, 2.f.2, 3.f.2 and 9 more begin at 0 and let nothing back"),
        (Gated, 1, "1.gate begins at 0 and lets nothing back"),
    ],
)
def test_what_waits_for_the_first_step_is_counted_once_in_its_order_and_left_out_of_what_is_reached(
    block, count, words
):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 6), *(block() for _ in range(count)), nn.Linear(6, 2))
    waits, healthy = found(model, torch.randn(30, 6), torch.randn(30, 2))
    assert waits.severity == "info" and waits.message.endswith(words)
    without = waits.evidence["without"]
    assert f"reaches every layer but {without} that get none yet" in healthy.message


def test_a_change_along_a_network_with_branches_says_which_layers_it_is_told_from():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.f = through(16, 16, 16)

        def forward(self, x):
            return x + 0.1 * self.f(x)

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), *(Block() for _ in range(6)), nn.Linear(16, 2))
    (healthy,) = found(model, torch.randn(30, 6), torch.randn(30, 2))
    assert "over the 2 layers that all of it passes, others being on branches" in healthy.message
    assert "a factor of" in healthy.message and "decades, where 3.2 would be too many" in healthy.message
    (healthy,) = found(through(6, 16, 16, 2), torch.randn(30, 6), torch.randn(30, 2))
    assert "over 3 layers" in healthy.message and "branches" not in healthy.message


@pytest.mark.parametrize(
    ("join", "branches"),
    [
        (lambda one, other: one + other, (through(6, 8, 4), through(6, 8, 4))),
        (lambda one, other: torch.cat([one, other], 1)[:, 2:6], (through(6, 8, 8, 4), through(6, 4))),
    ],
)
def test_of_branches_side_by_side_it_is_said_to_which_layer_the_change_leads(join, branches):
    model = Runs(lambda s, x: join(s.a(x), s.b(x)), a=branches[0], b=branches[1])
    (healthy,) = found(model, torch.randn(30, 6), torch.randn(30, 4))
    assert "others being beside them" in healthy.message and "all of it" not in healthy.message
    assert "on its way to a.0 it" in healthy.message or "on its way to b.0 it" in healthy.message


def judged_by(last, bias):
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(6, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1), last)
    nn.init.constant_(critic[2].bias, bias)
    return nn.Sequential(through(4, 16, 6), critic)


@pytest.mark.parametrize(
    ("loss", "generator"),
    [
        (lambda p, _: torch.log(1 - p).mean(), True),
        (lambda p, _: torch.log1p(-p).mean(), True),
        (lambda p, y: F.binary_cross_entropy(p, torch.ones_like(p)), False),
        (lambda p, _: -torch.log(p + 1e-30).mean(), False),
    ],
)
def test_a_probability_that_is_flat_in_a_logarithm_is_to_be_a_logit(loss, generator):
    finding = next(one for one in found(judged_by(nn.Sigmoid(), -40.0), torch.randn(20, 4), None, loss)
                   if one.name == "saturated")  # fmt: skip
    assert "ReLU" not in finding.action and "logits" in finding.action
    assert ("non-saturating" in finding.action) == generator


@pytest.mark.parametrize("last", [nn.Sigmoid(), Runs(lambda s, x: torch.sigmoid(x))])
def test_what_a_flat_output_takes_of_the_gradient_is_not_said_a_second_time(last):
    said = found(judged_by(last, -40.0), torch.randn(20, 4), None, lambda p, _: torch.log(1 - p).mean())
    assert [one.name for one in said] == ["saturated"] and "non-saturating" in said[0].action


def test_a_last_activation_that_is_flat_is_not_to_be_a_relu():
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 1), nn.Tanh())
    nn.init.constant_(model[2].bias, 9.0)
    finding = next(one for one in found(model, torch.randn(20, 6), torch.rand(20, 1)) if one.name == "saturated")
    assert "ReLU" not in finding.action and "Smaller weights" in finding.action


def test_within_a_network_it_may_be():
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))
    nn.init.constant_(model[0].bias, 9.0)
    finding = next(one for one in found(model, torch.randn(20, 6), torch.rand(20, 1)) if one.name == "saturated")
    assert "ReLU" in finding.action
