"""More models that went wrong, and more that are sound: what was said of them before it was tried."""

# ruff: noqa: E501

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, one_of, through

# -- gone wrong ------------------------------------------------------------------------------------------------


def softmax_over_steps():
    def run(s, x):
        return s.out(s.rnn(x)[0]).transpose(1, 2).softmax(2)

    model = Runs(run, rnn=nn.GRU(8, 24, batch_first=True), out=nn.Linear(24, 5))
    return model, torch.randn(16, 12, 8), torch.randint(0, 5, (16, 12)), F.cross_entropy


def wide_draw():
    model = through(16, 64, 64, 4, act=nn.Hardtanh)
    for one in model[::2]:
        nn.init.normal_(one.weight, 0, 3.0)
    return model, torch.randn(64, 16), classes(64, 4), F.cross_entropy


def loaded_biases():
    model = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU6(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU6(),
                          nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))  # fmt: skip
    nn.init.constant_(model[2].bias, 20.0)
    return model, torch.randn(16, 3, 16, 16), classes(16, 10), F.cross_entropy


def sigmoid_blocks():
    """Five sigmoids to a block: nothing goes around the first, and the others have a way around each."""

    def run(s, x):
        x = s.blocks[0](x)
        for block in s.blocks[1:]:
            x = x + block(x)
        return s.out(x)

    blocks = nn.ModuleList(nn.Sequential(through(32, *[32] * 5, act=nn.Sigmoid), nn.Sigmoid()) for _ in range(4))
    return Runs(run, blocks=blocks, out=nn.Linear(32, 4)), torch.randn(64, 32), classes(64, 4), F.cross_entropy


def two_at_once(of=4):
    """A head of copies, and a unit of measure left in before it."""
    head = through(32, 32, of)
    for one in head.parameters():
        nn.init.constant_(one, 0.02)
    model = Runs(
        lambda s, x: s.head(F.relu(s.b(F.relu(s.a(x)) / 1e6))), a=nn.Linear(16, 32), b=nn.Linear(32, 32), head=head
    )
    if of == 1:
        return model, torch.randn(64, 16), torch.randn(64, 1), F.mse_loss
    return model, torch.randn(64, 16), classes(64, 4), F.cross_entropy


def steep_encoder():
    layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
    layer.self_attn.in_proj_weight.data.mul_(40)
    model = Runs(
        lambda s, x: s.out(s.layer(s.embed(x)).mean(1)), embed=nn.Linear(8, 32), layer=layer, out=nn.Linear(32, 4)
    )
    return model, torch.randn(16, 20, 8), classes(16, 4), F.cross_entropy


def scaled_the_wrong_way():
    """Times the root of the width where it should be divided by it."""

    def run(s, x):
        h = s.embed(x)
        q, k, v = (one(h).unflatten(-1, (2, 64)).transpose(1, 2) for one in (s.q, s.k, s.v))
        return s.out(F.scaled_dot_product_attention(q, k, v, scale=8.0 * 8.0).transpose(1, 2).flatten(2).mean(1))

    names = {name: nn.Linear(128, 128) for name in "qkv"}
    model = Runs(run, embed=nn.Linear(8, 128), out=nn.Linear(128, 4), **names)
    for one in (model.embed, model.q, model.k):
        nn.init.xavier_uniform_(one.weight)
    return model, 2 * torch.randn(16, 20, 8), classes(16, 4), F.cross_entropy


def decoder_of_a_teacher():
    def run(s, x):
        with torch.no_grad():
            code = s.encoder(x)
        return s.decoder(code)

    model = Runs(run, encoder=through(16, 32, 8), decoder=through(8, 32, 16))
    return model, torch.randn(64, 16), torch.randn(64, 16), F.mse_loss


def detached_queries():
    def run(s, x, memory):
        scores = s.q(x).detach() @ s.k(memory).mT / math.sqrt(32)
        return s.out(x + scores.softmax(-1) @ s.v(memory)).mean(1)

    names = {name: nn.Linear(32, 32) for name in "qkv"}
    model = Runs(run, out=nn.Linear(32, 4), **names)
    return model, (torch.randn(16, 6, 32), torch.randn(16, 9, 32)), classes(16, 4), F.cross_entropy


def ctc_over_time():
    """Normalised over the frames in place of the letters."""
    model = Runs(lambda s, x: s.out(s.rnn(x)[0]).log_softmax(0), rnn=nn.GRU(8, 24), out=nn.Linear(24, 6))

    def loss(o, t):
        return F.ctc_loss(o, t, torch.full((4,), 30), torch.full((4,), 5))

    return model, torch.randn(30, 4, 8), torch.randint(1, 6, (4, 5)), loss


