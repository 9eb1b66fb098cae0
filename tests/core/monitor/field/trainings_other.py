"""Trainings of other kinds in which nothing is wrong: what was written before the verdicts on them were seen."""

# ruff: noqa: E501

import copy
import math

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import lr_scheduler, swa_utils

from tests.core.monitor.field.helpers import against, rare, whether
from tests.core.monitor.field.training import (
    Training,
    adam,
    adversaries,
    clipped,
    cross_entropy,
    digits,
    looped,
    mlp,
    plain,
    rows_of,
    sgd,
    train,
    watched,
)
from tests.core.monitor.field.trainings_clean import with_


def warm_up(optimizer):
    return lr_scheduler.LambdaLR(optimizer, lambda n: min(n / 20, 0.5 + 0.5 * math.cos(math.pi * n / 120)))


def averaged():
    """A running mean of the weights beside the model."""
    mean = []

    def follow(model, optimizer, step):
        if not mean:
            mean.append(swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.99)))
        mean[0].update_parameters(model)

    return train(optimizer=adam(2e-3), after_step=follow)


def in_bfloat16(model, inputs, labels):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(inputs)
    return F.cross_entropy(output.float(), labels)


def lbfgs():
    torch.manual_seed(0)
    inputs, labels = (one[:256] for one in digits())
    model = mlp(64, 16, 10)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=4)

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), labels)
        loss.backward()
        return loss

    return watched(model, lambda step: optimizer.step(closure).detach(), 24, optimizer, every=1)


def fine_tuned():
    """A body that has learned already stays as it is, its norms too; a new head learns with small steps."""
    model = mlp(64, 48, 32, 10, norm=nn.BatchNorm1d)
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    inputs, labels = digits()
    for step in range(40):
        some = rows_of(inputs, step, 64)
        cross_entropy(model, inputs[some], labels[some]).backward()
        optimizer.step()
        optimizer.zero_grad()
    model[:-1].requires_grad_(False).eval()
    model[-1] = nn.Linear(32, 10)
    return model


def small_steps_below(parameters):
    """A hundredth of the head's learning rate for the body."""
    return torch.optim.AdamW([{"params": parameters[:-2], "lr": 1e-5}, {"params": parameters[-2:], "lr": 1e-3}])


def reinforced():
    """REINFORCE on ten arms with noisy pay and a running baseline: the loss wavers around 0 and says nothing."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model, base = mlp(64, 32, 10), [0.0]
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)

    def one_step(step):
        some = rows_of(inputs, step, 32)
        chosen = torch.distributions.Categorical(logits=model(inputs[some]))
        arms = chosen.sample()
        pay = (arms == labels[some]).float() + 0.3 * torch.randn(32)
        loss = -(chosen.log_prob(arms) * (pay - base[0])).mean() - 0.01 * chosen.entropy().mean()
        base[0] = 0.9 * base[0] + 0.1 * float(pay.mean())
        return loss

    return looped(model, one_step, 200, optimizer)


def values_that_spread():
    """TD(0) on a chain of twenty states paid at its end: the error is 0 nearly everywhere at first, and grows as
    values come through."""
    torch.manual_seed(0)
    model = mlp(20, 32, 1)
    nn.init.zeros_(model[-1].weight)
    target = copy.deepcopy(model).requires_grad_(False)
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    states = torch.eye(20)

    def one_step(step):
        if step % 10 == 0:
            target.load_state_dict(model.state_dict())
        some = torch.randint(0, 20, (32,))
        pay = 5.0 * (some == 19).float()
        following = target(states[(some + 1).clamp(max=19)])[:, 0] * (some < 19)
        loss = F.mse_loss(model(states[some])[:, 0], pay + 0.95 * following)
        return loss

    return looped(model, one_step, 200, optimizer)


def near_zero_and_wavering():
    """The clipped objective of PPO on normalised advantages, four passes over each batch: it begins at 0."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model, old = mlp(64, 32, 10), {}
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)

    def one_step(step):
        if step % 4 == 0:
            some = rows_of(inputs, step, 64)
            chosen = torch.distributions.Categorical(logits=model(inputs[some]).detach())
            arms = chosen.sample()
            pay = (arms == labels[some]).float()
            old.update(some=some, arms=arms, log=chosen.log_prob(arms), gain=(pay - pay.mean()) / (pay.std() + 1e-6))
        now = torch.distributions.Categorical(logits=model(inputs[old["some"]])).log_prob(old["arms"])
        ratio = (now - old["log"]).exp()
        loss = -torch.min(ratio * old["gain"], ratio.clamp(0.8, 1.2) * old["gain"]).mean()
        return loss

    return looped(model, one_step, 200, optimizer)


