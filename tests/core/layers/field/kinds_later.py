"""More of the kinds of `kinds`, written with them and not looked at while they were mended."""

# ruff: noqa: E501

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, one_of, through


class Block(nn.Module):
    """One layer of attention and one of a network, each on a branch."""

    def __init__(self, width=32, heads=4, scale=None, drop=0.0):
        super().__init__()
        self.one, self.two = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj, self.net = (
            nn.Linear(width, 3 * width),
            nn.Linear(width, width),
            through(width, 4 * width, width, act=nn.GELU),
        )
        self.heads, self.scale, self.drop = heads, scale, drop

    def forward(self, x):
        b, t, w = x.shape
        q, k, v = self.qkv(self.one(x)).view(b, t, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, scale=self.scale)
        x = x + self.proj(y.transpose(1, 2).reshape(b, t, w))
        return x + F.dropout(self.net(self.two(x)), self.drop, self.training)


def transformer(**keywords):
    blocks = nn.Sequential(Block(**keywords), Block(**keywords))
    model = Runs(
        lambda s, x: s.out(s.blocks(s.embed(x)).mean(1)), embed=nn.Linear(16, 32), blocks=blocks, out=nn.Linear(32, 4)
    )
    return model, torch.randn(16, 10, 16), classes(16, 4), F.cross_entropy


def outputs_by_view():
    """A time-first RNN's outputs, (steps, samples, units), flattened to (samples, steps · units)."""

    def run(s, x):
        y, _ = s.rnn(x.permute(1, 0, 2))
        return s.out(y.contiguous().view(x.size(0), -1))

    return Runs(run, rnn=nn.RNN(8, 16), out=nn.Linear(96, 4)), torch.randn(24, 6, 8), classes(24, 4), F.cross_entropy


def patches_mixed():
    """A picture's channels and samples changed over by a reshape behind a convolution."""

    def run(s, x):
        h = s.conv(x).flatten(2)  # samples, channels, places
        h = h.permute(2, 0, 1).reshape(x.shape[0], -1, 32)
        return s.out(s.block(h).mean(1))

    return (
        Runs(run, conv=nn.Conv2d(3, 32, 4, 4), block=Block(), out=nn.Linear(32, 4)),
        torch.randn(8, 3, 16, 16),
        classes(8, 4),
        F.cross_entropy,
    )


def among_nodes():
    """A graph network whose samples are the nodes."""
    near = (torch.rand(32, 32) < 0.2).float() + torch.eye(32)
    near = near / near.sum(1, keepdim=True)

    def run(s, x):
        h = s.a(near @ x).view(32, 4, 8)
        return s.out(near @ F.relu(h).reshape(32, 32))

    return Runs(run, a=nn.Linear(20, 32), out=nn.Linear(32, 4)), torch.randn(32, 20), classes(32, 4), F.cross_entropy


def among_samples():
    """Attention among the samples of a batch, on purpose; as wide as there are samples."""

    def run(s, x):
        h = s.embed(x)
        y, _ = s.attend(h.view(1, 16, 16), h.view(1, 16, 16), h.view(1, 16, 16))
        return s.out(h + y.view(16, 16))

    return (
        Runs(run, embed=nn.Linear(20, 16), attend=nn.MultiheadAttention(16, 2, batch_first=True), out=nn.Linear(16, 4)),
        torch.randn(16, 20),
        classes(16, 4),
        F.cross_entropy,
    )


def dropped_by_a_function():
    return transformer(drop=1.0)


def skip_times_nothing():
    """A U-Net whose deep half is multiplied by a gate that stands at 0."""

    def run(s, x):
        a = F.relu(s.down(x))
        deep = F.interpolate(F.relu(s.deep(F.max_pool2d(a, 2))), scale_factor=2)
        return s.out(a + 0 * deep)

    return (
        Runs(run, down=nn.Conv2d(1, 16, 3, padding=1), deep=nn.Conv2d(16, 16, 3, padding=1), out=nn.Conv2d(16, 1, 1)),
        torch.randn(8, 1, 12, 12),
        torch.rand(8, 1, 12, 12).round(),
        F.binary_cross_entropy_with_logits,
    )