def shut_squeeze():
    """A squeeze-and-excitation whose gate is a hardsigmoid of −6: 0 for every picture."""

    def run(s, x):
        h = F.relu(s.first(x))
        h = h * s.gate(s.up(F.relu(s.down(h.mean((2, 3), keepdim=True)))))
        return s.out(h.mean((2, 3)))

    model = Runs(run, first=nn.Conv2d(3, 16, 3), down=nn.Conv2d(16, 4, 1), up=nn.Conv2d(4, 16, 1), gate=nn.Hardsigmoid(),
                 out=nn.Linear(16, 10))  # fmt: skip
    nn.init.constant_(model.up.bias, -6.0)
    return model, torch.randn(16, 3, 12, 12), classes(16, 10), F.cross_entropy


def highway(bias):
    """Srivastava's layers, each with a gate that says how much of it passes."""

    def run(s, x):
        x = s.stem(x)
        for layer, gate in zip(s.layers, s.gates, strict=True):
            open_ = torch.sigmoid(gate(x))
            x = open_ * F.relu(layer(x)) + (1 - open_) * x
        return s.out(x)

    layers, gates = (nn.ModuleList(nn.Linear(32, 32) for _ in range(8)) for _ in range(2))
    for gate in gates:
        nn.init.constant_(gate.bias, bias)
    model = Runs(run, stem=nn.Linear(16, 32), layers=layers, gates=gates, out=nn.Linear(32, 4))
    return model, torch.randn(64, 16), classes(64, 4), F.cross_entropy


# -- sound -----------------------------------------------------------------------------------------------------


def projector(*sizes):
    return nn.Sequential(
        nn.Linear(sizes[0], sizes[1]), nn.BatchNorm1d(sizes[1]), nn.ReLU(), nn.Linear(sizes[1], sizes[2])
    )


def convolved(out=16):
    return nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32),
                         nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, out))  # fmt: skip


def byol():
    def run(s, a, b):
        with torch.no_grad():
            aims = s.target(b), s.target(a)
        return (s.predict(s.online(a)), s.predict(s.online(b))), aims

    online, target = (nn.Sequential(convolved(32), projector(32, 64, 16)) for _ in range(2))
    target.load_state_dict(online.state_dict())
    model = Runs(run, online=online, target=target, predict=projector(16, 64, 16))
    x = torch.randn(16, 3, 16, 16)

    def loss(o, t):
        return sum(2 - 2 * F.cosine_similarity(p, aim, dim=-1).mean() for p, aim in zip(*o, strict=True))

    return model, (x + 0.1 * torch.randn_like(x), x), None, loss


def moco():
    def run(s, a, b):
        q = F.normalize(s.query(a), dim=1)
        with torch.no_grad():
            k = F.normalize(s.key(b), dim=1)
        near = torch.einsum("nc,nc->n", q, k)[:, None]
        return torch.cat((near, torch.einsum("nc,ck->nk", q, s.queue.clone().detach())), 1) / 0.07

    model = Runs(run, query=convolved(), key=convolved())
    model.key.load_state_dict(model.query.state_dict())
    model.register_buffer("queue", F.normalize(torch.randn(16, 64), dim=0))
    x = torch.randn(16, 3, 16, 16)
    return model, (x, x + 0.1 * torch.randn_like(x)), torch.zeros(16, dtype=torch.long), F.cross_entropy


def double_dqn():
    def run(s, state, action, reward, after):
        with torch.no_grad():
            best = s.online(after).argmax(1, keepdim=True)
            aim = reward + 0.99 * s.target(after).gather(1, best)[:, 0]
        return s.online(state).gather(1, action[:, None])[:, 0], aim

    model = Runs(run, online=through(8, 64, 64, 4), target=through(8, 64, 64, 4))
    inputs = torch.randn(64, 8), classes(64, 4), torch.randn(64), torch.randn(64, 8)
    return model, inputs, None, lambda o, t: F.smooth_l1_loss(*o)


def dino():
    def run(s, a, b):
        return s.student(a), s.teacher(b).detach()

    model = Runs(run, student=convolved(24), teacher=convolved(24))
    model.teacher.load_state_dict(model.student.state_dict())
    x = torch.randn(16, 3, 16, 16)

    def loss(o, t):
        student, teacher = o
        aim = ((teacher - teacher.mean(0)) / 0.04).softmax(-1)
        return -(aim * (student / 0.1).log_softmax(-1)).sum(-1).mean()

    return model, (x, x + 0.1 * torch.randn_like(x)), None, loss


