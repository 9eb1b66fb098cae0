"""Published architectures for sequences, sets, graphs, fields, tables and decisions, small, drawn as published."""

# ruff: noqa: E501

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, through


def tagger():
    def run(s, x, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(s.words(x), lengths, batch_first=True, enforce_sorted=False)
        return s.out(nn.utils.rnn.pad_packed_sequence(s.lstm(packed)[0], batch_first=True)[0])

    model = Runs(run, words=nn.Embedding(50, 16, padding_idx=0), out=nn.Linear(48, 6),
                 lstm=nn.LSTM(16, 24, 2, batch_first=True, bidirectional=True, dropout=0.3))  # fmt: skip
    lengths = torch.tensor([12, 9, 12, 5, 7, 3])
    padding = torch.arange(12) >= lengths[:, None]
    tags = torch.randint(0, 6, (6, 12)).masked_fill(padding, -100)
    tokens = torch.randint(1, 50, (6, 12)).masked_fill(padding, 0)
    return model, (tokens, lengths), tags, lambda o, t: F.cross_entropy(o.flatten(0, 1), t.flatten())


def seq2seq():
    def run(s, source, target):
        memory, last = s.encoder(s.there(source))
        states, _ = s.decoder(s.back(target), last)
        return s.out(torch.cat((states, (s.score(states) @ memory.mT).softmax(-1) @ memory), -1))

    model = Runs(run, there=nn.Embedding(50, 16), encoder=nn.GRU(16, 32, batch_first=True), back=nn.Embedding(50, 16),
                 decoder=nn.GRU(16, 32, batch_first=True), score=nn.Linear(32, 32), out=nn.Linear(64, 50))  # fmt: skip
    source, target = torch.randint(0, 50, (8, 12)), torch.randint(0, 50, (8, 10))
    return model, (source, target), target, lambda o, t: F.cross_entropy(o[:, :-1].flatten(0, 1), t[:, 1:].flatten())


def wavenet():
    def run(s, x):
        x, given = s.first(x), 0
        for i, (gated, out) in enumerate(zip(s.gated, s.outs, strict=True)):
            a, b = gated(F.pad(x, (2**i, 0))).chunk(2, 1)
            h = out(a.tanh() * b.sigmoid())
            x, given = x + h[:, :16], given + h[:, 16:]
        return s.last(given)

    model = Runs(run, first=nn.Conv1d(1, 16, 1), gated=nn.ModuleList(nn.Conv1d(16, 32, 2, dilation=2**i) for i in range(6)),
                 outs=nn.ModuleList(nn.Conv1d(16, 32, 1) for _ in range(6)),
                 last=nn.Sequential(nn.ReLU(), nn.Conv1d(16, 16, 1), nn.ReLU(), nn.Conv1d(16, 32, 1)))  # fmt: skip
    return model, torch.rand(4, 1, 80) * 2 - 1, torch.randint(0, 32, (4, 80)), F.cross_entropy


def tcn():
    def layer(a, b, step):
        def way(one, two):
            conv = nn.utils.parametrizations.weight_norm(nn.Conv1d(one, two, 3, dilation=step, padding=2 * step))
            nn.init.normal_(conv.weight, 0, 0.01)
            return conv

        def run(s, x):
            h = s.drop(F.relu(s.one(x)[..., : -2 * step]))
            h = s.drop(F.relu(s.two(h)[..., : -2 * step]))
            return F.relu(h + s.short(x))

        return Runs(run, one=way(a, b), two=way(b, b), drop=nn.Dropout(0.2), short=nn.Conv1d(a, b, 1))

    model = nn.Sequential(*[layer(a, 16, 2**i) for i, a in enumerate((4, 16, 16))], nn.Conv1d(16, 5, 1))
    return model, torch.randn(8, 4, 40), torch.randint(0, 5, (8, 40)), F.cross_entropy


def speech():
    def run(s, x):
        h = s.conv(x[:, None]).transpose(1, 2).flatten(2)
        return s.out(s.gru(h)[0]).log_softmax(-1).transpose(0, 1)

    conv = nn.Sequential(nn.Conv2d(1, 8, 3, (2, 2), 1), nn.BatchNorm2d(8), nn.Hardtanh(0, 20))
    model = Runs(run, conv=conv, gru=nn.GRU(80, 32, 2, batch_first=True, bidirectional=True), out=nn.Linear(64, 12))
    lengths = torch.tensor([8, 6, 7, 5])
    return model, torch.randn(4, 60, 20), torch.randint(1, 12, (4, 8)), lambda o, t: (
        F.ctc_loss(o, t, torch.full((4,), 30), lengths))  # fmt: skip


def gcn():
    joined = (torch.rand(40, 40) < 0.1).float()
    joined = ((joined + joined.T) > 0).float().fill_diagonal_(1)
    way = joined.sum(1).rsqrt()
    joined = way[:, None] * joined * way

    def run(s, x, a):
        return a @ s.two(F.dropout(F.relu(a @ s.one(x)), 0.5, s.training))

    model = Runs(run, one=nn.Linear(30, 16), two=nn.Linear(16, 4))
    for one in (model.one, model.two):
        nn.init.xavier_uniform_(one.weight)
    told = torch.rand(40) < 0.4
    return model, (torch.randn(40, 30), joined), classes(40, 4), lambda o, t: F.cross_entropy(o[told], t[told])


def pointnet():
    def points(*sizes):
        return nn.Sequential(*[m for a, b in pairwise(sizes)
                               for m in (nn.Conv1d(a, b, 1), nn.BatchNorm1d(b), nn.ReLU())])  # fmt: skip

    def run(s, x):
        turn = s.turn(s.seen(x).amax(-1)).view(-1, 3, 3) + torch.eye(3)
        return s.out(s.body(turn @ x).amax(-1))

    turn = through(64, 32, 9)
    nn.init.zeros_(turn[2].weight)
    nn.init.zeros_(turn[2].bias)
    model = Runs(run, seen=points(3, 32, 64), turn=turn, body=points(3, 32, 64, 128),
                 out=nn.Sequential(nn.Linear(128, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 10)))  # fmt: skip
    return model, torch.randn(8, 3, 64), classes(8, 10), F.cross_entropy


def deep_sets():
    model = Runs(
        lambda s, x: s.rho(s.phi(x).sum(1)), phi=through(4, 32, 32, act=nn.ELU), rho=through(32, 32, 1, act=nn.ELU)
    )
    x = torch.randn(16, 10, 4)
    return model, x, x.amax((1, 2))[:, None], F.mse_loss


class Sine(nn.Module):
    """sin(30 x), as published."""

    def forward(self, x):
        return torch.sin(30 * x)


def siren():
    model = through(2, 64, 64, 64, 64, 1, act=Sine)
    for i, one in enumerate(m for m in model if isinstance(m, nn.Linear)):
        most = 1 / 2 if i == 0 else math.sqrt(6 / 64) / 30
        nn.init.uniform_(one.weight, -most, most)
    x = torch.rand(256, 2) * 2 - 1
    return model, x, torch.rand(256, 1), F.mse_loss


def nerf():
    def run(s, x):
        at = (x[..., None] * 2.0 ** torch.arange(6) * math.pi).flatten(1)
        at = torch.cat((x, at.sin(), at.cos()), 1)
        h = s.second(torch.cat((at, F.relu(s.first(at))), 1))
        return torch.cat((s.colour(h).sigmoid(), F.relu(s.density(h))), 1)

    model = Runs(run, first=through(39, 64, 64, 64, 64), second=nn.Sequential(through(103, 64, 64), nn.ReLU()),
                 colour=through(64, 32, 3), density=nn.Linear(64, 1))  # fmt: skip
    return model, torch.rand(256, 3) * 2 - 1, torch.rand(256, 4), F.mse_loss


def flow():
    """Coupling layers whose last begin at 0; the loss is the density's."""

    def run(s, x):
        volume = 0
        for net in s.nets:
            a, b = x.chunk(2, 1)
            scale, shift = net(a).chunk(2, 1)
            scale = scale.tanh()
            x, volume = torch.cat((b * scale.exp() + shift, a), 1), volume + scale.sum(1)
        return x, volume

    nets = nn.ModuleList(through(3, 32, 32, 6) for _ in range(6))
    for net in nets:
        nn.init.zeros_(net[4].weight)
        nn.init.zeros_(net[4].bias)
    return Runs(run, nets=nets), torch.randn(32, 6), None, lambda o, t: (o[0].square().sum(1) / 2 - o[1]).mean()


def dqn():
    seen = nn.Sequential(nn.Conv2d(4, 16, 8, 4), nn.ReLU(), nn.Conv2d(16, 32, 4, 2), nn.ReLU(), nn.Flatten(),
                         nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 4))  # fmt: skip
    acted, worth = classes(8, 4), torch.randn(8)
    return seen, torch.rand(8, 4, 48, 48), worth, lambda o, t: F.smooth_l1_loss(o[torch.arange(8), acted], t)


