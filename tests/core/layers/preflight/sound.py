"""Batches and losses that nothing is wrong with, however odd they look."""

# ruff: noqa: E501

import dataclasses
import math
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

Sound = namedtuple("Sound", "name make")


@dataclasses.dataclass
class Output:
    logits: torch.Tensor
    hidden: tuple = ()
    loss: torch.Tensor | None = None


class OwnLoss(nn.Module):
    """Computes its loss itself, as language models do."""

    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(50, 16), nn.Linear(16, 50)

    def forward(self, ids, labels):
        z = self.head(self.embed(ids))
        return Output(z, (z,), F.cross_entropy(z.flatten(0, 1), labels.flatten()))


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode, self.decode = nn.Linear(16, 8), nn.Linear(4, 16)

    def forward(self, x):
        mean, log_variance = self.encode(x).chunk(2, 1)
        return self.decode(mean + torch.randn_like(mean) * (log_variance / 2).exp()).sigmoid(), mean, log_variance


def evidence_bound(output, x):
    decoded, mean, log_variance = output
    kl = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum()
    return (F.binary_cross_entropy(decoded, x, reduction="sum") + kl) / len(x)


class Divides(nn.Module):
    """Bytes are scaled where they go in."""

    def __init__(self):
        super().__init__()
        self.net = Convolutions()

    def forward(self, x):
        return self.net(x.float() / 255.0)


class Indexes(nn.Module):
    """Whole numbers that come as floats and index a table."""

    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(1000, 8), nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.table(x.long()).mean(1))


class Timed(nn.Module):
    """A denoiser: the step is turned into sines before any layer sees it."""

    def __init__(self):
        super().__init__()
        self.body, self.time = nn.Linear(16, 16), nn.Linear(8, 16)

    def forward(self, x, t):
        waves = t[:, None] * torch.exp(-torch.arange(4) * 2.0)
        return self.body(x) + self.time(torch.cat([waves.sin(), waves.cos()], 1))


class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention, self.head = nn.MultiheadAttention(16, 2, batch_first=True), nn.Linear(16, 4)

    def forward(self, x, mask):
        return self.head(self.attention(x, x, x, attn_mask=mask)[0].mean(1))


class Rescales(nn.Module):
    """Gives prices in their own unit."""

    def __init__(self):
        super().__init__()
        self.net = net(1)

    def forward(self, x):
        return self.net(x) * 8e4 + 2e5