def binarised():
    """Weights of ±1, straight through on the way back, behind each a norm and a hardtanh."""

    class Signs(nn.Linear):
        def forward(self, x):
            return F.linear(x, self.weight + (self.weight.sign() - self.weight).detach(), self.bias)

    sizes = (64, 128, 128, 128, 10)
    parts = [part for a, b in pairwise(sizes) for part in (Signs(a, b), nn.BatchNorm1d(b), nn.Hardtanh())]
    model = nn.Sequential(*parts[:-1])
    for one in model:
        if isinstance(one, Signs):
            nn.init.uniform_(one.weight, -1, 1)
    return model, torch.randn(64, 64), classes(64, 10), F.cross_entropy


def mean_teacher():
    def run(s, x):
        with torch.no_grad():
            aim = s.teacher(x + 0.1 * torch.randn_like(x)).softmax(-1)
        return s.student(x), aim

    model = Runs(run, student=convolved(10), teacher=convolved(10))

    def loss(o, t):
        return F.cross_entropy(o[0][:8], t) + F.mse_loss(o[0].softmax(-1), o[1])

    return model, torch.randn(32, 3, 16, 16), classes(8, 10), loss


def mobile_v3():
    class Block(nn.Module):
        def __init__(self, width, inner):
            super().__init__()
            self.up = nn.Sequential(nn.Conv2d(width, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.Hardswish())
            self.deep = nn.Sequential(
                nn.Conv2d(inner, inner, 3, 1, 1, groups=inner, bias=False), nn.BatchNorm2d(inner), nn.Hardswish()
            )
            self.squeeze = nn.Sequential(
                nn.AdaptiveAvgPool2d(1), nn.Conv2d(inner, 8, 1), nn.ReLU(), nn.Conv2d(8, inner, 1), nn.Hardsigmoid()
            )
            self.down = nn.Sequential(nn.Conv2d(inner, width, 1, bias=False), nn.BatchNorm2d(width))

        def forward(self, x):
            h = self.deep(self.up(x))
            return x + self.down(h * self.squeeze(h))

    model = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.Hardswish(), Block(16, 32), Block(16, 32),
                          Block(16, 48), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 64), nn.Hardswish(), nn.Linear(64, 10))  # fmt: skip
    return model, torch.randn(16, 3, 24, 24), classes(16, 10), F.cross_entropy


def captioner():
    """Torch's own decoder: attention to what was said before, and to a picture's patches."""

    def run(s, patches, tokens):
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])
        seen = s.decoder(s.table(tokens) + s.places, s.see(patches), tgt_mask=mask, tgt_is_causal=True)
        return s.out(seen).transpose(1, 2)

    layer = nn.TransformerDecoderLayer(32, 4, 64, dropout=0.1, batch_first=True, norm_first=True)
    model = Runs(run, decoder=nn.TransformerDecoder(layer, 3, nn.LayerNorm(32)), table=nn.Embedding(50, 32), see=nn.Linear(24, 32),
                 places=nn.Parameter(0.02 * torch.randn(12, 32)), out=nn.Linear(32, 50))  # fmt: skip
    tokens = torch.randint(0, 50, (8, 12))
    return model, (torch.randn(8, 16, 24), tokens), tokens.roll(-1, 1), F.cross_entropy


def clip():
    def run(s, pictures, words):
        a = F.normalize(s.see(pictures), dim=-1)
        b = F.normalize(s.read(words), dim=-1)
        return s.scale.exp() * a @ b.T

    read = nn.Sequential(nn.EmbeddingBag(60, 32), nn.Linear(32, 32), nn.GELU(), nn.Linear(32, 16))
    model = Runs(run, see=convolved(16), read=read, scale=nn.Parameter(torch.tensor(math.log(1 / 0.07))))
    inputs = torch.randn(16, 3, 16, 16), torch.randint(0, 60, (16, 7))
    return model, inputs, torch.arange(16), lambda o, t: (F.cross_entropy(o, t) + F.cross_entropy(o.T, t)) / 2