def actor_critic():
    model = Runs(lambda s, x: (s.actor(h := s.body(x)), s.critic(h)), body=through(8, 64, 64, act=nn.Tanh),
                 actor=nn.Linear(64, 4), critic=nn.Linear(64, 1))  # fmt: skip
    for one in (model.body[0], model.body[2]):
        nn.init.orthogonal_(one.weight, math.sqrt(2))
    nn.init.orthogonal_(model.actor.weight, 0.01)
    acted, gained = classes(32, 4), torch.randn(32)

    def loss(o, t):
        logs = o[0].log_softmax(-1)
        entropy = -(logs.exp() * logs).sum(-1).mean()
        worth = o[1][:, 0]
        return (
            -(logs[torch.arange(32), acted] * (t - worth.detach())).mean() + 0.5 * F.mse_loss(worth, t) - 0.01 * entropy
        )

    return model, torch.randn(32, 8), gained, loss


def word2vec():
    """Vectors drawn small, and the others 0, as published."""
    model = Runs(lambda s, at, near, far: ((s.inner(at) * s.outer(near)).sum(-1), (s.outer(far) @ s.inner(at)[..., None])[..., 0]),
                 inner=nn.Embedding(80, 16), outer=nn.Embedding(80, 16))  # fmt: skip
    nn.init.uniform_(model.inner.weight, -0.5 / 16, 0.5 / 16)
    nn.init.zeros_(model.outer.weight)
    inputs = classes(64, 80), classes(64, 80), torch.randint(0, 80, (64, 5))
    return model, inputs, None, lambda o, t: -F.logsigmoid(o[0]).mean() - F.logsigmoid(-o[1]).sum(-1).mean()


