"""Ratios to themselves, labels of the output's own, what a pass leaves to the next, scores before a softmax, sums over samples."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.distributions import Categorical
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, one_of, through


def ratios(how):
    """PPO, whose old logarithm of the chance is detached, made anew with a gradient, or the new one itself."""

    def loss(logits, given):
        actions, gains = given
        new = Categorical(logits=logits).log_prob(actions)
        old = new.detach() if how == "detached" else Categorical(logits=logits).log_prob(actions)
        ratio = new.exp() / old.exp() if how == "divided" else torch.exp(new - old)
        bonus = Categorical(logits=logits).entropy().mean()
        return -torch.min(ratio * gains, ratio.clamp(0.8, 1.2) * gains).mean() - 0.01 * bonus

    return through(6, 32, 5, act=nn.Tanh), torch.randn(48, 6), (classes(48, 5), torch.randn(48)), loss


def own_labels(kind):
    """Labels that are the output's own largest; in the sound ones beside a term of the targets, or without targets."""

    def loss(o, y):
        own = F.cross_entropy(o, o.softmax(1).argmax(1))
        return own + F.cross_entropy(o, y) if kind == "beside" else own

    return through(9, 32, 5), torch.randn(40, 9), None if kind == "no targets" else classes(40, 5), loss


def margins(kind):
    """Hinges by hand, and a contrast of pairs, whose labels are 0 and 1 by rights."""

    def loss(o, y):
        if kind == "pairs":
            far = (o[:, 0] - o[:, 1]).abs()
            return (y * far**2 + (1 - y) * F.relu(1 - far) ** 2).mean()
        y = 2 * y - 1 if kind == "signs" else y
        short = 1 - y * o[:, 0]
        return F.relu(short).sum() / len(y) if kind == "relu" else short.clamp(min=0).pow(2).mean()

    return through(9, 32, 2), torch.randn(60, 9), classes(60, 2).float(), loss


def tied(how):
    """A language model whose head shares the embedding's numbers, as one parameter or by .data."""
    embed, out = nn.Embedding(20, 16), nn.Linear(16, 20, bias=False)
    if how == "data":
        out.weight.data = embed.weight.data
    elif how == "one":
        out.weight = embed.weight
    else:  # all of them one behind the other in a buffer, as some optimizers have it
        flat = torch.cat([embed.weight.data.flatten(), out.weight.data.flatten()]) / 4
        embed.weight.data, out.weight.data = (one.view(20, 16) for one in flat.split(320))
    nn.init.normal_(embed.weight, 0, 0.1)
    model = Runs(
        lambda s, x: s.out(s.mix(s.embed(x)).tanh()).transpose(1, 2), embed=embed, mix=nn.Linear(16, 16), out=out
    )
    x = torch.randint(0, 20, (12, 9))
    return model, x[:, :-1], x[:, 1:], F.cross_entropy


def bounded_scale(how):
    """A scale of each feature that is kept above 0: by a parameter made anew, in place, or as it is used."""

    def run(s, x):
        if how == "anew":
            s.scale = nn.Parameter(s.scale.clamp(min=0.1))
        elif how == "in place":
            s.scale.data.clamp_(min=0.1)
        return s.out(torch.tanh(s.first(x)) * s.scale)

    model = Runs(run, first=nn.Linear(6, 16), scale=nn.Parameter(torch.ones(16)), out=nn.Linear(16, 3))
    return model, torch.randn(32, 6), classes(32, 3), F.cross_entropy


def state_of_before(detaches):
    """An LSTM that goes on from batch to batch, once it has seen one."""

    def run(s, x):
        state = tuple(one.detach() for one in s.state) if detaches and s.state else s.state
        y, s.state = s.rnn(x, state)
        return s.out(y)

    model = Runs(run, rnn=nn.LSTM(4, 12, batch_first=True), out=nn.Linear(12, 2))
    model.state = None
    x, y = torch.randn(10, 8, 4), torch.randn(10, 8, 2)
    F.mse_loss(model(x), y).backward()
    return model, x, y, F.mse_loss


def remembers_its_shares():
    """An attention that keeps its last shares to be looked at."""

    def run(s, x):
        s.seen = (s.a(x) @ s.b(x).transpose(1, 2) / 4).softmax(-1)
        return s.out((s.seen @ x).mean(1))

    model = Runs(run, a=nn.Linear(6, 16), b=nn.Linear(6, 16), out=nn.Linear(6, 3))
    x, y = torch.randn(12, 7, 6), classes(12, 3)
    F.cross_entropy(model(x), y).backward()
    return model, x, y, F.cross_entropy


