"""Models that read what they are to predict, and models that look ahead by rights."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, one_of

WORDS, STEPS, WIDTH = 40, 13, 32


def words(samples: int = 8, steps: int = STEPS) -> torch.Tensor:
    return torch.randint(1, WORDS, (samples, steps))


def by_word(output, targets):
    return F.cross_entropy(output.flatten(0, 1), targets.flatten())


def shifted_by_the_loss(output, targets):
    return by_word(output[:, :-1], targets[:, 1:])


def transformer(*, causal: bool):
    """A transformer's encoder over words."""
    layer = nn.TransformerEncoderLayer(WIDTH, 4, 64, dropout=0.1, batch_first=True)

    def run(s, x):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1]) if causal else None
        return s.head(s.blocks(s.embed(x) + s.places[: x.shape[1]], mask=mask))

    blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    return Runs(run, embed=nn.Embedding(WORDS, WIDTH), places=nn.Parameter(torch.randn(20, WIDTH) / 50), blocks=blocks, head=nn.Linear(WIDTH, WORDS))  # fmt: skip


def recurrent(kind: type[nn.RNNBase], *, both: bool = False, first: bool = True):
    """A recurrent network over words, both ways or one, samples first or steps."""
    parts = {"net": kind(WIDTH, WIDTH, bidirectional=both, batch_first=first), "head": nn.Linear(WIDTH * (1 + both), WORDS)}  # fmt: skip
    return Runs(lambda s, x: s.head(s.net(s.embed(x))[0]), embed=nn.Embedding(WORDS, WIDTH), **parts)


def convolved(*, padded_in_front: bool, width: int = 6):
    """A convolution over a series of measurements."""

    def run(s, x):
        z = x.transpose(1, 2)
        z = F.pad(z, (2, 0)) if padded_in_front else F.pad(z, (1, 1))
        return s.out(F.gelu(s.conv(z)).transpose(1, 2))

    return Runs(run, conv=nn.Conv1d(width, 24, 3), out=nn.Linear(24, width))


def by_hand(*, causal: bool):
    """Attention in one function, classes second."""

    def run(s, x):
        z = s.embed(x)
        q, k, v = s.qkv(z).chunk(3, -1)
        z = z + s.out(F.scaled_dot_product_attention(q, k, v, is_causal=causal))
        return s.head(F.gelu(z)).transpose(1, 2)

    return Runs(run, embed=nn.Embedding(WORDS, WIDTH), qkv=nn.Linear(WIDTH, 3 * WIDTH), out=nn.Linear(WIDTH, WIDTH), head=nn.Linear(WIDTH, WORDS))  # fmt: skip


def translated(*, shifted: bool):
    """A translator that is taught by what it should have said."""

    def run(s, source, said):
        mask = nn.Transformer.generate_square_subsequent_mask(said.shape[1])
        return s.head(s.net(s.embed(source), s.embed(said), tgt_mask=mask))

    net = nn.Transformer(WIDTH, 4, 1, 1, 64, dropout=0.0, batch_first=True)
    model = Runs(run, embed=nn.Embedding(WORDS, WIDTH), net=net, head=nn.Linear(WIDTH, WORDS))
    source, target = words(), words(steps=10)
    said = torch.cat([torch.zeros(8, 1, dtype=torch.long), target[:, :-1]], 1) if shifted else target
    return model, (source, said), target, by_word


def next_word(model, *, first: bool = True, loss=by_word):
    x = words() if first else words().T
    return (model, x[:, :-1], x[:, 1:], loss) if first else (model, x[:-1], x[1:], loss)


def next_measurement(model):
    x = torch.randn(8, 15, 6)
    return model, x[:, :-1], x[:, 1:], F.mse_loss


def flat_targets(model):
    """As a corpus is cut into columns: steps first, targets in one row."""
    x = words(6, 21).T
    return model, x[:-1], x[1:].reshape(-1), lambda o, t: F.cross_entropy(o.view(-1, WORDS), t)


def same_words(model, loss=by_word):
    x = words()
    return model, x, x.clone(), loss


def masked_words():
    """Some words are hidden, and asked for alone."""
    x = words()
    hidden = torch.rand(x.shape) < 0.3
    return transformer(causal=False), x.masked_fill(hidden, 0), x.masked_fill(~hidden, -100), by_word


def remembered():
    """What was read two steps before is asked for."""
    x = words(8, 16)
    return recurrent(nn.GRU), x, torch.cat([torch.zeros(8, 2, dtype=torch.long), x[:, :-2]], 1), by_word


AHEAD = ("sees what it is to predict", "causal mask")
AHEAD_SICK = (
    Case("words without a causal mask", "no mask", lambda: next_word(transformer(causal=False)), one_of("targets seen"), (*AHEAD, "blocks.layers.0.self_attn")),
    Case("words shifted by the loss, no mask", "no mask", lambda: same_words(transformer(causal=False), shifted_by_the_loss), one_of("targets seen"), AHEAD),
    Case("next word by a network that reads both ways", "bidirectional", lambda: next_word(recurrent(nn.LSTM, both=True)), one_of("targets seen"), (*AHEAD, "what net gives", "both ways")),
    Case("columns of words read both ways", "bidirectional", lambda: flat_targets(recurrent(nn.GRU, both=True, first=False)), one_of("targets seen"), (*AHEAD, "what net gives")),
    Case("next measurement, padded on both sides", "padding 1", lambda: next_measurement(convolved(padded_in_front=False)), one_of("targets seen"), (*AHEAD, "padded in front", "what conv gives")),
    Case("attention by hand without a mask", "is_causal forgotten", lambda: next_word(by_hand(causal=False), loss=F.cross_entropy), one_of("targets seen"), AHEAD),
    Case("targets that nobody shifted", "targets are inputs", lambda: same_words(transformer(causal=True)), one_of("targets seen"), ("targets are the inputs", "x[:, 1:]")),
    Case("a translator told what to say", "no start token", lambda: translated(shifted=False), one_of("targets seen"), ("targets are the inputs", "x[:, 1:]")),
)  # fmt: skip
AHEAD_SOUND = (
    Case("words with a causal mask", "Radford 2018", lambda: next_word(transformer(causal=True))),
    Case("words shifted by the loss", "Radford 2018", lambda: same_words(transformer(causal=True), shifted_by_the_loss)),
    Case("next word by an LSTM", "Sundermeyer 2012", lambda: next_word(recurrent(nn.LSTM))),
    Case("columns of words", "Merity 2017", lambda: flat_targets(recurrent(nn.GRU, first=False))),
    Case("next measurement, padded in front", "van den Oord 2016", lambda: next_measurement(convolved(padded_in_front=True))),
    Case("attention by hand, causal", "", lambda: next_word(by_hand(causal=True), loss=F.cross_entropy)),
    Case("words given back", "an autoencoder", lambda: same_words(transformer(causal=False))),
    Case("hidden words", "Devlin 2018", masked_words),
    Case("a translator taught by its words", "Vaswani 2017", lambda: translated(shifted=True)),
    Case("what a GRU reads, said again", "a note alone: it may be meant to remember", lambda: same_words(recurrent(nn.GRU))),
    Case("what was read before", "Hochreiter 1997", remembered),
)  # fmt: skip
