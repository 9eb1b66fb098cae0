"""Losses that count the padding, and such that leave it out."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, one_of

WORDS, STEPS, SAMPLES = 30, 12, 10


def sentences(padding: int = 0, *, front: bool = False, most: int = 7) -> torch.Tensor:
    """Words, and padding from some step on."""
    x = torch.randint(2, WORDS, (SAMPLES, STEPS))
    for i in range(SAMPLES):
        if i % most:
            x[i, slice(0, i % most) if front else slice(STEPS - i % most, STEPS)] = padding
    return x


def reader(padding: int = 0, *, classes: int = WORDS, order=lambda z: z):
    parts = {"embed": nn.Embedding(WORDS, 16, padding_idx=padding), "net": nn.GRU(16, 16, batch_first=True)}
    return Runs(lambda s, x: order(s.head(s.net(s.embed(x))[0])), head=nn.Linear(16, classes), **parts)


def next_word(loss, padding: int = 0, **options):
    x = sentences(padding, **options)
    return reader(padding), x[:, :-1], x[:, 1:], loss


def flat(**options):
    return lambda o, t: F.cross_entropy(o.flatten(0, 1), t.flatten(), **options)


def by_hand(o, t):
    real = t != 0
    return (F.cross_entropy(o.transpose(1, 2), t, reduction="none") * real).sum() / real.sum()


def tagged(label: int, loss, **options):
    """A tag for each word, and one label for all that is padding."""
    x = sentences(**options)
    return reader(classes=5), x, torch.where(x == 0, label, torch.randint(1, 5, x.shape)), loss


def chosen(o, t):
    return F.cross_entropy(o[t > 0], t[t > 0])


def classified():
    """Sentences with one label each."""
    x = sentences()
    parts = {"embed": nn.Embedding(WORDS, 16, padding_idx=0), "head": nn.Linear(16, 2)}
    return Runs(lambda s, x: s.head(s.embed(x).mean(1)), **parts), x, torch.arange(SAMPLES) % 2, F.cross_entropy


PADDED_SICK = (
    Case("next word, padding counted", "no ignore_index", lambda: next_word(flat()), one_of("padded_targets"), ("are padding", "ask for 0", "ignore_index=0")),
    Case("next word of log-probabilities, padding counted", "no ignore_index", lambda: (reader(order=lambda z: z.log_softmax(-1).transpose(1, 2)), *next_word(F.nll_loss)[1:]), one_of("padded_targets"), ("that nll_loss counts", "ignore_index=0")),
    Case("next word, padding in front counted", "padding_idx 1", lambda: next_word(flat(), 1, front=True), one_of("padded_targets"), ("ask for 1", "ignore_index=1")),
    Case("tags, padding counted", "no ignore_index", lambda: tagged(0, flat()), one_of("padded_targets"), ("are padding", "ignore_index=0")),
)  # fmt: skip
PADDED_SOUND = (
    Case("next word, padding left out", "", lambda: next_word(flat(ignore_index=0))),
    Case("tags, padding at −100", "", lambda: tagged(-100, flat())),
    Case("tags, padding weighs nothing", "", lambda: tagged(0, flat(weight=torch.tensor([0.0, 1, 1, 1, 1])))),
    Case("next word, padding masked by hand", "", lambda: next_word(by_hand)),
    Case("tags, chosen words", "", lambda: tagged(0, chosen)),
    Case("a label for each sentence", "", classified),
    Case("next word, little padding", "a note alone", lambda: next_word(flat(), most=2)),
)  # fmt: skip
