"""Published models with losses of their own that do something unusual, and are sound."""

import math

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from tests.core.layers.field.case import Case, Runs, classes, through


def zero_residuals():
    """Residual blocks whose last layer begins at 0, scaled by parameters."""

    def block():
        body = nn.Sequential(
            nn.Conv2d(12, 12, 3, padding=1, bias=False), nn.ReLU(), nn.Conv2d(12, 12, 3, padding=1, bias=False)
        )
        nn.init.zeros_(body[2].weight)
        return Runs(
            lambda s, x: F.relu(x + s.scale * s.body(x + s.shift)),
            body=body,
            scale=nn.Parameter(torch.ones(1)),
            shift=nn.Parameter(torch.zeros(1)),
        )

    model = nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1),
        *(block() for _ in range(4)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(12, 5),
    )
    return model, torch.randn(12, 3, 10, 10), classes(12, 5), F.cross_entropy


def turned(x):
    """Rotary codes, in pairs of neighbouring features."""
    angle = torch.arange(x.shape[-2])[:, None] * 1e4 ** (-torch.arange(0, x.shape[-1], 2) / x.shape[-1])
    one, two = x[..., ::2], x[..., 1::2]
    return torch.stack((one * angle.cos() - two * angle.sin(), one * angle.sin() + two * angle.cos()), -1).flatten(-2)