def contrast(model, inputs, labels):
    """InfoNCE of two noisy views among as many as the model has outputs: it begins near the logarithm of that."""
    one, two = (F.normalize(model(inputs + 0.2 * torch.randn_like(inputs)), dim=1) for _ in range(2))
    return F.cross_entropy(one @ two.T / 0.2, torch.arange(len(inputs)))


class Siamese(nn.Module):
    """SimSiam: a predictor on one side, no gradient on the other."""

    def __init__(self) -> None:
        super().__init__()
        self.body = mlp(64, 48, 16, norm=nn.BatchNorm1d)
        self.predictor = mlp(16, 8, 16)

    def forward(self, inputs):
        one, two = (self.body(inputs + 0.2 * torch.randn_like(inputs)) for _ in range(2))
        sides = ((self.predictor(one), two), (self.predictor(two), one))
        return -sum(F.cosine_similarity(guess, goal.detach()).mean() for guess, goal in sides) / 2


class WithTeacher(nn.Module):
    """A student beside a frozen teacher that follows it slowly."""

    def __init__(self) -> None:
        super().__init__()
        self.student = mlp(64, 32, 16)
        self.predictor = nn.Linear(16, 16)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)

    def forward(self, inputs):
        noisy = inputs + 0.1 * torch.randn_like(inputs)
        return -F.cosine_similarity(self.predictor(self.student(noisy)), self.teacher(inputs)).mean()

    def follow(self):
        with torch.no_grad():
            for slow, fast in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
                slow.lerp_(fast, 0.01)


def of_itself(model, inputs, labels):
    return model(inputs)


def money():
    """Targets of millions, brought to mean 0 and spread 1."""
    inputs, _ = digits()
    value = 3e6 + 4e5 * inputs.sum(1)
    return inputs, (value - value.mean()) / value.std()


def mostly_noise():
    """What can be known of the targets is learned at once; the noise that is left has a variance of 0.69."""
    inputs, _ = digits()
    return inputs, 0.05 * inputs.sum(1) / 16 + 0.83 * torch.randn(len(inputs))


def plateau_then_drop():
    """Parity of three bits among ten: at ln 2 for long, then all at once."""
    torch.manual_seed(1)
    model = mlp(10, 128, 2)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)

    def one_step(step):
        bits = torch.randint(0, 2, (128, 10))
        loss = F.cross_entropy(model(2.0 * bits - 1), bits[:, :3].sum(1) % 2)
        return loss

    return looped(model, one_step, 200, optimizer)


def sparse_rows():
    """Rows that seldom occur, with an optimizer for sparse gradients beside one for the rest."""
    torch.manual_seed(0)
    model = nn.ModuleDict({"words": nn.Embedding(400, 16, sparse=True), "out": nn.Linear(16, 4)})
    optimizers = (
        torch.optim.SparseAdam(model["words"].parameters(), 1e-2), torch.optim.Adam(model["out"].parameters(), 1e-2),
    )  # fmt: skip

    def one_step(step):
        words = (400 * torch.rand(32, 5).pow(3)).long()
        loss = F.cross_entropy(model["out"](model["words"](words).mean(1)), words[:, 0] % 4)
        return loss

    return looped(model, one_step, 160, *optimizers, every=3)


def hinge(model, inputs, labels):
    """Two digits that are easily told apart: soon every margin is met, and the gradient is exactly 0."""
    return F.relu(1 - model(inputs).squeeze(1) * (2.0 * labels - 1)).mean()


