"""Batches and losses that something is wrong with, each with the name of what must be found."""

# ruff: noqa: E501

from collections import namedtuple

import torch
import torch.nn.functional as F
from torch import nn

from tests.core.layers.preflight.parts import (
    Calls,
    Convolutions,
    Logits,
    Two,
    batch,
    binary,
    captions,
    drawn,
    images,
    labels,
    net,
    randn,
    regression,
    scripted,
    segmented,
)

Sick = namedtuple("Sick", "name finding make")


@scripted
def scripted_cross_entropy(output: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(output, targets)


@scripted
def scripted_mse(output: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.mse_loss(output, targets)


def focal(output, targets, gamma=2.0):
    loss = F.binary_cross_entropy_with_logits(output, targets, reduction="none")
    return (loss * (1 - torch.exp(-loss)) ** gamma).mean()


def gathered(output, targets):
    return -F.log_softmax(output, 1).gather(1, targets[:, None]).mean()


def by_hand(x):
    e = torch.exp(x)
    return e / e.sum(1, keepdim=True)


def stably(x):
    e = (x - x.max(1, keepdim=True).values).exp()
    return e / e.sum(-1, keepdim=True)


def entropy_by_hand(p, t):
    return -(t * p.clamp(1e-6, 1).log() + (1 - t) * (1 - p).clamp(1e-6, 1).log()).mean()


class WeighsItself(nn.Module):
    """A loss with a parameter of its own that never looks at the output."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, output, targets):
        return (self.scale * targets.float()).mean()


class Normal(nn.Module):
    def __init__(self):
        super().__init__()
        self.mean = net(1)

    def forward(self, x):
        return torch.distributions.Normal(self.mean(x), 1.0)


class Ensemble(nn.Module):
    def __init__(self):
        super().__init__()
        self.members = nn.ModuleList([net(4), net(4)])

    def forward(self, x):
        return torch.stack([m(x).softmax(-1) for m in self.members]).mean(0)


def spoilt(tensor, value, *place):
    tensor = tensor.clone()
    tensor[place] = value
    return tensor


def spoilt_weights():
    model, x, y, loss = batch()
    model[2].weight.data[1, 3] = float("nan")
    return model, x, y, loss


def ctc(log_probs=lambda o: o.log_softmax(-1).transpose(0, 1), targets=None, lengths=None, steps=12):
    targets = torch.randint(1, 6, (4, 5), generator=drawn()) if targets is None else targets
    lengths = torch.tensor([5, 4, 3, 5]) if lengths is None else lengths

    def loss(output, told):
        return F.ctc_loss(log_probs(output), told[0], torch.full((4,), steps), told[1])

    return Calls(16, 6), torch.randn(4, steps, 16, generator=drawn()), (targets, lengths), loss


def repeating():
    targets = torch.tensor([[2, 2, 2, 2, 2], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5]])
    return ctc(targets=targets, lengths=torch.tensor([5, 5, 5, 5]), steps=8)


def prices(scale=2e5):
    x, t = torch.randn(64, 16, generator=drawn()), torch.rand(64, 1, generator=drawn())
    return net(1), x, (0.5 + t) * scale, nn.MSELoss()


def told_in_log():
    x, y = torch.randn(32, 16, generator=drawn()), torch.randn(32, 4, generator=drawn()).log_softmax(1)
    return net(4), x, y, lambda o, t: F.kl_div(o.log_softmax(1), t, reduction="batchmean")


def masked_away(output, told):
    targets, mask = told
    return ((output[:, 0] - targets) ** 2 * mask).sum() / mask.sum().clamp(min=1)


def sick_inputs(inputs, model=None):
    model = net(4) if model is None else model
    return model, inputs, labels(len(inputs)), nn.CrossEntropyLoss()


def incomes():
    x, d = torch.randn(32, 16, generator=drawn()), 2e4 + 3e4 * torch.rand(32, 3, generator=drawn())
    return Two(16, 3), (x, d), labels(32), F.cross_entropy


def digits():
    shown = torch.rand(64, 1, 28, 28, generator=drawn()) < 0.2
    x = shown * torch.randint(64, 256, (64, 1, 28, 28), generator=drawn())
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 4)), x.float(), labels(64), gathered


def normed():
    return nn.Sequential(nn.Linear(16, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))


SICK = [Sick(*one) for one in (
    # what the loss is given
    ("softmax module before nn.CrossEntropyLoss", "not_logits", lambda: batch(nn.Softmax(-1), loss=nn.CrossEntropyLoss())),
    ("softmax of pixels, with pixels left out", "not_logits", lambda: segmented(nn.Softmax(1), loss=nn.CrossEntropyLoss(ignore_index=255))),
    ("softmax by hand", "not_logits", lambda: batch(Logits(by_hand))),
    ("stable softmax by hand", "not_logits", lambda: batch(Logits(stably))),
    ("exp of log_softmax", "not_logits", lambda: batch(Logits(lambda x: x.log_softmax(1).exp()))),
    ("softmax with smoothed labels", "not_logits", lambda: batch(nn.Softmax(1), loss=nn.CrossEntropyLoss(label_smoothing=0.1))),
    ("softmax, cross entropy by hand", "not_logits", lambda: batch(nn.Softmax(1), loss=gathered)),
    ("softmax in the loss itself", "not_logits", lambda: batch(loss=lambda o, t: F.cross_entropy(F.softmax(o, dim=1), t))),
    ("softmax, then a scripted loss", "not_logits", lambda: batch(nn.Softmax(1), loss=scripted_cross_entropy)),
    ("scripted model that ends in softmax", "not_logits", lambda: (scripted(net(4, nn.Softmax(1))), randn(32, 16), labels(32), F.cross_entropy)),
    ("softmax of an ensemble, averaged", "not_logits", lambda: (Ensemble(), randn(32, 16), labels(32), F.cross_entropy)),
    ("softmax in a dict of outputs", "not_logits", lambda: (captions(softmax=True), randn(4, 9, 16), labels(4, 9), lambda o, t: F.cross_entropy(o["logits"].transpose(1, 2), t))),
    ("softmax in bfloat16", "not_logits", lambda: (net(4, nn.Softmax(1)).bfloat16(), randn(32, 16).bfloat16(), labels(32), F.cross_entropy)),
    ("softmax of soft targets", "not_logits", lambda: (net(4, nn.Softmax(1)), randn(32, 16), randn(32, 4).softmax(1), F.cross_entropy)),
    ("sigmoid before BCEWithLogits", "not_logits", lambda: binary(nn.Sigmoid(), loss=nn.BCEWithLogitsLoss())),
    ("sigmoid by hand before BCEWithLogits", "not_logits", lambda: binary(Logits(lambda x: 1 / (1 + torch.exp(-x))), loss=nn.BCEWithLogitsLoss())),
    ("sigmoid before a focal loss of logits", "not_logits", lambda: binary(nn.Sigmoid(), loss=focal)),
    ("sigmoid twice", "not_logits", lambda: binary(nn.Sigmoid(), loss=lambda o, t: F.binary_cross_entropy(o.sigmoid(), t))),
    ("sigmoid before cross_entropy", "not_logits", lambda: batch(nn.Sigmoid())),
    ("softmax before BCEWithLogits of many labels", "not_logits", lambda: binary(nn.Softmax(1), out=6, loss=nn.BCEWithLogitsLoss())),
    ("probabilities into nll_loss", "not_log_probabilities", lambda: batch(nn.Softmax(1), loss=nn.NLLLoss())),
    ("logits into nll_loss", "not_log_probabilities", lambda: batch(loss=F.nll_loss)),
    ("logits into BCELoss", "not_probabilities", lambda: binary(loss=nn.BCELoss())),
    ("probabilities into kl_div", "not_log_probabilities", lambda: (net(4, nn.Softmax(1)), randn(32, 16), randn(32, 4).softmax(1), nn.KLDivLoss(reduction="batchmean"))),
    ("logits into kl_div", "not_log_probabilities", lambda: (net(4), randn(32, 16), randn(32, 4).softmax(1), nn.KLDivLoss(reduction="batchmean"))),
    ("logs as the target of kl_div", "target_range", told_in_log),
    # shapes
    ("squared error by hand, (32, 1) and (32,)", "broadcast", lambda: regression(loss=lambda o, t: ((o - t) ** 2).mean())),
    ("huber, (32, 1) and (32,)", "broadcast", lambda: regression(loss=nn.HuberLoss())),
    ("absolute error by hand, (32,) and (32, 1)", "broadcast", lambda: regression(nn.Flatten(0), target=(32, 1), loss=lambda o, t: (t - o).abs().mean())),
    ("gaussian_nll, (32, 1) and (32,)", "broadcast", lambda: regression(loss=lambda o, t: F.gaussian_nll_loss(o, t, torch.ones_like(o)))),
    ("poisson_nll, (32, 1) and (32,)", "broadcast", lambda: regression(counts=True, loss=nn.PoissonNLLLoss())),
    ("sequences, (9, 9, 1) and (9, 9)", "broadcast", lambda: (Calls(16, 1), randn(9, 9, 16), randn(9, 9), F.l1_loss)),
    ("entropy by hand, (32, 1) and (32,)", "broadcast", lambda: (net(1, nn.Sigmoid()), randn(32, 16), labels(32, most=2).float(), entropy_by_hand)),
    ("a distribution of (32, 1), targets of (32,)", "broadcast", lambda: (Normal(), randn(32, 16), randn(32), lambda d, t: -d.log_prob(t).mean())),
    ("scripted squared error, (32, 1) and (32,)", "broadcast", lambda: regression(loss=scripted_mse)),
    # labels
    ("labels from 1 to 4", "labels", lambda: (net(4), randn(32, 16), labels(32) + 1, F.cross_entropy)),
    ("a label of −1", "labels", lambda: (net(4), randn(32, 16), spoilt(labels(32), -1, 3), F.cross_entropy)),
    ("255 for pixels without a label", "labels", lambda: segmented(void=True)),
    ("a label beyond nll_loss's classes", "labels", lambda: (net(4, nn.LogSoftmax(1)), randn(32, 16), spoilt(labels(32), 9, 0), nn.NLLLoss())),
    ("BCE targets of −1 and 1", "target_range", lambda: (net(1), randn(32, 16), labels(32, 1, most=2) * 2.0 - 1, nn.BCEWithLogitsLoss())),
    ("a mask of 0 and 255", "target_range", lambda: segmented(out=1, loss=nn.BCEWithLogitsLoss(), targets=255.0 * (randn(4, 1, 8, 8) > 0))),
    ("BCELoss of class numbers", "target_range", lambda: (net(1, nn.Sigmoid()), randn(32, 16), labels(32, 1).float(), nn.BCELoss())),
    ("CTC: a target longer than its input", "ctc", lambda: ctc(steps=4)),
    ("CTC: repeats leave no room for blanks", "ctc", repeating),
    ("CTC: blank among the targets", "ctc", lambda: ctc(targets=torch.randint(0, 6, (4, 5), generator=drawn()))),
    ("CTC of logits", "not_log_probabilities", lambda: ctc(log_probs=lambda o: o.transpose(0, 1))),
    # constant
    ("one class of pixels", "constant_loss", lambda: segmented(out=1, targets=torch.zeros(4, 8, 8, dtype=torch.long))),
    ("log_softmax of one output", "constant_loss", lambda: (net(1, nn.LogSoftmax(1)), randn(32, 16), torch.zeros(32, dtype=torch.long), nn.NLLLoss())),
    ("softmax of one output", "constant_loss", lambda: (net(1, nn.Softmax(1)), randn(32, 16), labels(32, 1, most=2).float(), nn.BCELoss())),
    ("every label left out", "constant_loss", lambda: (net(4), randn(32, 16), torch.full((32,), -100), F.cross_entropy)),
    ("every target masked by hand", "constant_loss", lambda: (net(1), randn(32, 16), (randn(32), torch.zeros(32)), masked_away)),
    ("argmax", "detached_loss", lambda: batch(loss=lambda o, t: ((o.argmax(1) - t).float() ** 2).mean())),
    ("detach in the loss", "detached_loss", lambda: regression(target=(32, 1), loss=lambda o, t: F.mse_loss(o.detach(), t))),
    ("item in the loss", "detached_loss", lambda: regression(target=(32, 1), loss=lambda o, t: torch.tensor(F.mse_loss(o, t).item()))),
    ("detach in the model", "detached_loss", lambda: batch(Logits(lambda x: x.detach()))),
    ("rounded outputs", "constant_loss", lambda: (net(1, nn.Sigmoid()), randn(32, 16), labels(32, 1, most=2).float(), lambda o, t: F.l1_loss(o.round(), t))),
    ("a loss of the targets alone", "detached_loss", lambda: (net(4), randn(32, 16), labels(32), WeighsItself())),
    # numbers that are none
    ("NaN in a dict of inputs", "non_finite_data", lambda: (Two(16, 3, named=True), {"x": randn(32, 16), "d": spoilt(randn(32, 3), float("nan"), 5, 1)}, labels(32), F.cross_entropy)),
    ("NaN in one target of many", "non_finite_data", lambda: (net(3), randn(32, 16), spoilt(randn(32, 3), float("nan"), 0, 2), nn.SmoothL1Loss())),
    ("an infinite second input", "non_finite_data", lambda: (Two(16, 3), (randn(32, 16), spoilt(randn(32, 3), float("inf"), 7, 0)), labels(32), F.cross_entropy)),
    ("NaN in a weight", "non_finite_weights", spoilt_weights),
    # scale
    ("bytes as pixels", "input_scale", lambda: sick_inputs(torch.randint(0, 256, (8, 3, 8, 8), generator=drawn()).float(), Convolutions())),
    ("digits as bytes", "input_scale", digits),
    ("raw incomes in a second branch", "input_scale", incomes),
    ("seconds since 1970", "input_scale", lambda: sick_inputs(1.7e9 + 1e6 * torch.rand(32, 16, generator=drawn()))),
    ("metres of a cell", "input_scale", lambda: sick_inputs(2e-6 * randn(32, 16))),
    ("Kelvin into an LSTM", "input_scale", lambda: (Calls(3, 1, nn.LSTM(3, 8, batch_first=True)), 290 + 3 * randn(8, 20, 3), randn(8, 20, 1), F.mse_loss)),
    ("an offset of forty deviations", "input_scale", lambda: sick_inputs(20 + 0.5 * randn(32, 16))),
    ("prices of houses", "target_scale", prices),
    ("revenue, absolute error by hand", "target_scale", lambda: (*prices(4e6)[:3], lambda o, t: (o - t).abs().mean())),
    ("calendar years", "target_scale", lambda: (net(1), randn(64, 16), 2000 + 5 * randn(64, 1), F.mse_loss)),
    ("one sample under batch norm", "batch_of_one", lambda: (normed(), randn(1, 16), labels(1), F.cross_entropy)),
    ("one image under batch norm", "batch_of_one", lambda: (Convolutions(normed=True), images(1), labels(1), F.cross_entropy)),
    # what torch itself says
    ("softmax without a dimension", "torch_warning", lambda: (net(4, Logits(lambda x: F.softmax(x).log())), randn(32, 16), labels(32), nn.NLLLoss())),
)]  # fmt: skip
