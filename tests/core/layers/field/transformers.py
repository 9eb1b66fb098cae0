"""Published architectures with attention, and what mixes without it, small, drawn as published."""

# ruff: noqa: E501

import math

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, through


def drawn(model, std=0.02):
    """Weights N(0, std²) and biases 0, as language models have them."""
    for one in model.modules():
        if isinstance(one, (nn.Linear, nn.Embedding, nn.Conv2d)):
            nn.init.normal_(one.weight, 0, std)
            if getattr(one, "bias", None) is not None:
                nn.init.zeros_(one.bias)
    return model


def split(x, heads):
    return x.unflatten(-1, (heads, -1)).transpose(-2, -3)


def attention(width, heads, *, causal=False, bias=None):
    """Attention by hand; `bias(length)` is added to its scores."""

    def run(s, x, memory=None):
        q, (k, v) = s.q(x), s.kv(x if memory is None else memory).chunk(2, -1)
        q, k, v = (split(one, heads) for one in (q, k, v))
        scores = q @ k.mT / math.sqrt(width // heads)
        scores = scores if s.bias is None else scores + s.bias(x.shape[-2])
        if causal:
            scores = scores.masked_fill(torch.ones(scores.shape[-2:]).triu(1).bool(), -math.inf)
        return s.out((scores.softmax(-1) @ v).transpose(-2, -3).flatten(-2))

    return Runs(run, q=nn.Linear(width, width), kv=nn.Linear(width, 2 * width), out=nn.Linear(width, width), bias=bias)


def block(width, heads, act=nn.GELU, norm=nn.LayerNorm, **kinds):
    def run(s, x):
        x = x + s.attend(s.first(x))
        return x + s.feed(s.second(x))

    return Runs(run, first=norm(width), attend=attention(width, heads, **kinds), second=norm(width),
                feed=through(width, 4 * width, width, act=act))  # fmt: skip


def vit():
    def run(s, x):
        x = s.patch(x).flatten(2).mT
        x = torch.cat((s.token.expand(len(x), -1, -1), x), 1) + s.place
        return s.out(s.norm(s.blocks(x))[:, 0])

    model = Runs(run, patch=nn.Conv2d(3, 32, 8, 8), token=nn.Parameter(torch.zeros(1, 1, 32)),
                 place=nn.Parameter(0.02 * torch.randn(1, 17, 32)), norm=nn.LayerNorm(32),
                 blocks=nn.Sequential(*[block(32, 4) for _ in range(6)]), out=nn.Linear(32, 10))  # fmt: skip
    return drawn(model), torch.randn(8, 3, 32, 32), classes(8, 10), F.cross_entropy


def swin():
    """Attention in windows of 4 × 4, shifted in every second block, with a bias by place."""

    def windows(x, shift):
        x = x.roll((-shift, -shift), (1, 2)).unflatten(1, (-1, 4)).unflatten(3, (-1, 4))
        return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)

    def back(x, shift, side):
        x = x.unflatten(2, (4, 4)).unflatten(1, (side // 4, side // 4)).transpose(2, 3)
        return x.flatten(3, 4).flatten(1, 2).roll((shift, shift), (1, 2))

    def places(heads):
        return Runs(lambda s, n: s.table, table=nn.Parameter(0.02 * torch.randn(heads, 16, 16)))

    def run(s, x):
        x = s.patch(x).movedim(1, -1)
        for i, one in enumerate(s.blocks):
            x = back(one(windows(x, 2 * (i % 2))), 2 * (i % 2), x.shape[1])
            if i == 1:
                x = s.merge(x.unflatten(1, (-1, 2)).unflatten(3, (-1, 2)).movedim(2, 4).flatten(3).flatten(3))
        return s.out(s.norm(x).mean((1, 2)))

    blocks = nn.ModuleList([block(24, 3, bias=places(3)), block(24, 3, bias=places(3)),
                            block(48, 3, bias=places(3)), block(48, 3, bias=places(3))])  # fmt: skip
    model = Runs(run, patch=nn.Conv2d(3, 24, 2, 2), blocks=blocks, merge=nn.Linear(96, 48), norm=nn.LayerNorm(48),
                 out=nn.Linear(48, 10))  # fmt: skip
    return drawn(model), torch.randn(4, 3, 32, 32), classes(4, 10), F.cross_entropy


def mixer():
    def layer():
        def run(s, x):
            x = x + s.tokens(s.first(x).mT).mT
            return x + s.channels(s.second(x))

        return Runs(run, first=nn.LayerNorm(32), tokens=through(16, 32, 16, act=nn.GELU), second=nn.LayerNorm(32),
                    channels=through(32, 64, 32, act=nn.GELU))  # fmt: skip

    model = Runs(lambda s, x: s.out(s.blocks(s.patch(x).flatten(2).mT).mean(1)), patch=nn.Conv2d(3, 32, 8, 8),
                 blocks=nn.Sequential(*[layer() for _ in range(4)], nn.LayerNorm(32)), out=nn.Linear(32, 10))  # fmt: skip
    return model, torch.randn(8, 3, 32, 32), classes(8, 10), F.cross_entropy


def bert():
    """Three of twenty tokens are masked and to be told; the others are ignored."""

    def run(s, x):
        kinds = torch.zeros_like(x)
        h = s.norm(s.words(x) + s.places(torch.arange(20)) + s.kinds(kinds))
        return s.out(s.last(F.gelu(s.change(s.blocks(s.drop(h))))))

    layer = nn.TransformerEncoderLayer(32, 4, 64, activation="gelu", batch_first=True)
    model = Runs(run, words=nn.Embedding(60, 32, padding_idx=0), places=nn.Embedding(20, 32), norm=nn.LayerNorm(32),
                 kinds=nn.Embedding(2, 32), blocks=nn.TransformerEncoder(layer, 4, enable_nested_tensor=False),
                 drop=nn.Dropout(0.1), change=nn.Linear(32, 32), last=nn.LayerNorm(32), out=nn.Linear(32, 60))  # fmt: skip
    model.out.weight = drawn(model).words.weight
    tokens = torch.randint(2, 60, (8, 20))
    targets = tokens.masked_fill(torch.rand(8, 20) > 0.15, -100)
    tokens = tokens.masked_fill(targets >= 0, 1)
    return model, tokens, targets, lambda o, t: F.cross_entropy(o.flatten(0, 1), t.flatten(), ignore_index=-100)


def following(o, t):
    return F.cross_entropy(o[:, :-1].flatten(0, 1), t[:, 1:].flatten())


def gpt(layers=8):
    def run(s, x):
        return s.out(s.norm(s.blocks(s.words(x) + s.places(torch.arange(x.shape[1])))))

    blocks = nn.Sequential(*[block(32, 4, causal=True) for _ in range(layers)])
    model = Runs(run, words=nn.Embedding(60, 32), places=nn.Embedding(16, 32), blocks=blocks, norm=nn.LayerNorm(32),
                 out=nn.Linear(32, 60, bias=False))  # fmt: skip
    model.out.weight = drawn(model).words.weight
    for one in blocks:
        for last in (one.attend.out, one.feed[2]):
            nn.init.normal_(last.weight, 0, 0.02 / math.sqrt(2 * layers))
    tokens = torch.randint(0, 60, (8, 16))
    return model, tokens, tokens, following


def turned(x):
    """Rotary places."""
    half, angles = (
        x.shape[-1] // 2,
        torch.arange(x.shape[-2])[:, None] / 10_000 ** torch.linspace(0, 1, x.shape[-1] // 2),
    )
    a, b = x[..., :half], x[..., half:]
    return torch.cat((a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()), -1)


def llama():
    def attend(s, x):
        q, k, v = (split(one(x), 4) for one in (s.q, s.k, s.v))
        return s.o(F.scaled_dot_product_attention(turned(q), turned(k), v, is_causal=True).transpose(1, 2).flatten(2))

    def layer():
        linear = {name: nn.Linear(32, 32, bias=False) for name in "qkvo"}
        feed = Runs(lambda s, x: s.down(F.silu(s.gate(x)) * s.up(x)), gate=nn.Linear(32, 86, bias=False),
                    up=nn.Linear(32, 86, bias=False), down=nn.Linear(86, 32, bias=False))  # fmt: skip

        def run(s, x):
            x = x + s.attend(s.first(x))
            return x + s.feed(s.second(x))

        return Runs(run, first=nn.RMSNorm(32), attend=Runs(attend, **linear), second=nn.RMSNorm(32), feed=feed)

    model = nn.Sequential(nn.Embedding(60, 32), *[layer() for _ in range(6)], nn.RMSNorm(32),
                          nn.Linear(32, 60, bias=False))  # fmt: skip
    tokens = torch.randint(0, 60, (8, 16))
    return drawn(model), tokens, tokens, following


def t5():
    """Encoder and decoder, both with a bias by distance that all their blocks share."""

    def distances():
        return Runs(lambda s, n: s.table((torch.arange(n)[:, None] - torch.arange(n)).clamp(-7, 7) + 7).movedim(-1, 0),
                    table=nn.Embedding(15, 4))  # fmt: skip

    def decoder(bias):
        def run(s, x, memory):
            x = x + s.own(s.a(x))
            x = x + s.across(s.b(x), memory)
            return x + s.feed(s.c(x))

        return Runs(run, a=nn.RMSNorm(32), own=attention(32, 4, causal=True, bias=bias), b=nn.RMSNorm(32),
                    across=attention(32, 4), c=nn.RMSNorm(32), feed=through(32, 64, 32))  # fmt: skip

    def run(s, source, target):
        memory, x = s.encoder(s.words(source)), s.words(target)
        for one in s.decoder:
            x = one(x, memory)
        return F.linear(s.norm(x) / math.sqrt(32), s.words.weight)

    there, back = distances(), distances()
    encoder = nn.Sequential(*[block(32, 4, nn.ReLU, nn.RMSNorm, bias=there) for _ in range(3)], nn.RMSNorm(32))
    model = Runs(run, words=nn.Embedding(60, 32), encoder=encoder, norm=nn.RMSNorm(32),
                 decoder=nn.ModuleList(decoder(back) for _ in range(3)))  # fmt: skip
    source, target = torch.randint(0, 60, (8, 12)), torch.randint(0, 60, (8, 10))
    return model, (source, target), target, following


def mixture():
    """Two of eight experts for each token, and their load evened out in the loss."""

    def run(s, x):
        h = s.embed(x).flatten(0, 1)
        shares = s.router(h).softmax(-1)
        best, who = shares.topk(2)
        gives = torch.zeros_like(h)
        for i, expert in enumerate(s.experts):
            token, place = (who == i).nonzero(as_tuple=True)
            gives = gives.index_add(0, token, expert(h[token]) * best[token, place, None])
        load = F.one_hot(who[:, 0], 8).float().mean(0) @ shares.mean(0) * 8
        return s.out(s.norm(h + gives)), load

    model = Runs(run, embed=nn.Embedding(60, 32), router=nn.Linear(32, 8, bias=False), norm=nn.LayerNorm(32),
                 experts=nn.ModuleList(through(32, 64, 32, act=nn.GELU) for _ in range(8)), out=nn.Linear(32, 60))  # fmt: skip
    tokens = torch.randint(0, 60, (8, 16))
    return model, tokens, tokens, lambda o, t: F.cross_entropy(o[0], t.flatten()) + 0.01 * o[1]


def lora():
    """Adapters beside the queries and values of a frozen language model."""
    model, tokens, targets, loss = gpt(4)
    model.requires_grad_(False)
    for one in model.blocks:
        a, b = nn.Linear(32, 4, bias=False), nn.Linear(4, 32, bias=False)
        nn.init.kaiming_uniform_(a.weight, a=math.sqrt(5))
        nn.init.zeros_(b.weight)
        one.attend.q = Runs(lambda s, x: s.base(x) + 2 * s.b(s.a(x)), base=one.attend.q, a=a, b=b)
    return model, tokens, targets, loss


def transformer_xl():
    """The second segment attends to the first, kept without a gradient."""

    def run(s, x):
        first, second = s.words(x).chunk(2, 1)
        for one in s.layers:
            with torch.no_grad():
                kept = one.norm(first + one.attend(first))
            second = one.norm(second + one.attend(second, torch.cat((kept, second), 1)))
            first = kept
            second = one.last(second + one.feed(second))
        return s.out(second)

    layers = nn.ModuleList()
    layers.extend(Runs(None, attend=attention(32, 4), norm=nn.LayerNorm(32), feed=through(32, 64, 32),
                       last=nn.LayerNorm(32)) for _ in range(3))  # fmt: skip
    model = drawn(Runs(run, words=nn.Embedding(60, 32), layers=layers, out=nn.Linear(32, 60)))
    tokens = torch.randint(0, 60, (8, 16))
    return model, tokens, tokens[:, 8:], lambda o, t: F.cross_entropy(o.flatten(0, 1), t.flatten())


def conformer():
    def layer(d):
        def run(s, x):
            x = x + s.one(x) / 2
            h = s.before(x)
            x = x + s.attend(h, h, h, need_weights=False)[0]
            x = x + s.point(F.silu(s.batch(s.deep(F.glu(s.gate(s.norm(x).mT), 1))))).mT
            return s.last(x + s.two(x) / 2)

        def feed():
            return nn.Sequential(nn.LayerNorm(d), nn.Linear(d, 4 * d), nn.SiLU(), nn.Dropout(0.1), nn.Linear(4 * d, d))

        return Runs(run, one=feed(), before=nn.LayerNorm(d), attend=nn.MultiheadAttention(d, 4, batch_first=True),
                    norm=nn.LayerNorm(d), gate=nn.Conv1d(d, 2 * d, 1), deep=nn.Conv1d(d, d, 15, padding=7, groups=d),
                    batch=nn.BatchNorm1d(d), point=nn.Conv1d(d, d, 1), two=feed(), last=nn.LayerNorm(d))  # fmt: skip

    model = nn.Sequential(nn.Linear(20, 32), layer(32), layer(32), layer(32), nn.Linear(32, 12))
    return model, torch.randn(4, 30, 20), torch.randint(0, 12, (4, 30)), lambda o, t: F.cross_entropy(o.mT, t)


TRANSFORMERS = (
    Case("ViT", "Dosovitskiy 2020", vit),
    Case("Swin", "Liu 2021", swin),
    Case("MLP-Mixer", "Tolstikhin 2021", mixer),
    Case("BERT, masked words", "Devlin 2018", bert),
    Case("GPT-2", "Radford 2019, tied, last layers scaled", gpt),
    Case("LLaMA", "Touvron 2023", llama),
    Case("T5", "Raffel 2019", t5),
    Case("mixture of experts", "Shazeer 2017", mixture),
    Case("LoRA", "Hu 2021", lora),
    Case("Transformer-XL", "Dai 2019", transformer_xl),
    Case("Conformer", "Gulati 2020", conformer),
)