def learnt_gate_at_zero():
    def run(s, x):
        a = F.relu(s.down(x))
        return s.out((a + s.gate * F.relu(s.deep(a))).mean((2, 3)))

    return (
        Runs(
            run,
            down=nn.Conv2d(3, 16, 3, padding=1),
            deep=nn.Conv2d(16, 16, 3, padding=1),
            gate=nn.Parameter(torch.zeros(1)),
            out=nn.Linear(16, 4),
        ),
        torch.randn(8, 3, 12, 12),
        classes(8, 4),
        F.cross_entropy,
    )


def masked_tokens():
    def run(s, x, keep):
        h = s.embed(x).masked_fill(~keep[..., None], 0.0)
        return s.out(s.net(h).sum(1) / keep.sum(1, keepdim=True))

    keep = torch.arange(8) < torch.randint(1, 8, (16, 1))
    return (
        Runs(run, embed=nn.Embedding(30, 16), net=through(16, 32, 16), out=nn.Linear(16, 4)),
        (torch.randint(0, 30, (16, 8)), keep),
        classes(16, 4),
        F.cross_entropy,
    )


def clamped_features():
    """Features far above 1, clamped to −1 … 1 between the two halves of a mixer."""

    def run(s, x):
        h = (s.norm(s.a(x)) * 20).clamp(-1, 1)
        return s.out(F.gelu(s.b(h)).mean(1))

    return (
        Runs(run, a=nn.Linear(16, 32), norm=nn.LayerNorm(32), b=nn.Linear(32, 32), out=nn.Linear(32, 4)),
        torch.randn(16, 9, 16),
        classes(16, 4),
        F.cross_entropy,
    )


def clamped_forecast():
    """An LSTM's forecast that is clamped to 0 … 1, above which all of it lies."""
    model = Runs(
        lambda s, x: torch.clamp(s.out(s.rnn(x)[0][:, -1]), min=0.0, max=1.0),
        rnn=nn.LSTM(4, 16, batch_first=True),
        out=nn.Linear(16, 2),
    )
    nn.init.constant_(model.out.bias, 3.0)
    return model, torch.randn(32, 12, 4), torch.rand(32, 2), F.mse_loss


def clamped_before_a_logarithm():
    model = Runs(lambda s, x: s.net(x).softmax(1).clamp(1e-7, 1 - 1e-7).log(), net=through(16, 32, 4))
    return model, torch.randn(32, 16), classes(32, 4), F.nll_loss


def half_clamped():
    """About half of what it gives is below the range at first: enough is left."""
    model = Runs(lambda s, x: s.net(x).clamp(0, 1), net=through(20, 64, 8))
    return model, torch.randn(64, 20), torch.rand(64, 8), F.mse_loss


def rectified_yes_or_no():
    model = Runs(
        lambda s, x: torch.relu(s.out(s.rnn(x)[0][:, -1])), rnn=nn.GRU(8, 16, batch_first=True), out=nn.Linear(16, 6)
    )
    return model, torch.randn(16, 7, 8), torch.randint(0, 2, (16, 6)).float(), F.binary_cross_entropy_with_logits


def by_numpy():
    def run(s, x):
        h = F.relu(s.a(x))
        h = torch.from_numpy(np.tanh(h.detach().cpu().numpy()))
        return s.out(h)

    return Runs(run, a=nn.Linear(16, 32), out=nn.Linear(32, 4)), torch.randn(32, 16), classes(32, 4), F.cross_entropy


def made_anew():
    model = Runs(lambda s, x: torch.tensor(s.net(x).tolist(), requires_grad=True), net=through(16, 32, 4))
    return model, torch.randn(32, 16), classes(32, 4), F.cross_entropy


def hard_and_straight():
    """argmax forwards, softmax backwards."""

    def run(s, x):
        soft = s.gate(x).softmax(-1)
        hard = F.one_hot(soft.argmax(-1), 4).float()
        return s.out(hard + soft - soft.detach())

    return Runs(run, gate=through(16, 32, 4), out=nn.Linear(4, 4)), torch.randn(32, 16), classes(32, 4), F.cross_entropy


def rectified_rates():
    """Counts by a network whose output is a rate."""
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 1), nn.ReLU())
    nn.init.constant_(model[2].bias, 1.0)
    return model, torch.randn(32, 16), torch.rand(32, 1) * 3, F.mse_loss


def sharp_blocks():
    """Queries and keys of variance 1 and heads of 64, by scaled_dot_product_attention with scale=1."""
    model, *_ = transformer(heads=1, scale=1.0)
    for one in model.modules():
        if isinstance(one, Block):
            one.qkv.weight.data.normal_()
    return model, torch.randn(16, 5, 16), classes(16, 4), F.cross_entropy


