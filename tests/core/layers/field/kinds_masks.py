"""Masks of the padding that are turned over, so that attention sees nothing else, and masks that are right."""

# ruff: noqa: E501

import math

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, one_of

STEPS = 10


def sentences(*, front: bool = False, padding: int = 0, full: bool = False, count: int = 16):
    """Tokens, at one end of which there is padding, of some length or none."""
    lengths = torch.randint(3, STEPS, (count,))
    lengths[0] = STEPS if full else 3
    lengths[1] = 5
    words = torch.randint(2, 30, (count, STEPS))
    place = torch.arange(STEPS).flip(0) if front else torch.arange(STEPS)
    return words.masked_fill(place >= lengths[:, None], padding)


def frames(count: int = 16):
    """Numbers of (samples, steps, features), zeros where there is padding."""
    keep = torch.arange(STEPS) < torch.randint(3, STEPS, (count, 1))
    return torch.randn(count, STEPS, 32) * keep[..., None]


def encoder(hides, *, samples_first: bool = True, **data):
    """torch's own encoder, `hides(tokens)` its key padding mask; a mean over all steps."""

    def run(s, x):
        h = s.embed(x) + s.places
        h = s.blocks(h if samples_first else h.transpose(0, 1), src_key_padding_mask=hides(x))
        return s.out(h.mean(1 if samples_first else 0))

    layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=samples_first)
    blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    model = Runs(run, embed=nn.Embedding(30, 32), blocks=blocks, out=nn.Linear(32, 4), places=nn.Parameter(torch.randn(STEPS, 32)))  # fmt: skip
    return model, sentences(**data), classes(16, 4), F.cross_entropy


def by_hand(weigh, *, numbers: bool = False, **data):
    """Attention by hand, `weigh(scores, real)` its weights."""

    def run(s, x):
        real = (x != 0).any(-1) if numbers else x != 0
        h = s.embed(x)
        q, k, v = (part(h).unflatten(-1, (4, 8)).transpose(1, 2) for part in (s.q, s.k, s.v))
        y = weigh(q @ k.transpose(-1, -2) / math.sqrt(8), real[:, None, None]) @ v
        return s.out((h + y.transpose(1, 2).flatten(2)).mean(1))

    parts = {name: nn.Linear(32, 32) for name in "qkv"}
    embed = nn.Linear(32, 32) if numbers else nn.Embedding(30, 32)
    return Runs(run, embed=embed, out=nn.Linear(32, 4), **parts), frames() if numbers else sentences(**data), classes(16, 4), F.cross_entropy  # fmt: skip


def in_one_call(seen, *, causal: bool = False, **data):
    """scaled_dot_product_attention, `seen(tokens)` what it may see."""

    def run(s, x):
        h = s.embed(x)
        q, k, v = (part(h).unflatten(-1, (4, 8)).transpose(1, 2) for part in (s.q, s.k, s.v))
        mask = seen(x)[:, None, None]
        mask = mask & torch.ones(STEPS, STEPS, dtype=torch.bool).tril() if causal else mask
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return s.out((h + y.transpose(1, 2).flatten(2)).mean(1))

    parts = {name: nn.Linear(32, 32) for name in "qkv"}
    return Runs(run, embed=nn.Embedding(30, 32), out=nn.Linear(32, 4), **parts), sentences(**data), classes(16, 4), F.cross_entropy  # fmt: skip


def across(hides):
    """A decoder that looks at what is padded, by `hides(source)`."""

    def run(s, source, target):
        return s.out(s.layer(s.embed(target), s.embed(source), memory_key_padding_mask=hides(source))).transpose(1, 2)

    layer = nn.TransformerDecoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
    target = torch.randint(2, 30, (16, 7))
    return Runs(run, embed=nn.Embedding(30, 32), layer=layer, out=nn.Linear(32, 30)), (sentences(), target), target, F.cross_entropy  # fmt: skip