def zero_or_six():
    inputs, labels = digits()
    some = (labels == 0) | (labels == 6)
    return inputs[some], (labels[some] == 6).long()


def solved():
    """Least squares with Newton's steps on all of the data, exact after a few and then done."""
    torch.manual_seed(0)
    inputs = torch.randn(256, 8, dtype=torch.float64)
    targets = inputs @ torch.randn(8, 1, dtype=torch.float64)
    model = nn.Linear(8, 1).double()
    optimizer = torch.optim.SGD(model.parameters(), 0.4)

    def one_step(step):
        loss = F.mse_loss(model(inputs), targets)
        return loss

    return looped(model, one_step, 400, optimizer)


class Gated(nn.Module):
    """ReZero: each branch begins with a weight of 0."""

    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Linear(64, 32)
        self.blocks = nn.ModuleList(nn.Linear(32, 32) for _ in range(4))
        self.gates = nn.ParameterList(torch.zeros(1) for _ in range(4))
        self.out = nn.Linear(32, 10)

    def forward(self, inputs):
        x = self.start(inputs)
        for gate, block in zip(self.gates, self.blocks, strict=True):
            x = x + gate * F.relu(block(x))
        return self.out(x)


class TwoHeads(nn.Module):
    """One body for two tasks."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.digit, self.ink = mlp(64, 32, 32), nn.Linear(32, 10), nn.Linear(32, 1)


def tasks_in_turn():
    torch.manual_seed(0)
    inputs, labels = digits()
    model = TwoHeads()
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)

    def one_step(step):
        some = rows_of(inputs, step, 32)
        body = F.relu(model.body(inputs[some]))
        if step % 2:
            loss = F.cross_entropy(model.digit(body), labels[some])
        else:
            loss = F.mse_loss(model.ink(body)[:, 0], inputs[some].sum(1) / 16)
        return loss

    return looped(model, one_step, 160, optimizer, every=3)


class Variational(nn.Module):
    """A small VAE; the divergence's weight rises from 0."""

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode, self.weight = mlp(64, 32, 8), mlp(4, 32, 64), 0.0

    def forward(self, inputs):
        mean, log_variance = self.encode(inputs).chunk(2, 1)
        drawn = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        apart = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1).mean()
        return (self.decode(drawn) - inputs).square().sum(1).mean() + self.weight * apart


def heavier(model, optimizer, step):
    model.weight = min(1.0, step / 80)


def kept_small(model, optimizer, step):
    """The weights of a critic are held within ±0.05 after each step."""
    with torch.no_grad():
        for one in model.parameters():
            one.clamp_(-0.05, 0.05)


