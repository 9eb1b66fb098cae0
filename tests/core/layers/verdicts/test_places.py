"""Places and cures of what grows, is the same, is flat, or is constant by its making."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gradwidgets.core.layers import FlowError, layer_flow, preflight
from gradwidgets.core.monitor import diagnose
from tests.core.layers.field.case import Runs, through


def told(name, model, x, y, loss=F.mse_loss):
    return [one for one in diagnose(layer_flow(model, x, y, loss)) if one.name == name]


class Adds(nn.Module):
    def __init__(self, factor, norm=False):
        super().__init__()
        self.branch, self.factor = through(32, 32, 32), factor
        for one in (self.branch[0], self.branch[2]):
            nn.init.kaiming_normal_(one.weight)
        self.norm = nn.LayerNorm(32) if norm else nn.Identity()

    def forward(self, x):
        return x + self.factor * self.branch(self.norm(x))


def test_what_grows_along_sums_is_told_with_the_first_of_them_and_no_learning_rate():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 32), *(Adds(2) for _ in range(30)), nn.Linear(32, 1))
    (one,) = told("exploding", model, torch.randn(32, 10), torch.randn(32, 1))
    assert "along 30 sums (the first in 1)" in one.message and "rate" not in one.action
    model = nn.Sequential(nn.Linear(10, 32), *(Adds(1, norm=True) for _ in range(30)), nn.Linear(32, 1))
    assert told("exploding", model, torch.randn(32, 10), torch.randn(32, 1)) == []


def test_a_loss_that_is_huge_before_any_step_is_not_to_be_mended_by_a_learning_rate():
    torch.manual_seed(0)
    model = nn.Sequential(*(part for _ in range(20) for part in (nn.Linear(32, 32), nn.ReLU())), nn.Linear(32, 1))
    for one in model:
        if isinstance(one, nn.Linear):
            nn.init.normal_(one.weight)
    (one,) = told("exploding", model, torch.randn(32, 32), torch.randn(32, 1))
    assert "before any step" in one.action and "rate" not in one.action


def of_shares(s, x):
    return s.out(torch.softmax(s.first(x), 1).mean(1, keepdim=True))


def of_normalised(s, x):
    return s.norm(s.first(x)).sum(0, keepdim=True) * torch.ones(len(x), 1)


@pytest.mark.parametrize(
    ("run", "parts", "words"),
    [
        (of_shares, {"first": nn.Linear(10, 8), "out": nn.Linear(1, 3)}, "shares of a softmax, and that is 1"),
        (
            of_normalised,
            {"first": nn.Linear(10, 3), "norm": nn.BatchNorm1d(3)},
            "and the norm has fixed that",
        ),
    ],
)
def test_a_sum_of_what_is_normalised_is_told_to_be_constant(run, parts, words):
    torch.manual_seed(0)
    (one,) = told("cliff", Runs(run, **parts), torch.randn(32, 10), torch.arange(32) % 3, F.cross_entropy)
    assert words in one.message and "a factor" not in one.action


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM, nn.RNN])
def test_inputs_in_thousands_are_said_to_saturate_a_recurrent_layer(kind):
    torch.manual_seed(0)
    model = Runs(lambda s, x: s.out(s.cell(x)[0][:, -1]), cell=kind(5, 16, batch_first=True), out=nn.Linear(16, 1))
    (one,) = told("input_scale", model, torch.randn(32, 12, 5) * 2000 + 500, torch.randn(32, 1))
    assert "saturates" in one.message and ("of its states" in one.message) == (kind is not nn.LSTM)


def test_many_hops_that_leave_what_nodes_have_in_common_are_named():
    def run(s, x, neighbours):
        h = torch.relu(s.first(x))
        for _ in range(24):
            h = neighbours @ h
        return s.out(h)

    torch.manual_seed(0)
    neighbours = (torch.rand(30, 30) < 0.3).float() + torch.eye(30)
    neighbours = neighbours / neighbours.sum(1, keepdim=True)
    model = Runs(run, first=nn.Linear(8, 16), out=nn.Linear(16, 3))
    (one,) = told("same output", model, (torch.randn(30, 8), neighbours), torch.arange(30) % 3, F.cross_entropy)
    assert "24 products" in one.message and "over-smoothing" in one.message and "residual" in one.action


class Scaled(nn.Module):
    def __init__(self, use):
        super().__init__()
        self.first, self.scale, self.use = nn.Linear(10, 3), nn.Parameter(torch.ones(1)), use

    def forward(self, x):
        return self.first(x) * self.use(self.scale)


@pytest.mark.filterwarnings("ignore:To copy construct")
@pytest.mark.parametrize(("use", "cure"), [(torch.Tensor.item, "the tensor itself"), (torch.tensor, "used as it is")])
def test_the_models_own_parameter_is_named_and_used_as_it_is(use, cure):
    (one,) = told("no_gradient", Scaled(use), torch.randn(32, 10), torch.arange(32) % 3, F.cross_entropy)
    assert one.message.startswith("scale gets no gradient") and cure in one.action


def ends(length):
    torch.manual_seed(0)
    words = torch.randint(1, 30, (16, 21))
    for row in range(16):
        words[row, length - row % 4 :] = 0
    return words


@pytest.mark.parametrize(("length", "said"), [(4, 1), (10, 1), (18, 0)])
def test_targets_most_of_which_are_what_rows_end_in_are_noted(length, said):
    model = nn.Sequential(nn.Embedding(30, 16), nn.Linear(16, 30))
    words = ends(length)

    def loss(o, y, **more):
        return F.cross_entropy(o.reshape(-1, 30), y.reshape(-1), **more)

    found = told("padded_targets", model, words[:, :-1], words[:, 1:], loss)
    assert len(found) == said and all(one.severity == "info" for one in found)
    assert not told("padded_targets", model, words[:, :-1], words[:, 1:], lambda o, y: loss(o, y, ignore_index=0))


def test_what_stands_where_only_something_at_random_does_is_no_padding():
    labels = (torch.rand(8, 12) < 0.2).long()
    model = nn.Sequential(nn.Embedding(30, 16), nn.Linear(16, 4))
    assert not told("padded_targets", model, torch.randint(30, (8, 12)), labels, lambda o, y: F.cross_entropy(o.mT, y))


def test_mistakes_of_a_call_are_told_with_what_helps():
    model, x, y = through(5, 8, 3), torch.randn(16, 5), torch.arange(16) % 3
    with pytest.raises(FlowError, match=r"loss_fn is called as loss_fn\(output, targets\)"):
        layer_flow(model, x, y, lambda t, o: F.cross_entropy(o, t))
    with pytest.raises(FlowError, match=r"takes 5 features .* give it 5, or make it nn.Linear\(7, 8\)"):
        layer_flow(model, torch.randn(16, 7), y, F.cross_entropy)
    with pytest.raises(TypeError, match="the optimizer SGD: hand over the module"):
        preflight(torch.optim.SGD(model.parameters(), 0.1), x, y, F.cross_entropy)
    with pytest.raises(TypeError, match=r"the class Linear, .* write Linear\("):
        preflight(nn.Linear, x, y, F.cross_entropy)


class Features(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = through(16, 64, 24)

    def forward(self, x):
        z = self.net(x)
        return z.T @ z / len(x)


class Members(nn.Module):
    def __init__(self):
        super().__init__()
        self.nets = nn.ModuleList(through(16, 8, 1) for _ in range(5))

    def forward(self, x):
        return torch.stack([one(x)[:, 0] for one in self.nets])


@pytest.mark.parametrize(
    ("model", "shape", "loss", "said"),
    [
        (Features(), (24, 24), lambda o, y: ((o - y) ** 2).sum(), 0),
        (Members(), (5, 64), lambda o, y: ((o - y) ** 2).mean(1).sum(), 0),
        (through(16, 8, 3), (64, 3), lambda o, y: ((o - y) ** 2).sum(), 1),
    ],
)
def test_a_sum_over_what_is_no_sample_is_not_said_to_grow_with_the_batch(model, shape, loss, said):
    assert len(told("summed_loss", model, torch.randn(64, 16), torch.randn(shape), loss)) == said