def factors():
    def run(s, user, item):
        return (s.users(user) * s.items(item)).sum(-1) + s.by_user(user)[:, 0] + s.by_item(item)[:, 0] + s.mean

    model = Runs(run, users=nn.Embedding(40, 8), items=nn.Embedding(30, 8), by_user=nn.Embedding(40, 1),
                 by_item=nn.Embedding(30, 1), mean=nn.Parameter(torch.tensor(3.5)))  # fmt: skip
    for one in (model.users, model.items):
        nn.init.normal_(one.weight, 0, 0.1)
    for one in (model.by_user, model.by_item):
        nn.init.zeros_(one.weight)
    return model, (classes(64, 40), classes(64, 30)), torch.randint(1, 6, (64,)).float(), F.mse_loss


def dlrm():
    def run(s, numbers, kinds):
        all_ = torch.stack([s.below(numbers), *[one(kinds[:, i]) for i, one in enumerate(s.tables)]], 1)
        pairs = (all_ @ all_.mT)[:, *torch.tril_indices(5, 5, -1)]
        return s.above(torch.cat((all_[:, 0], pairs), 1))[:, 0]

    model = Runs(run, below=nn.Sequential(through(6, 32, 8), nn.ReLU()), above=through(18, 32, 16, 1),
                 tables=nn.ModuleList(nn.Embedding(n, 8) for n in (20, 50, 10, 100)))  # fmt: skip
    for one in model.tables:
        nn.init.uniform_(one.weight, -1 / math.sqrt(one.num_embeddings), 1 / math.sqrt(one.num_embeddings))
    inputs = torch.rand(64, 6), torch.randint(0, 10, (64, 4))
    return model, inputs, classes(64, 2).float(), F.binary_cross_entropy_with_logits


class Rounded(nn.Linear):
    """Weights of 8 bits on the way forward, straight through on the way back."""

    def forward(self, x):
        scale = self.weight.detach().abs().max() / 127
        weight = self.weight + ((self.weight / scale).round() * scale - self.weight).detach()
        return F.linear(x, weight, self.bias)


def quantised():
    model = nn.Sequential(Rounded(16, 32), nn.ReLU(), Rounded(32, 32), nn.ReLU(), Rounded(32, 4))
    return model, torch.randn(32, 16), classes(32, 4), F.cross_entropy


OTHERS = (
    Case("tagger with an LSTM, packed", "Huang 2015", tagger),
    Case("GRU to GRU, attending", "Luong 2015", seq2seq),
    Case("WaveNet", "van den Oord 2016", wavenet),
    Case("TCN", "Bai 2018", tcn),
    Case("speech with CTC", "Amodei 2015", speech),
    Case("GCN", "Kipf 2016", gcn),
    Case("PointNet", "Qi 2016", pointnet),
    Case("DeepSets", "Zaheer 2017", deep_sets),
    Case("SIREN", "Sitzmann 2020", siren),
    Case("NeRF", "Mildenhall 2020", nerf),
    Case("coupling layers", "Dinh 2016", flow),
    Case("DQN", "Mnih 2015", dqn),
    Case("actor and critic", "Mnih 2016", actor_critic),
    Case("word2vec", "Mikolov 2013", word2vec),
    Case("matrix factorisation", "Koren 2009", factors),
    Case("DLRM", "Naumov 2019", dlrm),
    Case("straight through rounding", "Jacob 2017", quantised),
)