def hidden_keys(how):
    """Attention over sequences of different lengths."""

    def run(s, x, mask):
        scores, keys = s.a(x) @ s.b(x).transpose(1, 2) / 4, mask[:, None, :]
        if how == "filled":
            shares = scores.masked_fill(keys == 0, -torch.inf).softmax(-1)
        else:
            shares = (scores * keys).softmax(-1)
        if how == "again":  # AllenNLP's masked_softmax
            shares = shares * keys
            shares = shares / (shares.sum(-1, keepdim=True) + 1e-13)
        return s.out(((shares @ x) * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))

    lengths = torch.randint(2, 9, (14,))
    mask = (torch.arange(8) < lengths[:, None]).float()
    model = Runs(run, a=nn.Linear(6, 16), b=nn.Linear(6, 16), out=nn.Linear(6, 3))
    return model, (torch.randn(14, 8, 6) * mask[..., None], mask), classes(14, 3), F.cross_entropy


def codes_at(temperature, how="gumbel"):
    """An autoencoder through shares of a softmax."""

    def run(s, x):
        scores = s.enc(x)
        shares = (
            F.gumbel_softmax(scores, tau=temperature) if how == "gumbel" else (scores * (1 / temperature)).softmax(1)
        )
        return s.dec(shares) if how == "gumbel" else s.dec(torch.tanh(shares @ s.table))

    x = torch.rand(40, 12)
    model = Runs(run, enc=through(12, 32, 9), table=nn.Parameter(torch.randn(9, 9)), dec=nn.Linear(9, 12))
    if how == "gumbel":
        del model.table
    return model, x, x, F.mse_loss


def nearness(width):
    """Classes by how near a sample is to learned centres."""
    model = Runs(
        lambda s, x: s.out(torch.exp(-(x[:, None] - s.centres).pow(2).sum(-1) / width)),
        centres=nn.Parameter(torch.randn(16, 12)),
        out=nn.Linear(16, 3),
    )
    return model, torch.randn(40, 12), classes(40, 3), F.cross_entropy


def softmaxes_between(act):
    """Six layers of convolutions, with the same activation between each two."""

    def run(s, x):
        for one in s.layers[:-1]:
            x = act(one(x))
        return s.layers[-1](x).mean(2)

    layers = nn.ModuleList(nn.Conv1d(4 if k == 0 else 24, 24, 1) for k in range(5))
    layers.append(nn.Conv1d(24, 3, 1))
    return Runs(run, layers=layers), torch.randn(24, 4, 7), classes(24, 3), F.cross_entropy


def clipped_critic(bound):
    parts = [m for k in range(6) for m in (nn.Conv2d(3 if k == 0 else 16, 16, 3, padding=1), nn.LeakyReLU(0.2))]
    model = nn.Sequential(*parts, nn.Flatten(), nn.Linear(16 * 36, 1))
    for one in model.parameters():
        one.data.clamp_(-bound, bound)
    return model, torch.randn(24, 3, 6, 6), None, lambda o, _: o[12:].mean() - o[:12].mean()


def places_added(how):
    """Tokens and their places, through a norm and two layers."""

    def run(s, x):
        h, at = s.embed(x), torch.arange(x.shape[1]).float()
        if how in ("counted", "counted after a norm"):
            h = h + at[:, None]
        elif how == "sines":
            rate = torch.exp(-torch.arange(0, 16, 2) * 0.5)
            h = h + torch.cat([torch.sin(at[:, None] * rate), torch.cos(at[:, None] * rate)], 1)
        else:
            h = h + at[:, None] / len(at)
        h = s.norm(h) if how == "counted after a norm" else h
        return s.out(F.gelu(s.mix(h)).mean(1))

    model = Runs(run, embed=nn.Embedding(30, 16), norm=nn.LayerNorm(16), mix=nn.Linear(16, 32), out=nn.Linear(32, 3))
    if how != "counted after a norm":
        del model.norm
    nn.init.normal_(model.embed.weight, std=0.02)
    return model, torch.randint(0, 30, (24, 60)), classes(24, 3), F.cross_entropy


def pooled(steps, axis, first=True):
    """A recurrent layer's states, of which a maximum is taken along an axis."""

    def run(s, x):
        return s.out(s.rnn(x if first else x.transpose(0, 1))[0].amax(axis))

    model = Runs(run, rnn=nn.GRU(5, 12, batch_first=first), out=nn.Linear(12, 3))
    return model, torch.randn(16, steps, 5), classes(16, 3), F.cross_entropy


def steps_first():
    """Steps first without, samples first within a layer that has it so."""

    def run(s, x):
        return s.out(s.rnn(x.transpose(0, 1))[0].transpose(0, 1).mean(0))

    model = Runs(run, rnn=nn.GRU(5, 12, batch_first=True), out=nn.Linear(12, 3))
    return model, torch.randn(14, 14, 5), classes(14, 3), F.cross_entropy