def wrong_side_of_the_root():
    """Multiplied by √d where it should be divided, over pictures' places that repeat."""

    def run(s, x):
        h = s.embed(x)
        weights = F.softmax(torch.einsum("bid,bjd->bij", s.q(h), s.k(h)) * 8, dim=-1)
        return s.out(torch.einsum("bij,bjd->bid", weights, s.v(h)).amax(1))

    return (
        Runs(
            run,
            embed=nn.Embedding(6, 64),
            q=nn.Linear(64, 64),
            k=nn.Linear(64, 64),
            v=nn.Linear(64, 64),
            out=nn.Linear(64, 4),
        ),
        torch.randint(0, 6, (32, 12)),
        classes(32, 4),
        F.cross_entropy,
    )


def cosine_attention():
    """Swin's second version: cosines times 10."""

    def run(s, x):
        h = s.embed(x)
        q, k = F.normalize(s.q(h), dim=-1), F.normalize(s.k(h), dim=-1)
        return s.out(((q @ k.transpose(1, 2) * 10).softmax(-1) @ s.v(h)).mean(1))

    return (
        Runs(
            run,
            embed=nn.Linear(16, 64),
            q=nn.Linear(64, 64),
            k=nn.Linear(64, 64),
            v=nn.Linear(64, 64),
            out=nn.Linear(64, 4),
        ),
        torch.randn(32, 9, 16),
        classes(32, 4),
        F.cross_entropy,
    )


def small_queries():
    """BERT's draw, N(0, 0.02): attention is nearly even at first."""
    model, *rest = transformer()
    for one in model.modules():
        if isinstance(one, nn.Linear):
            nn.init.normal_(one.weight, 0, 0.02)
    return model, *rest


def zero_recurrent():
    model = Runs(
        lambda s, x: s.out(F.relu(s.hidden(s.rnn(x)[0][:, -1]))),
        rnn=nn.GRU(8, 16, batch_first=True),
        hidden=nn.Linear(16, 16),
        out=nn.Linear(16, 4),
    )
    for one in model.hidden.parameters():
        nn.init.zeros_(one)
    return model, torch.randn(32, 7, 8), classes(32, 4), F.cross_entropy


def zero_network():
    model = through(16, 32, 32, 4, act=nn.Tanh)
    for one in model.parameters():
        nn.init.zeros_(one)
    return model, torch.randn(32, 16), classes(32, 4), F.cross_entropy


def low_rank_update():
    def run(s, x):
        h = F.relu(s.base(x) + s.up(s.down(x)))
        return s.out(h)

    model = Runs(
        run,
        base=nn.Linear(16, 32).requires_grad_(False),
        down=nn.Linear(16, 4, bias=False),
        up=nn.Linear(4, 32, bias=False),
        out=nn.Linear(32, 4),
    )
    nn.init.zeros_(model.up.weight)
    return model, torch.randn(32, 16), classes(32, 4), F.cross_entropy


def zero_biases():
    model = through(16, 32, 32, 4)
    for one in model:
        if isinstance(one, nn.Linear):
            nn.init.zeros_(one.bias)
    return model, torch.randn(32, 16), classes(32, 4), F.cross_entropy


def loud_features():
    """Not the head: what comes into it is of size 300."""
    model = Runs(
        lambda s, x: s.out(s.rnn(x)[0][:, -1] * 300), rnn=nn.GRU(8, 32, batch_first=True), out=nn.Linear(32, 12)
    )
    return model, torch.randn(32, 6, 8), classes(32, 12), F.cross_entropy


def loud_pixels():
    """A segmenting head drawn from N(0, 1) over 256 channels."""
    model = nn.Sequential(nn.Conv2d(3, 256, 3, padding=1), nn.BatchNorm2d(256), nn.ReLU(), nn.Conv2d(256, 6, 1))
    nn.init.normal_(model[3].weight)
    return model, torch.randn(4, 3, 8, 8), torch.randint(0, 6, (4, 8, 8)), F.cross_entropy


def loud_regression():
    """A loss far above what the mean would cost, which is no cross-entropy."""
    model = through(16, 32, 1)
    model[-1].weight.data.mul_(20)
    return model, torch.randn(32, 16), torch.randn(32, 1), F.mse_loss


