"""Scores that are always equal, states drawn anew, terms that train something else; and what is sound and looks so."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, one_of, through


def gated(how, many=3):
    """Experts that are weighed by a softmax over scores."""

    def scores(s, h):
        if how == "cat":
            return torch.cat([s.score(h) for _ in range(many)], 1)
        if how == "expand":
            return s.score(h).expand(-1, many)
        return s.gate(h) if how in ("gate", "gate of 0") else torch.cat([s.score(h), s.other(h), h[:, :1]], 1)

    def run(s, x):
        h = s.body(x).tanh()
        values = torch.stack([one(h) for one in s.experts], 1)
        return s.head((scores(s, h).softmax(-1).unsqueeze(-1) * values).sum(1))

    parts = {"gate": nn.Linear(16, many)} if "gate" in how else {"score": nn.Linear(16, 1), "other": nn.Linear(16, 1)}
    if how in ("cat", "expand"):
        del parts["other"]
    if how == "gate of 0":
        nn.init.zeros_(parts["gate"].weight)
        nn.init.zeros_(parts["gate"].bias)
    experts = nn.ModuleList(nn.Linear(16, 16) for _ in range(many))
    model = Runs(run, body=nn.Linear(7, 16), head=nn.Linear(16, 3), experts=experts, **parts)
    return model, torch.randn(24, 7), classes(24, 3), F.cross_entropy


def attending(how):
    """Attention over steps, with scores of the query alone, of query and key, or of keys that are all the same at first."""

    def run(s, x):
        h = s.rnn(x)[0]
        query = s.query(h[:, -1:].expand_as(h))
        score = s.score(torch.tanh(query if how == "query" else query + s.key(h))).squeeze(-1)
        return s.head((score.softmax(1).unsqueeze(-1) * h).sum(1))

    parts = {} if how == "query" else {"key": nn.Linear(16, 16)}
    model = Runs(
        run, rnn=nn.GRU(5, 16, batch_first=True), query=nn.Linear(16, 16), score=nn.Linear(16, 1),
        head=nn.Linear(16, 3), **parts,
    )  # fmt: skip
    x = torch.zeros(12, 9, 5) if how == "zeros" else torch.randn(12, 9, 5)
    return model, x, classes(12, 3), F.cross_entropy


def shared_ids():
    """Attention without codes of places over tokens that are all the same in this batch."""

    def run(s, x):
        h = s.embed(x)
        weights = (s.query(h) @ s.key(h).mT / 4).softmax(-1)
        return s.head((weights @ h).mean(1))

    model = Runs(run, embed=nn.Embedding(30, 16), query=nn.Linear(16, 16), key=nn.Linear(16, 16), head=nn.Linear(16, 3))
    return model, torch.full((10, 6), 4), classes(10, 3), F.cross_entropy


def one_token_each():
    """Attention over sequences that each repeat one token, with codes of places."""

    def run(s, x):
        h = s.embed(x) + s.code
        return s.head(((s.query(h) @ s.key(h).mT).softmax(-1) @ h).mean(1))

    parts = {"query": nn.Linear(12, 12), "key": nn.Linear(12, 12), "head": nn.Linear(12, 3)}
    model = Runs(run, embed=nn.Embedding(9, 12), code=nn.Parameter(0.1 * torch.randn(7, 12)), **parts)
    return model, torch.randint(0, 9, (10, 1)).expand(10, 7).clone(), classes(10, 3), F.cross_entropy


def begun(how):
    """A recurrent layer, and the state that it begins with."""

    def run(s, x):
        if how == "cell":
            h, c = torch.empty(len(x), 16).normal_(), torch.zeros(len(x), 16)
            for t in range(x.shape[1]):
                h, c = s.rnn(x[:, t], (h, c))
            return s.head(h)
        if how == "latent":
            mean, log_scale = s.encode(x).mean(1).chunk(2, -1)
            state = (mean + torch.randn_like(mean) * log_scale.exp())[None].contiguous()
        elif how == "dropped":
            state = F.dropout(s.first.expand(1, len(x), 16), 0.2, s.training).contiguous()
        else:
            state = torch.zeros(1, len(x), 16) if how == "noise in" else torch.randn(1, len(x), 16)
        x = x + 0.1 * torch.randn_like(x) if how == "noise in" else s.drop(x)
        return s.head(s.rnn(x, state)[0][:, -1])

    parts = {"latent": {"encode": nn.Linear(5, 32)}, "dropped": {"first": nn.Parameter(0.1 * torch.randn(1, 1, 16))}}
    parts["cell"] = {"rnn": nn.LSTMCell(5, 16)}
    plain = {"rnn": nn.GRU(5, 16, batch_first=True), "drop": nn.Dropout(0.1)}
    model = Runs(run, head=nn.Linear(16, 3), **(parts["cell"] if how == "cell" else plain | parts.get(how, {})))
    return model, torch.randn(12, 9, 5), classes(12, 3), F.cross_entropy


def beside(how):
    """A loss with a term of another module."""
    other = through(8, 16, 1)
    codes = nn.Parameter(torch.randn(7, 8))

    def loss(o, y):
        if how == "detached":
            return F.l1_loss(o, y) + 0.1 * F.softplus(-other(o.detach())).mean()
        if how == "both sides":
            return F.softplus(-other(o)).mean() + F.softplus(other(o.detach())).mean() + F.l1_loss(o, y)
        if how == "codes":
            q = codes[torch.cdist(o, codes).argmin(1)]
            return F.mse_loss(o, y) + F.mse_loss(q, o.detach()) + 0.25 * F.mse_loss(o, q.detach())
        return F.l1_loss(o, y) + 0.1 * F.softplus(-other(o)).mean()

    return through(5, 16, 8), torch.randn(20, 5), torch.randn(20, 8), loss


EQUAL = one_of("equal scores")
TWELFTH_SICK = (
    Case("scores of one layer, side by side", "a mixture of experts", lambda: gated("cat"), EQUAL, ("3 scores are always equal", "score has")),
    Case("one score for all experts", "a mixture of experts", lambda: gated("expand", 4), EQUAL, ("1/4 whatever comes in", "kinds_twelfth.py")),
    Case("scores of the query alone", "additive attention", lambda: attending("query"), EQUAL, ("9 scores are always equal", "query, score")),
)  # fmt: skip
TWELFTH_SOUND = (
    Case("a gate", "a mixture of experts", lambda: gated("gate")),
    Case("a gate that begins at 0", "a mixture of experts", lambda: gated("gate of 0")),
    Case("scores of two layers and a feature", "a mixture of experts", lambda: gated("two")),
    Case("scores of query and key", "additive attention", lambda: attending("both")),
    Case("sequences of one token each", "attention", one_token_each),
)
# What is noted and blames nobody: the case, what a note says, and what none may say.
TWELFTH_NOTES = (
    (lambda: begun("drawn"), "randn (kinds_twelfth.py", ""),
    (lambda: begun("cell"), "rnn begins each pass at a state of random numbers, normal_", ""),
    (lambda: begun("latent"), "", "begins each pass"),
    (lambda: begun("dropped"), "", "begins each pass"),
    (lambda: begun("noise in"), "", "begins each pass"),
    (lambda: beside("detached"), "detached (kinds_twelfth.py", ""),
    (lambda: beside("both sides"), "", "trains nothing of the model"),
    (lambda: beside("codes"), "", "trains nothing of the model"),
    (lambda: beside("through"), "", "trains nothing of the model"),
    (lambda: attending("zeros"), "", "always equal"),
    (shared_ids, "", "always equal"),
)