FIFTH_SICK = (
    Case("a ratio to itself", "old not detached", lambda: ratios("anew"), one_of("term_without_gradient"), ("(kinds_fifth.py, line", "cancel", "detach")),
    Case("a ratio of two chances", "old not detached", lambda: ratios("divided"), one_of("term_without_gradient"), ("(kinds_fifth.py, line", "cancel", "detach")),
    Case("its own labels", "argmax of the output", lambda: own_labels("own"), one_of("moving_target"), ("cross_entropy", "targets", "not used|does not use")),
    Case("a hinge of 0 and 1", "relu", lambda: margins("relu"), one_of("target_range"), ("0", "−1", "2 * targets − 1")),
    Case("a squared hinge of 0 and 1", "clamp", lambda: margins("squared"), one_of("target_range"), ("0", "−1", "2 * targets − 1")),
    Case("a head in the embedding's memory", ".data", lambda: tied("data"), one_of("one memory"), ("embed.weight", "out.weight", "memory")),
    Case("a scale made anew", "nn.Parameter in forward", lambda: bounded_scale("anew"), one_of("parameter made anew"), ("scale", "a new one", "optimizer")),
    Case("the state of the batch before", "not detached", lambda: state_of_before(False), one_of("kept graph"), ("state", "detach")),
    Case("keys hidden by 0", "scores * mask", lambda: hidden_keys("times"), one_of("masked by 0"), ("softmax", "masked_fill")),
    Case("codes at a temperature of 0.002", "gumbel_softmax", lambda: codes_at(0.002), one_of("temperature"), ("0.002", "temperature of 1")),
    Case("shares at a temperature of 0.001", "scores * 1000", lambda: codes_at(0.001, "by hand"), one_of("temperature"), ("0.001", "temperature of 1")),
    Case("kernels that are too narrow", "exp(−d²/0.01)", lambda: nearness(0.01), one_of("no_gradient"), ("exp (kinds_fifth.py, line", "underflow")),
    Case("softmaxes between layers", "as activations", lambda: softmaxes_between(lambda h: F.softmax(h, 1)), one_of("vanishing", "same output"), ("softmaxes", "activations", "relu")),
    Case("a critic clipped to 0.005", "WGAN", lambda: clipped_critic(0.005), one_of("vanishing"), ("0.005", "clipped", "penalty")),
    Case("places counted", "arange added", lambda: places_added("counted"), one_of("position code"), ("tokens of 0.02", "nn.embedding")),
    Case("places counted, and a norm", "arange added", lambda: places_added("counted after a norm"), one_of("position code"), ("tokens of 0.02", "nn.embedding")),
    Case("a maximum over the samples", "amax(0) of as many steps", lambda: pooled(16, 0), one_of("pooled samples"), ("(16, 16, 12)", "second axis", "mean(1)")),
)  # fmt: skip

FIFTH_SOUND = (
    Case("a ratio to what is detached", "Shao 2024", lambda: ratios("detached")),
    Case("its own labels beside others", "Sohn 2020", lambda: own_labels("beside")),
    Case("its own labels alone", "Lee 2013", lambda: own_labels("no targets")),
    Case("a squared hinge of signs", "Tang 2013", lambda: margins("signs")),
    Case("pairs near and far", "Hadsell 2006", lambda: margins("pairs")),
    Case("a head that is the embedding", "Press 2016", lambda: tied("one")),
    Case("parameters in one buffer", "apex", lambda: tied("flat")),
    Case("a scale bounded in place", "", lambda: bounded_scale("in place")),
    Case("a scale as it is", "", lambda: bounded_scale("")),
    Case("the state of the batch before, detached", "Merity 2017", lambda: state_of_before(True)),
    Case("shares kept to be looked at", "", remembers_its_shares),
    Case("keys hidden by −inf", "Vaswani 2017", lambda: hidden_keys("filled")),
    Case("keys hidden by 0 and again", "Gardner 2018", lambda: hidden_keys("again")),
    Case("codes at a temperature of 1", "Jang 2016", lambda: codes_at(1.0)),
    Case("codes at a temperature of 0.1", "Jang 2016", lambda: codes_at(0.1)),
    Case("kernels that are wide", "Broomhead 1988", lambda: nearness(24.0)),
    Case("GELUs between layers", "", lambda: softmaxes_between(F.gelu)),
    Case("a critic clipped to 1", "", lambda: clipped_critic(1.0)),
    Case("places by sines", "Vaswani 2017", lambda: places_added("sines")),
    Case("places by shares", "", lambda: places_added("shares")),
    Case("a maximum over as many steps", "", lambda: pooled(16, 1)),
    Case("a maximum over as many steps, which come first", "", lambda: pooled(16, 0, first=False)),
    Case("a mean over as many steps, which come first", "", steps_first),
)  # fmt: skip