class Llama(nn.Module):
    """A block with rotary codes, RMSNorm and a gated layer."""

    def __init__(self, width: int = 24, heads: int = 3) -> None:
        super().__init__()
        self.heads = heads
        self.one, self.two = nn.RMSNorm(width), nn.RMSNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.gate, self.up, self.down = (
            nn.Linear(width, 48, bias=False),
            nn.Linear(width, 48, bias=False),
            nn.Linear(48, width, bias=False),
        )

    def forward(self, x):
        q, k, v = (one.unflatten(-1, (self.heads, -1)).transpose(1, 2) for one in self.qkv(self.one(x)).chunk(3, -1))
        y = F.scaled_dot_product_attention(turned(q), turned(k), v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).flatten(2))
        h = self.two(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


def llama():
    model = nn.Sequential(nn.Embedding(40, 24), Llama(), Llama(), nn.RMSNorm(24), nn.Linear(24, 40, bias=False))
    tokens = torch.randint(0, 40, (12, 11))
    return model, tokens[:, :-1], tokens[:, 1:], lambda o, y: F.cross_entropy(o.flatten(0, 1), y.flatten())


def switch():
    """Tokens that each go to one expert, scaled by its chance, with a term that balances the load."""

    def run(s, x):
        h = s.inp(x)
        shares = s.gate(h).softmax(-1)
        best, which = shares.max(-1)
        given = torch.zeros_like(h)
        for i, one in enumerate(s.experts):
            mine = (which == i).nonzero()[:, 0]
            given = given.index_add(0, mine, best[mine, None] * one(h[mine]))
        load = F.one_hot(which, len(s.experts)).float().mean(0)
        return s.head(h + given), len(s.experts) * (load * shares.mean(0)).sum()

    model = Runs(
        run,
        inp=nn.Linear(8, 16),
        gate=nn.Linear(16, 4),
        experts=nn.ModuleList(through(16, 32, 16) for _ in range(4)),
        head=nn.Linear(16, 3),
    )
    return model, torch.randn(256, 8), classes(256, 3), lambda o, y: F.cross_entropy(o[0], y) + 0.01 * o[1]


def vq(how):
    """Codes that go straight through, in one stage or in several, each of what the one before has left."""

    def run(s, x):
        rest, total, errors = s.inp(x), 0, 0
        for table in s.tables:
            found = table(torch.cdist(rest.detach(), table.weight).argmin(-1))
            errors = errors + F.mse_loss(found, rest.detach()) + 0.25 * F.mse_loss(rest, found.detach())
            total = total + rest + (found - rest).detach()
            rest = rest - found.detach()
        return s.out(total), errors

    stages = 1 if how == "one" else 3
    model = Runs(
        run,
        inp=through(10, 32, 6),
        tables=nn.ModuleList(nn.Embedding(24, 6) for _ in range(stages)),
        out=through(6, 32, 10),
    )
    x = torch.randn(96, 10)
    return model, x, x, lambda o, y: F.mse_loss(o[0], y) + o[1]


def tcn():
    """Causal convolutions with weight norm, read at the last step."""

    def block(a, b, apart):
        conv = weight_norm(nn.Conv1d(a, b, 3, dilation=apart))
        return nn.Sequential(nn.ConstantPad1d((2 * apart, 0), 0.0), conv, nn.ReLU(), nn.Dropout(0.1))

    body = nn.Sequential(block(4, 16, 1), block(16, 16, 2), block(16, 16, 4))
    model = Runs(lambda s, x: s.head(s.body(x)[:, :, -1]), body=body, head=nn.Linear(16, 1))
    return model, torch.randn(20, 4, 24), torch.randn(20, 1), F.mse_loss


def critic():
    """A critic with spectral norm and a hinge loss of real ones and made ones."""
    body = nn.Sequential(
        spectral_norm(nn.Conv2d(3, 16, 4, 2, 1)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(16, 32, 4, 2, 1)),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        spectral_norm(nn.Linear(32 * 16, 1)),
    )
    real = torch.arange(16) < 8
    return (
        body,
        torch.rand(16, 3, 16, 16) * 2 - 1,
        real,
        lambda o, y: F.relu(1 - o[y]).mean() + F.relu(1 + o[~y]).mean(),
    )


class Scan(nn.Module):
    """A state space with steps of its own for each input."""

    def __init__(self, width: int, states: int) -> None:
        super().__init__()
        self.log_a = nn.Parameter(torch.arange(1.0, states + 1).log().repeat(width, 1))
        self.d = nn.Parameter(torch.ones(width))
        self.size, self.b, self.c = nn.Linear(width, width), nn.Linear(width, states), nn.Linear(width, states)
        nn.init.constant_(self.size.bias, -3.0)

    def forward(self, x):
        size, b, c = F.softplus(self.size(x)), self.b(x), self.c(x)
        kept = torch.exp(-size.unsqueeze(-1) * self.log_a.exp())
        added = (size * x).unsqueeze(-1) * b.unsqueeze(2)
        state, given = torch.zeros_like(added[:, 0]), []
        for i in range(x.shape[1]):
            state = kept[:, i] * state + added[:, i]
            given.append((state * c[:, i, None]).sum(-1))
        return torch.stack(given, 1) + self.d * x


def mamba():
    """Gated state spaces with residuals."""

    def run(s, x):
        h = s.inp(x)
        for norm, wide, scan, back in s.blocks:
            y, gate = wide(norm(h)).chunk(2, -1)
            h = h + back(scan(F.silu(y)) * F.silu(gate))
        return s.head(h[:, -1])

    blocks = nn.ModuleList(
        nn.ModuleList([nn.LayerNorm(12), nn.Linear(12, 48), Scan(24, 4), nn.Linear(24, 12)]) for _ in range(2)
    )
    return (
        Runs(run, inp=nn.Linear(3, 12), blocks=blocks, head=nn.Linear(12, 4)),
        torch.randn(16, 14, 3),
        classes(16, 4),
        F.cross_entropy,
    )


def flow_of_pairs():
    """Affine couplings with a norm from the first batch, and the likelihood as a loss."""

    def run(s, x):
        total = 0
        for i, net in enumerate(s.nets):
            x = (x - s.shift[i]) * s.scale[i].exp()
            a, b = x.chunk(2, 1)
            size, shift = net(a).chunk(2, 1)
            size = 2 * torch.tanh(size / 2)
            x = torch.cat((b * size.exp() + shift, a), 1)
            total = total + size.sum(1) + s.scale[i].sum()
        return x, total

    nets = nn.ModuleList(through(3, 32, 6) for _ in range(4))
    for net in nets:
        nn.init.zeros_(net[-1].weight)
        nn.init.zeros_(net[-1].bias)
    model = Runs(run, nets=nets, shift=nn.Parameter(torch.zeros(4, 6)), scale=nn.Parameter(torch.zeros(4, 6)))
    return (
        model,
        torch.randn(64, 6) @ torch.randn(6, 6),
        torch.zeros(64),
        lambda o, _: (0.5 * (o[0] ** 2).sum(1) + 3 * math.log(2 * math.pi) - o[1]).mean(),
    )


def simsiam():
    """Two views, a projector with batch norm, a predictor, and a stopped gradient."""

    def run(s, a, b):
        one, two = s.body(a), s.body(b)
        return s.predictor(one), s.predictor(two), one.detach(), two.detach()

    def loss(o, _):
        return -(F.cosine_similarity(o[0], o[3], dim=1).mean() + F.cosine_similarity(o[1], o[2], dim=1).mean()) / 2

    body = nn.Sequential(
        nn.Linear(12, 32, bias=False),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Linear(32, 16, bias=False),
        nn.BatchNorm1d(16, affine=False),
    )
    predictor = nn.Sequential(nn.Linear(16, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 16))
    x = torch.randn(64, 12)
    return (
        Runs(run, body=body, predictor=predictor),
        (x + 0.1 * torch.randn_like(x), x + 0.1 * torch.randn_like(x)),
        torch.zeros(64),
        loss,
    )


def equilibrium():
    """A fixed point that is found without gradients, and one step more with them."""

    def run(s, x):
        given = s.inp(x)
        with torch.no_grad():
            z = torch.zeros_like(given)
            for _ in range(30):
                z = torch.tanh(0.5 * s.inner(z) + given)
        return s.head(torch.tanh(0.5 * s.inner(z) + given))

    return (
        Runs(run, inp=nn.Linear(10, 20), inner=nn.Linear(20, 20), head=nn.Linear(20, 4)),
        torch.randn(40, 10),
        classes(40, 4),
        F.cross_entropy,
    )


def hypernet():
    """Weights of a layer, made of a task's code for each sample."""

    def run(s, x, task):
        w = s.made(s.tasks(task)).view(-1, 12, 8) / 8**0.5
        h = torch.bmm(w, x.unsqueeze(-1)).squeeze(-1)
        return s.head(F.gelu(h))

    model = Runs(run, tasks=nn.Embedding(6, 10), made=through(10, 32, 96, act=nn.Tanh), head=nn.Linear(12, 1))
    return model, (torch.randn(48, 8), torch.randint(0, 6, (48,))), torch.randn(48, 1), F.smooth_l1_loss


def seq2seq():
    """A GRU that reads, one that writes by additive attention, and padding that the loss leaves out."""

    def run(s, source, target):
        kept, state = s.reader(s.embed(source))
        given = []
        for token in s.embed(target).unbind(1):
            scores = s.v(torch.tanh(s.q(state[-1])[:, None] + s.k(kept))).squeeze(-1)
            seen = (scores.masked_fill(source == 0, -math.inf).softmax(1)[:, None] @ kept)[:, 0]
            y, state = s.writer(torch.cat((token, seen), 1)[:, None], state)
            given.append(s.out(y[:, 0]))
        return torch.stack(given, 1)

    model = Runs(
        run,
        embed=nn.Embedding(25, 12, padding_idx=0),
        reader=nn.GRU(12, 16, batch_first=True),
        writer=nn.GRU(28, 16, batch_first=True),
        q=nn.Linear(16, 16),
        k=nn.Linear(16, 16),
        v=nn.Linear(16, 1),
        out=nn.Linear(16, 25),
    )
    source, target = torch.randint(1, 25, (14, 9)), torch.randint(1, 25, (14, 8))
    source[3:, 7:], target[3:, 6:] = 0, 0
    return (
        model,
        (source, target[:, :-1]),
        target[:, 1:],
        lambda o, y: F.cross_entropy(o.transpose(1, 2), y, ignore_index=0),
    )


def barlow():
    """Features that are standardised over the batch, and correlations of two views."""

    def loss(o, _):
        one, two = ((z - z.mean(0)) / z.std(0) for z in o)
        c = one.T @ two / len(one)
        return (c.diagonal() - 1).square().sum() + 0.005 * (c - torch.diag(c.diagonal())).square().sum()

    body = through(12, 48, 16)
    x = torch.randn(64, 12)
    return (
        Runs(lambda s, a, b: (s.body(a), s.body(b)), body=body),
        (x, x + 0.3 * torch.randn_like(x)),
        torch.zeros(64),
        loss,
    )


def pairs_in_turn():
    """Pairs that stand one after the other in the batch, compared with each other by the loss."""

    def loss(z, _):
        z = F.normalize(z, dim=1)
        return F.cross_entropy(z[::2] @ z[1::2].T / 0.2, torch.arange(len(z) // 2))

    return through(10, 32, 8), torch.randn(24, 2, 10).add(torch.randn(24, 1, 10)).flatten(0, 1), torch.zeros(48), loss


def clusters():
    """Prototypes, and codes that Sinkhorn's scalings of the whole batch make without a gradient."""

    def run(s, a, b):
        return s.prototypes(F.normalize(s.body(a), dim=1)), s.prototypes(F.normalize(s.body(b), dim=1))

    @torch.no_grad()
    def codes(scores):
        q = (scores / 0.05).exp().T
        q = q / q.sum()
        for _ in range(3):
            q = q / q.sum(1, keepdim=True) / len(q)
            q = q / q.sum(0, keepdim=True) / q.shape[1]
        return (q * q.shape[1]).T

    def loss(o, _):
        return (
            -(
                (codes(o[0]) * (o[1] / 0.1).log_softmax(1)).sum(1) + (codes(o[1]) * (o[0] / 0.1).log_softmax(1)).sum(1)
            ).mean()
            / 2
        )

    x = torch.randn(48, 10)
    model = Runs(run, body=through(10, 32, 8), prototypes=nn.Linear(8, 12, bias=False))
    return model, (x, x + 0.2 * torch.randn_like(x)), torch.zeros(48), loss


def latents():
    """Latents that ask what is given, as a Perceiver's do, with a code of kinds of which one row is used."""

    def run(s, x):
        h = s.inp(x) + s.kinds[0]
        z = s.latents.expand(len(x), -1, -1)
        z = z + s.cross(s.norm(z), h, h, need_weights=False)[0]
        return s.head((z + s.own(z, z, z, need_weights=False)[0]).mean(1))

    model = Runs(
        run,
        inp=nn.Linear(6, 16),
        kinds=nn.Parameter(0.02 * torch.randn(3, 16)),
        latents=nn.Parameter(torch.randn(5, 16)),
        norm=nn.LayerNorm(16),
        cross=nn.MultiheadAttention(16, 2, batch_first=True),
        own=nn.MultiheadAttention(16, 2, batch_first=True),
        head=nn.Linear(16, 3),
    )
    return model, torch.randn(16, 12, 6), classes(16, 3), F.cross_entropy


def frames_of_nodes():
    """Attention among the joints of each frame, and convolutions along the frames."""

    def run(s, x):
        q, k, v = s.qkv(x).chunk(3, -1)
        h = x + s.out((q @ k.mT / 4).softmax(-1) @ v)
        return s.head(s.along(h.flatten(2).mT).mean(-1))

    return (
        Runs(run, qkv=nn.Linear(16, 48), out=nn.Linear(16, 16), along=nn.Conv1d(80, 24, 3), head=nn.Linear(24, 4)),
        torch.randn(12, 8, 5, 16),
        classes(12, 4),
        F.cross_entropy,
    )


UNUSUAL_SOUND = (
    Case("blocks that begin at 0", "Fixup", zero_residuals),
    Case("rotary codes and gated layers", "Llama", llama),
    Case("tokens that go to one expert", "Switch", switch),
    Case("codes of one stage", "VQ-VAE", lambda: vq("one")),
    Case("codes of several stages", "residual VQ", lambda: vq("several")),
    Case("causal convolutions with weight norm", "TCN", tcn),
    Case("a critic with spectral norm", "SNGAN", critic),
    Case("gated state spaces", "Mamba", mamba),
    Case("affine couplings and their likelihood", "RealNVP, Glow", flow_of_pairs),
    Case("a stopped gradient and a predictor", "SimSiam", simsiam),
    Case("a fixed point", "DEQ", equilibrium),
    Case("weights that a network makes", "hypernetworks", hypernet),
    Case("a GRU that reads and one that writes", "Bahdanau", seq2seq),
    Case("features standardised over the batch", "Barlow Twins", barlow),
    Case("pairs in turn", "N-pairs", pairs_in_turn),
    Case("codes of prototypes by Sinkhorn", "SwAV", clusters),
    Case("latents that ask", "Perceiver", latents),
    Case("attention among joints of each frame", "spatial attention", frames_of_nodes),
)  # fmt: skip