class FillsGaps(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = net(4, wide=32)

    def forward(self, x):
        return self.net(torch.cat([x.nan_to_num(), x.isnan().to(x.dtype)], 1))


class Normal(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = net(2)

    def forward(self, x):
        mean, raw = self.net(x).chunk(2, 1)
        return torch.distributions.Normal(mean, F.softplus(raw) + 1e-3)


class Twins(nn.Module):
    def __init__(self, out=8):
        super().__init__()
        self.net = net(out)

    def forward(self, *views):
        return tuple(F.normalize(self.net(view), dim=1) for view in views)


@scripted
def scripted_loss(output: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(output, targets, label_smoothing=0.1) + 0.01 * output.pow(2).mean()


def focal(output, targets):
    logs = F.log_softmax(output, 1)
    return F.nll_loss((1 - logs.exp()) ** 2 * logs, targets)


def info_nce(views, _):
    a, b = views
    return F.cross_entropy(a @ b.T / 0.07, torch.arange(len(a)))


def quantile(output, targets):
    levels = torch.tensor([0.1, 0.5, 0.9])
    miss = targets[:, None] - output
    return torch.maximum(levels * miss, (levels - 1) * miss).mean()


def quantile_pairs(output, targets):
    miss = targets[:, None, :] - output[:, :, None]
    return F.huber_loss(miss, torch.zeros_like(miss))


def distilled(output, told):
    teacher, hard = told
    soft = F.kl_div(F.log_softmax(output / 4, 1), F.softmax(teacher / 4, 1), reduction="batchmean") * 16
    return 0.5 * soft + 0.5 * F.cross_entropy(output, hard)


def dice(output, targets):
    p = output.sigmoid()
    return 1 - (2 * (p * targets).sum() + 1) / (p.sum() + targets.sum() + 1)


def hinge_of_critic(output, targets):
    return F.relu(1 - output[targets > 0]).mean() + F.relu(1 + output[targets == 0]).mean()


def clipped_ratio(output, told):
    actions, before, advantage = told
    ratio = (output.log_softmax(1).gather(1, actions[:, None])[:, 0] - before).exp()
    return -torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()


def energy(output, targets):
    free = -torch.logsumexp(output, 1)
    return F.cross_entropy(output, targets) + 0.1 * F.relu(free + 5).pow(2).mean()


def ctc(blank=0, zero_infinity=False):
    targets = torch.randint(1, 6, (4, 5), generator=drawn())
    lengths = torch.tensor([5, 4, 3, 5])
    targets[1, 4:] = targets[2, 3:] = 0  # what stands beyond a target's length is padding

    def loss(output, told):
        return F.ctc_loss(output.log_softmax(-1).transpose(0, 1), told[0], torch.full((4,), 12), told[1])

    return Calls(16, 6), randn(4, 12, 16), (targets, lengths), loss


def observed(output, targets):
    return (output - targets)[~targets.isnan()].pow(2).mean()


def zero_head():
    model, x, y, loss = batch()
    nn.init.zeros_(model[2].weight)
    nn.init.zeros_(model[2].bias)
    return model, x, y, loss


def solved():
    model, x, _, _ = regression()
    return model, x, model(x).detach(), nn.MSELoss()


def trained_on_bytes():
    model, x, y, loss = batch()
    model[0].weight.data /= 100
    return model, 100 * x, y, loss


def causal(n=6):
    return torch.full((n, n), -math.inf).triu(1)


def counts(*shape):
    return torch.poisson(torch.full(shape, 3.0), generator=drawn())


def given(inputs, model=None, loss=F.cross_entropy):
    return net(4, wide=inputs.shape[-1]) if model is None else model, inputs, labels(len(inputs)), loss


def tf_idf():
    kept = torch.rand(32, 2000, generator=drawn()) < 0.02
    return F.normalize(kept * torch.rand(32, 2000, generator=drawn()), dim=1)


def log_mel():
    return (torch.rand(4, 40, 80, generator=drawn()) ** 4 + 1e-6).log()


def frames():
    return torch.randint(0, 256, (8, 3, 8, 8), generator=drawn())


def normed_net(norm):
    return nn.Sequential(norm, nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))


SOUND = [Sound(*one) for one in (
    # probabilities where they belong, logits where they belong
    ("logits into cross_entropy", batch),
    ("log_softmax twice", lambda: batch(nn.LogSoftmax(1))),
    ("log_softmax into nll_loss", lambda: batch(nn.LogSoftmax(1), loss=nn.NLLLoss())),
    ("log of softmax into nll_loss", lambda: batch(nn.Softmax(1), loss=lambda o, t: F.nll_loss((o + 1e-9).log(), t))),
    ("softmax and the logarithm by hand", lambda: batch(nn.Softmax(1), loss=lambda o, t: -o[torch.arange(32), t].clamp_min(1e-9).log().mean())),
    ("log of probabilities into cross_entropy", lambda: batch(nn.Softmax(1), loss=lambda o, t: F.cross_entropy(o.log(), t))),
    ("label smoothing", lambda: batch(loss=nn.CrossEntropyLoss(label_smoothing=0.1, weight=torch.ones(4)))),
    ("soft targets", lambda: (net(4), randn(32, 16), randn(32, 4).softmax(1), nn.CrossEntropyLoss())),
    ("targets mixed from one-hot ones", lambda: (net(4), randn(32, 16), 0.7 * F.one_hot(labels(32), 4) + 0.3 * F.one_hot(labels(32).flip(0), 4), F.cross_entropy)),
    ("focal loss of many classes by hand", lambda: batch(loss=focal)),
    ("distillation", lambda: (net(4), randn(32, 16), (randn(32, 4, seed=3), labels(32)), distilled)),
    ("kl_div with both in logs", lambda: (net(4, nn.LogSoftmax(1)), randn(32, 16), randn(32, 4).log_softmax(1), nn.KLDivLoss(reduction="batchmean", log_target=True))),
    ("entropy as a bonus", lambda: batch(loss=lambda o, t: F.cross_entropy(o, t) + 0.01 * (o.softmax(1) * o.log_softmax(1)).sum(1).mean())),
    ("own predictions as soft targets", lambda: batch(loss=lambda o, t: F.cross_entropy(o, o.softmax(1).detach()))),
    ("sigmoid into BCELoss", lambda: binary(nn.Sigmoid(), loss=nn.BCELoss())),
    ("logits of many labels, weighted", lambda: binary(out=6, loss=nn.BCEWithLogitsLoss(pos_weight=torch.full((6,), 3.0)))),
    ("sigmoid with squared error", lambda: binary(nn.Sigmoid(), loss=nn.MSELoss())),
    ("softmax with squared error", lambda: (net(4, nn.Softmax(1)), randn(32, 16), F.one_hot(labels(32), 4).float(), nn.MSELoss())),
    ("dice of a mask", lambda: segmented(out=1, loss=dice, targets=(randn(4, 1, 8, 8) > 0).float())),
    ("tanh of images", lambda: segmented(nn.Tanh(), out=3, loss=nn.L1Loss(), targets=images(4).tanh())),
    ("logits that are small and positive", lambda: batch(nn.Softplus())),
    ("ReLU before BCEWithLogits, few values", lambda: binary(nn.ReLU(), loss=nn.BCEWithLogitsLoss())),
    ("scripted loss of logits", lambda: batch(loss=scripted_loss)),
    ("scripted model", lambda: (scripted(net(4)), randn(32, 16), labels(32), F.cross_entropy)),
    ("pixels left out", lambda: segmented(loss=nn.CrossEntropyLoss(ignore_index=255))),
    ("sequences with padding left out", lambda: (captions(), randn(4, 9, 16), torch.where(labels(4, 9) > 0, labels(4, 9), -100), lambda o, t: F.cross_entropy(o["logits"].transpose(1, 2), t))),
    ("a dataclass that holds its loss", lambda: (OwnLoss(), {"ids": labels(4, 9, most=50), "labels": labels(4, 9, most=50)}, None, lambda o, _: o.loss)),
    ("adaptive softmax", lambda: (nn.Sequential(nn.Linear(16, 8)), randn(32, 16), labels(32), Adaptive())),
    # other losses
    ("margin of classes", lambda: batch(loss=nn.MultiMarginLoss())),
    ("triplets", lambda: (Twins(), (randn(32, 16), randn(32, 16, seed=1), randn(32, 16, seed=2)), None, lambda o, _: F.triplet_margin_loss(*o))),
    ("cosine embedding", lambda: (Twins(), (randn(32, 16), randn(32, 16, seed=1)), 2.0 * labels(32, most=2) - 1, lambda o, t: F.cosine_embedding_loss(*o, t))),
    ("contrast of two views", lambda: (Twins(), (randn(32, 16), randn(32, 16, seed=1)), None, info_nce)),
    ("ranking of pairs", lambda: (Twins(1), (randn(32, 16), randn(32, 16, seed=1)), 2.0 * labels(32, most=2) - 1, lambda o, t: F.soft_margin_loss((o[0] - o[1])[:, 0], t))),
    ("gaussian_nll", lambda: (net(2), randn(32, 16), randn(32, 1), lambda o, t: F.gaussian_nll_loss(o[:, :1], t, F.softplus(o[:, 1:])))),
    ("poisson_nll of counts", lambda: (net(1), randn(32, 16), counts(32, 1), nn.PoissonNLLLoss())),
    ("a distribution's likelihood", lambda: (Normal(), randn(32, 16), randn(32, 1), lambda d, t: -d.log_prob(t).mean())),
    ("ctc", ctc),
    ("autoencoder with a bound", lambda: (Autoencoder(), torch.rand(32, 16, generator=drawn()), torch.rand(32, 16, generator=drawn()), evidence_bound)),
    ("critic with a hinge", lambda: (net(1), randn(32, 16), labels(32, most=2), hinge_of_critic)),
    ("critic of Wasserstein", lambda: (net(1), randn(32, 16), labels(32, most=2), lambda o, t: o[t == 0].mean() - o[t == 1].mean())),
    ("discriminator of patches against one number", lambda: segmented(out=1, loss=lambda o, t: F.mse_loss(o, t), targets=torch.ones(()))),
    ("policy gradient with returns", lambda: (net(4), randn(32, 16), (labels(32), 50 + 30 * randn(32)), lambda o, t: -(o.log_softmax(1).gather(1, t[0][:, None])[:, 0] * t[1]).mean())),
    ("clipped ratios", lambda: (net(4), randn(32, 16), (labels(32), randn(32) - 1.4, randn(32)), clipped_ratio)),
    ("value of long episodes", lambda: (net(1), randn(32, 16), 100 + 60 * randn(32, 1), nn.SmoothL1Loss())),
    ("energy with a margin", lambda: batch(loss=energy)),
    ("quantiles", lambda: (net(3), randn(32, 16), randn(32), quantile)),
    ("pairs of quantiles", lambda: (net(8), randn(32, 16), randn(32, 8), quantile_pairs)),
    ("pairs made on purpose", lambda: (net(1, nn.Flatten(0)), randn(32, 16), randn(32), lambda o, t: ((o[:, None] - o).tanh() * (t[:, None] - t).sign()).mean() + (o[:, None] - t).pow(2).mean())),
    ("(32, 1) against (32, 1)", lambda: regression(target=(32, 1), loss=nn.MSELoss())),
    ("one sample of (1, 1) against (1,)", lambda: (net(1), randn(1, 16), randn(1), lambda o, t: ((o - t) ** 2).mean())),
    ("weights of classes on every pixel", lambda: segmented(loss=lambda o, t: (o.log_softmax(1) * torch.rand(4, 1, 1, generator=drawn())).mean().neg())),
    ("squared error of the squeezed", lambda: regression(loss=lambda o, t: F.mse_loss(o.squeeze(-1), t))),
    ("a penalty that does not know the targets", lambda: (net(4), randn(32, 16), None, lambda o, _: o.pow(2).mean())),
    # nothing to learn here, yet nothing wrong
    ("a head of zeros", zero_head),
    ("a problem that is solved", solved),
    ("a hinge that is satisfied", lambda: (net(1, Logits(lambda x: x + 9)), randn(32, 16), None, lambda o, _: F.relu(1 - o).mean())),
    ("all labels alike", lambda: (net(4), randn(32, 16), torch.full((32,), 2), F.cross_entropy)),
    ("one sample without batch norm", lambda: given(randn(1, 16))),
    ("one sample under batch norm that is done", lambda: (nn.Sequential(nn.Linear(16, 8), nn.BatchNorm1d(8), nn.Linear(8, 4)).eval(), randn(1, 16), labels(1), F.cross_entropy)),
    ("one image under instance norm", lambda: (nn.Sequential(nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4), nn.Flatten(), nn.Linear(144, 4)), images(1), labels(1), F.cross_entropy)),
    ("one cloud of points, normed by points", lambda: (Calls(3, 4, nn.Sequential(nn.Flatten(0, 1), nn.Linear(3, 8), nn.BatchNorm1d(8))), randn(1, 64, 3), labels(64), F.cross_entropy)),
    # numbers
    ("images normalised as usual", lambda: given(images(), Convolutions())),
    ("pixels from 0 to 1", lambda: given(torch.rand(8, 3, 8, 8, generator=drawn()), Convolutions())),
    ("bright pages", lambda: given(1 - 0.3 * torch.rand(8, 3, 8, 8, generator=drawn()) ** 4, Convolutions())),
    ("bytes that the model scales", lambda: given(frames(), Divides())),
    ("bytes as floats that the model scales", lambda: given(frames().float(), Divides())),
    ("bytes before batch norm", lambda: given(frames().float(), nn.Sequential(nn.BatchNorm2d(3), Convolutions()))),
    ("bytes, and batch norm right behind", lambda: given(frames().float(), Convolutions(normed=True))),
    ("raw features before LayerNorm", lambda: given(300 + 50 * randn(32, 16), normed_net(nn.LayerNorm(16)))),
    ("raw features, normed in their branch", lambda: (Two(16, 3, norm=True), (randn(32, 16), 2e4 + 9e3 * randn(32, 3)), labels(32), F.cross_entropy)),
    ("weights that fit their inputs", trained_on_bytes),
    ("log-mel spectrograms", lambda: (Calls(80, 1, nn.GRU(80, 8, batch_first=True)), log_mel(), randn(4, 40, 1), F.mse_loss)),
    ("a waveform", lambda: given(0.03 * randn(4, 1, 400), nn.Sequential(nn.Conv1d(1, 8, 80, 20), nn.ReLU(), nn.Flatten(), nn.Linear(136, 4)))),
    ("one-hot inputs", lambda: given(F.one_hot(labels(32, most=500), 500).float())),
    ("TF-IDF", lambda: given(tf_idf())),
    ("counts of words", lambda: given(counts(32, 100))),
    ("prices standardised", lambda: (net(1), randn(64, 16), randn(64, 1), nn.MSELoss())),
    ("prices in their logarithm", lambda: (net(1), randn(64, 16), 2e5 * (1 + torch.rand(64, 1, generator=drawn())), lambda o, t: F.mse_loss(o, t.log()))),
    ("a model that gives prices in their unit", lambda: (Rescales(), randn(64, 16), 2e5 + 8e4 * randn(64, 1), lambda o, t: F.mse_loss(o, t) / 8e4**2)),
    ("daily returns", lambda: (Calls(5, 1, nn.LSTM(5, 8, batch_first=True)), 0.012 * randn(8, 30, 5), 0.012 * randn(8, 30, 1), F.mse_loss)),
    ("tokens", lambda: (OwnLoss(), (labels(4, 9, most=50), labels(4, 9, most=50)), None, lambda o, _: o.loss)),
    ("whole numbers as floats that index", lambda: given(labels(32, 7, most=1000).float(), Indexes())),
    ("steps of a diffusion", lambda: (Timed(), (randn(32, 16), 1000 * torch.rand(32, generator=drawn())), randn(32, 16), F.mse_loss)),
    ("a mask of −inf", lambda: (Masked(), (randn(4, 6, 16), causal()), labels(4), F.cross_entropy)),
    ("a mask of the least number", lambda: (Masked(), {"x": randn(4, 6, 16), "mask": causal().clamp(min=torch.finfo(torch.float32).min)}, labels(4), F.cross_entropy)),
    ("gaps that the model fills", lambda: given(torch.where(randn(32, 16) > 1, math.nan, randn(32, 16, seed=3)), FillsGaps())),
    ("targets with gaps that the loss leaves out", lambda: (net(3), randn(32, 16), torch.where(randn(32, 3) > 1, math.nan, randn(32, 3)), observed)),
    ("an input of zeros", lambda: given(torch.zeros(32, 16))),
    ("an input of ones", lambda: given(torch.ones(32, 16))),
    ("half precision", lambda: (net(4).bfloat16(), randn(32, 16).bfloat16(), labels(32), lambda o, t: F.cross_entropy(o.float(), t))),
    ("sparse inputs", lambda: (net(4, wide=500), F.one_hot(labels(32, most=500), 500).float().to_sparse(), labels(32), F.cross_entropy)),
    ("a complex signal", lambda: (nn.Linear(8, 4, dtype=torch.complex64), torch.complex(randn(16, 8), randn(16, 8, seed=1)), randn(16, 4), lambda o, t: F.mse_loss(o.abs(), t))),
)]  # fmt: skip


class Adaptive(nn.Module):
    def __init__(self):
        super().__init__()
        self.inside = nn.AdaptiveLogSoftmaxWithLoss(8, 4, [2])

    def forward(self, output, targets):
        return self.inside(output, targets).loss