def perceiver():
    """Learned latents that look at the inputs, then at each other."""

    def look(s, part, q, kv):
        q, k, v = (f(x).unflatten(-1, (4, 8)).transpose(1, 2) for f, x in zip(part[:3], (q, kv, kv), strict=True))
        return part[3](F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))

    def run(s, x):
        h, x = s.latents.expand(len(x), -1, -1), s.norm(s.embed(x))
        h = h + look(s, s.cross, s.norm_0(h), x)
        h = h + s.mlp_0(s.norm_1(h))
        h = h + look(s, s.own, s.norm_2(h), s.norm_2(h))
        h = h + s.mlp_1(s.norm_3(h))
        return s.out(h.mean(1))

    parts = {name: nn.ModuleList(nn.Linear(32, 32) for _ in range(4)) for name in ("cross", "own")}
    parts |= {f"mlp_{i}": through(32, 64, 32, act=nn.GELU) for i in range(2)}
    parts |= {f"norm_{i}": nn.LayerNorm(32) for i in range(4)}
    model = Runs(run, latents=nn.Parameter(0.02 * torch.randn(6, 32)), embed=nn.Linear(10, 32), norm=nn.LayerNorm(32),
                 out=nn.Linear(32, 5), **parts)  # fmt: skip
    return model, torch.randn(16, 40, 10), classes(16, 5), F.cross_entropy


def rezero():
    def run(s, x):
        x = s.stem(x)
        for block, alpha in zip(s.blocks, s.alphas, strict=True):
            x = x + alpha * block(x)
        return s.out(x.mean((2, 3)))

    blocks = nn.ModuleList(
        nn.Sequential(nn.Conv2d(16, 16, 3, 1, 1), nn.ReLU(), nn.Conv2d(16, 16, 3, 1, 1), nn.ReLU()) for _ in range(6)
    )
    alphas = nn.ParameterList(nn.Parameter(torch.zeros(1)) for _ in range(6))
    model = Runs(run, stem=nn.Conv2d(3, 16, 3, 1, 1), blocks=blocks, alphas=alphas, out=nn.Linear(16, 10))
    return model, torch.randn(16, 3, 12, 12), classes(16, 10), F.cross_entropy


MORE_SICK = (
    Case("softmax over the steps", "a tagger's classes and steps are mixed up", softmax_over_steps, one_of("not_logits"),
         ("dimension 2 of", "dimension 1", "dim=1")),
    Case("hardtanh of a wide draw", "N(0, 9) for each weight", wide_draw, one_of("saturated"), ("bounds −1 and 1",)),
    Case("loaded biases", "biases of 20 before a ReLU6", loaded_biases, one_of("saturated"), ("3: ", "bound 6")),
    Case("sigmoid blocks", "five sigmoids to a block", sigmoid_blocks, one_of("vanishing"), ("decades",)),
    Case("two at once", "a head of copies, and a factor of 1e-6", lambda: two_at_once(1), one_of("units alike"), ("head.0", "decades", "div")),
    # Through a head of copies, nothing comes back of a cross-entropy: what is before it cannot be told.
    Case("two at once, of classes", "the same before a cross-entropy", two_at_once, one_of("units alike"), ("head.0",)),
    Case("steep encoder", "an encoder layer's projections times 40", steep_encoder, one_of("saturated"), ("layer.self_attn", "softmax")),
    Case("scaled the wrong way", "times √d", scaled_the_wrong_way, one_of("saturated"), ("scaled_dot_product", "q")),
    Case("decoder of a teacher", "no_grad around the encoder", decoder_of_a_teacher, one_of("no_gradient"),
         ("encoder.0, encoder.2", "no_grad")),
    Case("detached queries", "detach on the queries alone", detached_queries, one_of("no_gradient"), ("q gets", "detach (")),
    Case("CTC over the frames", "log_softmax over time", ctc_over_time, one_of("not_log_probabilities"), ("dimension 0", "ctc_loss")),
    Case("shut squeeze", "a hardsigmoid of −6", shut_squeeze, one_of("dead_units", "no_gradient"), ("gate",)),
    Case("shut highway", "gates of −20", lambda: highway(-20.0), one_of("cliff", "saturated"), ("sigmoid|mul",)),
)  # fmt: skip

MORE_SOUND = (
    Case("BYOL", "Grill 2020", byol),
    Case("MoCo", "He 2019", moco),
    Case("double DQN", "van Hasselt 2015", double_dqn),
    Case("DINO", "Caron 2021", dino),
    Case("binarised network", "Hubara 2016", binarised),
    Case("mean teacher", "Tarvainen 2017", mean_teacher),
    Case("MobileNetV3", "Howard 2019", mobile_v3),
    Case("captions by torch's decoder", "Vaswani 2017", captioner),
    Case("CLIP", "Radford 2021", clip),
    Case("Perceiver", "Jaegle 2021", perceiver),
    Case("ReZero", "Bachlechner 2020", rezero),
    Case("highway network", "Srivastava 2015, gates of −2", lambda: highway(-2.0)),
)