NEW = (
    Training("warm-up and cosine", "the first step has a learning rate of 0", with_(optimizer=adam(3e-3), schedule=warm_up)),
    Training("running mean of weights", "it is a copy beside the model", averaged),
    Training("bfloat16", "autocast on the CPU", with_(loss=in_bfloat16, optimizer=adam(2e-3))),
    Training("L-BFGS", "a closure that takes the gradients away itself, several times a step", lbfgs),
    Training("frozen body, new head", "small steps of the head alone", with_(make=fine_tuned, optimizer=lambda p: torch.optim.SGD([one for one in p if one.requires_grad], 0.01))),
    Training("small steps below", "1e-5 for the body is meant so", with_(optimizer=small_steps_below, steps=160)),
    Training("REINFORCE", "the loss is noise around 0", reinforced),
    Training("values that spread", "a TD error begins near 0 and grows while it learns", values_that_spread),
    Training("PPO", "its loss begins at 0 by construction", near_zero_and_wavering),
    Training("contrast", "begins near ln 16 with 16 outputs, and falls", with_(make=lambda: mlp(64, 48, 16), loss=contrast, size=16, optimizer=adam(3e-3))),
    Training("SimSiam", "a loss below 0, no gradient on one side by intention", with_(make=Siamese, loss=of_itself, optimizer=sgd(0.05, momentum=0.9))),
    Training("a teacher that follows", "frozen parameters that move all the same", with_(make=WithTeacher, loss=of_itself, optimizer=adam(1e-3), after_step=lambda model, optimizer, step: model.follow())),
    Training("label smoothing", "the loss keeps a floor", with_(loss=lambda m, x, y: F.cross_entropy(m(x), y, label_smoothing=0.2), optimizer=adam(3e-3))),
    Training("money, normalised", "targets of spread 1", with_(make=lambda: mlp(64, 32, 1), data=money, loss=against, optimizer=adam(2e-3))),
    Training("mostly noise", "a mean square that stays at 0.69 is no guessing between two", with_(make=lambda: mlp(64, 8, 1), data=mostly_noise, loss=against, optimizer=adam(3e-3), size=128)),
    Training("plateau, then a drop", "it does learn in the end", plateau_then_drop),
    Training("sparse rows", "an optimizer of its own for sparse gradients", sparse_rows),
    Training("clip at first", "only the first steps are clipped", with_(before_step=clipped(2.0), optimizer=sgd(0.3), steps=160)),
    Training("margins met", "the gradient is 0 since the loss is", with_(make=lambda: mlp(64, 16, 1), data=zero_or_six, loss=hinge, optimizer=adam(1e-2))),
    Training("solved", "steps are tiny since it is solved to the last digit", solved),
    Training("one sample a step", "a ReLU that is off for one sample is not dead", with_(size=1, optimizer=sgd(0.01), steps=240, make=lambda: mlp(64, 64, 64, 10))),
    Training("rare", "far below ln 2 from early on, by frequencies and then by knowledge", with_(make=lambda: mlp(64, 32, 1), data=rare, loss=whether, optimizer=adam(2e-3), steps=160)),
    Training("ReZero", "parameters of 0 move by infinitely much", with_(make=Gated, optimizer=adam(2e-3))),
    Training("tasks in turn", "each head has a gradient every other step", tasks_in_turn),
    Training("VAE", "the divergence's weight rises", with_(make=Variational, loss=of_itself, optimizer=adam(3e-3), after_step=heavier)),
    Training("weights held small", "clamped after each step, as WGAN has it", with_(after_step=kept_small, optimizer=lambda p: torch.optim.RMSprop(p, 5e-4), make=lambda: mlp(64, 32, 1), loss=lambda m, x, y: m(x + torch.randn_like(x)).mean() - m(x).mean())),
)  # fmt: skip


# -- written after the mends, before the verdicts on them were seen -------------------------------------------


def tiny():
    """Drawn fifty times smaller than usual."""
    model = plain()
    with torch.no_grad():
        for one in model.parameters():
            one.mul_(0.02)
    return model


def settled(optimizer):
    """Full speed for 60 steps, and then a decay to nothing."""
    return lr_scheduler.LambdaLR(optimizer, lambda n: 1.0 if n < 60 else 0.5 ** (n - 60))


def by_value(model, optimizer, step):
    nn.utils.clip_grad_value_(model.parameters(), 0.1)


NEWER = (
    Training("adversaries in place", "the memory of the gradients is kept and zeroed", lambda: adversaries(in_place=True)),
    Training("three turns of the critic", "more steps of one optimizer than of the other", lambda: adversaries(critics=3, steps=60)),
    Training("three turns in place", "the same, zeroed in place", lambda: adversaries(critics=3, steps=60, in_place=True)),
    Training("tiny draw", "weights grow many times, and it learns", with_(make=tiny, optimizer=adam(3e-3))),
    Training("settled", "nothing moves in the latter half, and it has learned", with_(optimizer=adam(5e-3), schedule=settled)),
    Training("few elements clipped", "by value, and few of them", with_(before_step=by_value, optimizer=sgd(0.2))),
    Training("pictures of themselves", "an autoencoder", with_(make=lambda: mlp(64, 16, 64), loss=lambda m, x, y: F.mse_loss(m(x), x), optimizer=adam(3e-3))),
    Training("signs", "only the gradient's signs are used by intention, by an optimizer and not by a clip", with_(optimizer=lambda p: torch.optim.Rprop(p, 1e-3), size=512, steps=60)),
)  # fmt: skip