def told_by_a_mask(turn):
    """The mask of what is real is an input, too, of whole numbers, `turn(mask)` what is filled in."""

    def run(s, x, mask):
        h = s.embed(x)
        scores = s.score(torch.tanh(s.mix(h)))[..., 0].masked_fill(turn(mask).bool(), -1e9)
        return s.out((scores.softmax(-1)[..., None] * h).sum(1))

    x = sentences()
    return Runs(run, embed=nn.Embedding(30, 32), mix=nn.Linear(32, 32), score=nn.Linear(32, 1), out=nn.Linear(32, 4)), (x, (x != 0).long()), classes(16, 4), F.cross_entropy  # fmt: skip


def sees_what_is_global():
    """All look at the first two tokens alone, which are the same in every sentence."""
    return in_one_call(lambda x: (torch.arange(STEPS) < 2).expand(len(x), -1))


TURNED = ("padding", "~mask")
MASKS_SICK = (
    Case("encoder that sees its padding", "x != 0 is hidden", lambda: encoder(lambda x: x != 0), one_of("mask"), TURNED),
    Case("encoder that sees its padding, one sentence full", "x != 0 is hidden, NaN", lambda: encoder(lambda x: x != 0, full=True), one_of("mask", "non_finite"), TURNED),
    Case("filled where it is real", "masked_fill(real, −1e9)", lambda: by_hand(lambda scores, real: scores.masked_fill(real, -1e9).softmax(-1)), one_of("mask"), TURNED),
    Case("taken off where it is real", "scores − 1e9 · real", lambda: by_hand(lambda scores, real: (scores - 1e9 * real).softmax(-1), full=True), one_of("mask"), TURNED),
    Case("frames of zeros alone", "masked_fill(real, −inf)", lambda: by_hand(lambda scores, real: scores.masked_fill(real, -math.inf).softmax(-1), numbers=True), one_of("mask"), TURNED),
    Case("in one call, padding alone", "attn_mask = x == 0", lambda: in_one_call(lambda x: x == 0), one_of("mask"), TURNED),
    Case("padding in front, seen alone", "padding_idx 1", lambda: in_one_call(lambda x: x == 1, front=True, padding=1), one_of("mask"), ("begin", *TURNED)),
    Case("steps first, padding seen alone", "x != 0 is hidden", lambda: encoder(lambda x: x != 0, samples_first=False), one_of("mask"), TURNED),
    Case("pooled over the padding", "masked_fill(real, −1e9)", lambda: told_by_a_mask(lambda mask: mask), one_of("mask"), TURNED),
    Case("causal, and padding alone", "attn_mask = x == 0", lambda: in_one_call(lambda x: x == 0, causal=True), one_of("mask"), TURNED),
    Case("a decoder that sees padding", "source != 0 is hidden", lambda: across(lambda x: x != 0), one_of("mask"), TURNED),
)  # fmt: skip
MASKS_SOUND = (
    Case("encoder that hides its padding", "", lambda: encoder(lambda x: x == 0, full=True)),
    Case("filled where it is padding", "", lambda: by_hand(lambda scores, real: scores.masked_fill(~real, -1e9).softmax(-1))),
    Case("taken off where it is padding", "", lambda: by_hand(lambda scores, real: (scores - 1e9 * ~real).softmax(-1))),
    Case("frames without their zeros", "", lambda: by_hand(lambda scores, real: scores.masked_fill(~real, -math.inf).softmax(-1), numbers=True)),
    Case("in one call, padding hidden", "", lambda: in_one_call(lambda x: x != 0, full=True)),
    Case("in one call, padding hidden, causal", "", lambda: in_one_call(lambda x: x != 0, causal=True)),
    Case("padding in front, hidden", "", lambda: in_one_call(lambda x: x != 1, front=True, padding=1, causal=True)),
    Case("steps first, padding hidden", "", lambda: encoder(lambda x: x == 0, samples_first=False)),
    Case("a decoder that hides padding", "", lambda: across(lambda x: x == 0)),
    Case("pooled by a mask that is given", "Lin 2017", lambda: told_by_a_mask(lambda mask: 1 - mask)),
    Case("all look at the first two tokens", "", sees_what_is_global),
)  # fmt: skip