def many_classes():
    model = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 1000))
    nn.init.kaiming_normal_(model[2].weight, nonlinearity="relu")
    return model, torch.randn(64, 16), classes(64, 1000), F.cross_entropy


def listed_and_dead():
    """Layers in a list, and a ReLU whose bias kills it."""

    def run(s, x):
        h = F.relu(s.a(x))
        for layer in s.layers:
            h = h + torch.tanh(layer(h))
        return s.out(h + F.relu(s.b(h)))

    model = Runs(run, a=nn.Linear(16, 32), b=nn.Linear(32, 32), out=nn.Linear(32, 4))
    model.layers = [nn.Linear(32, 32), nn.Linear(32, 32)]
    nn.init.constant_(model.b.bias, -20.0)
    return model, torch.randn(32, 16), classes(32, 4), F.cross_entropy


def softmax_and_mixed():
    def run(s, x):
        return s.out(s.rnn(x.reshape(x.shape[1], x.shape[0], -1))[0][-1]).softmax(-1)

    return Runs(run, rnn=nn.LSTM(8, 16), out=nn.Linear(16, 4)), torch.randn(32, 6, 8), classes(32, 4), F.cross_entropy


LATER_SICK = (
    Case("outputs by view", "no transpose back", outputs_by_view, one_of("mixed samples"), ("kinds_later.py, line", "view")),
    Case("patches mixed", "permute and reshape", patches_mixed, one_of("mixed samples"), ("reshape",)),
    Case("dropped by a function", "F.dropout(x, 1.0)", dropped_by_a_function, one_of("no_gradient"), ("dropout", "kinds_later.py, line")),
    Case("skip times nothing", "a gate that stands at 0", skip_times_nothing, one_of("no_gradient"), ("kinds_later.py, line", "0")),
    Case("clamped features", "clamp(−1, 1) of what is 20 times larger", clamped_features, one_of("saturated"), ("clamp", "bound")),
    Case("clamped forecast", "above the range", clamped_forecast, one_of("dead_units", "saturated"), ("clamp", "sigmoid")),
    Case("rectified yes or no", "ReLU before BCEWithLogits", rectified_yes_or_no, one_of("not_logits"), ("relu",)),
    Case("by numpy", "a round trip", by_numpy, one_of("no_gradient"), ("kinds_later.py, line",)),
    Case("made anew", "torch.tensor of a list", made_anew, one_of("no_gradient"), ("tolist (kinds_later.py, line",)),
    Case("sharp blocks", "scale=1, five keys", sharp_blocks, one_of("saturated"), ("scaled_dot_product",)),
    Case("wrong side of the root", "times √d", wrong_side_of_the_root, one_of("saturated"), ("softmax",)),
    Case("zero recurrent", "a hidden layer of zeros", zero_recurrent, one_of("no_gradient"), ("zero init", "hidden")),
    Case("zero network", "all is 0", zero_network, one_of("no_gradient"), ("zero init",)),
    Case("loud features", "times 300 before the head", loud_features, one_of("first_loss"), ("guessing", "out")),
    Case("loud pixels", "N(0, 1)", loud_pixels, one_of("first_loss"), ("guessing", "3")),
    Case("listed and dead", "a list, and a bias of −20", listed_and_dead, one_of("dead_units"), ("layers[", "modulelist")),
    Case("softmax and mixed", "reshape, and softmax before cross_entropy", softmax_and_mixed, one_of("not_logits"), ("softmax", "reshape")),
)  # fmt: skip

LATER_SOUND = (
    Case("among nodes", "Kipf 2016", among_nodes),
    Case("among samples", "attention among samples", among_samples),
    Case("learnt gate at zero", "ReZero", learnt_gate_at_zero),
    Case("masked tokens", "masked_fill of the padding", masked_tokens),
    Case("clamped before a logarithm", "an epsilon", clamped_before_a_logarithm),
    Case("half clamped", "a range around 0", half_clamped),
    Case("hard and straight", "straight-through", hard_and_straight),
    Case("rectified rates", "a rate", rectified_rates),
    Case("cosine attention", "Liu 2021", cosine_attention),
    Case("small queries", "N(0, 0.02)", small_queries),
    Case("low-rank update", "Hu 2021", low_rank_update),
    Case("zero biases", "He", zero_biases),
    Case("loud regression", "no cross-entropy", loud_regression),
    Case("many classes", "1000 classes, He", many_classes),
)
