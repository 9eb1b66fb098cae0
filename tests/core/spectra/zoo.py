"""Models that are hard to look at without a trace, each with inputs and targets."""

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint


class Last(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.net, self.out = kind(3, 4, batch_first=True), nn.Linear(4, 1)

    def forward(self, x):
        return self.out(self.net(x)[0][:, -1])


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.out = nn.Linear(4, 12), nn.Linear(4, 1)

    def forward(self, x):
        q, k, v = self.q(x).chunk(3, -1)
        return self.out(functional.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0].mean(1))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.out = nn.TransformerEncoderLayer(4, 2, 6, batch_first=True), nn.Linear(4, 1)

    def forward(self, x):
        return self.out(self.layer(x).mean(1))


class Words(nn.Module):
    def __init__(self, sparse):
        super().__init__()
        self.words, self.out = nn.Embedding(6, 3, sparse=sparse), nn.Linear(3, 1)

    def forward(self, x):
        return self.out(self.words(x).tanh().mean(1))


class Counting(nn.Module):
    """Keeps an activation, counts its calls, and changes its input in place."""

    def __init__(self):
        super().__init__()
        self.layer, self.calls, self.kept = nn.Linear(4, 1), 0, None

    def forward(self, x):
        self.calls += 1
        x.mul_(0.5)
        self.kept = self.layer(x).tanh()
        return self.kept


class Checkpointed(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.out = nn.Linear(4, 5), nn.Linear(5, 1)

    def forward(self, x):
        return self.out(checkpoint(lambda x: self.first(x).tanh(), x, use_reentrant=False))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(self.first(x).tanh()).sum(1, keepdim=True)


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 1)

    def forward(self, *, left, right):
        return {"out": self.layer(left * right).tanh()}


def batch_norm():
    return nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(inplace=True), nn.Linear(5, 1))


def dropout():
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Dropout(0.4), nn.Linear(6, 1))


def spectral():
    return nn.Sequential(nn.utils.spectral_norm(nn.Linear(4, 5)), nn.Tanh(), nn.Linear(5, 1))


def old_weight_norm():
    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 5)), nn.Tanh(), nn.Linear(5, 1))


def convolution():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 1))


def frozen_first():
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1))
    model[0].requires_grad_(False)
    return model


def half():
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1)).to(torch.bfloat16)


ZOO = {
    "batch norm": (batch_norm, (4,)),
    "dropout": (dropout, (4,)),
    "spectral norm": (spectral, (4,)),
    "weight norm": (old_weight_norm, (4,)),
    "convolution": (convolution, (1, 6, 6)),
    "recurrent": (lambda: Last(nn.RNN), (3, 3)),
    "LSTM": (lambda: Last(nn.LSTM), (3, 3)),
    "GRU": (lambda: Last(nn.GRU), (3, 3)),
    "attention": (Attention, (3, 4)),
    "encoder": (Encoder, (3, 4)),
    "words": (lambda: Words(False), None),
    "sparse words": (lambda: Words(True), None),
    "counting": (Counting, (4,)),
    "checkpointed": (Checkpointed, (4,)),
    "tied": (Tied, (4,)),
    "frozen first": (frozen_first, (4,)),
    "half precision": (half, (4,)),
}

SAMPLES = 24


def make(name):
    """The model with a gradient from before, its inputs and targets."""
    build, shape = ZOO[name]
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = build()
        dtype = next(model.parameters()).dtype
        x = torch.randint(0, 6, (SAMPLES, 4)) if shape is None else torch.randn(SAMPLES, *shape).to(dtype)
        y = torch.randn(SAMPLES, 1).to(dtype)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 0.25)
    return model, x, y


def fingerprint(model):
    """Everything that looking must not change, as plain objects."""

    def raw(tensor):
        return tensor.detach().clone().view(torch.uint8 if tensor.ndim else tensor.dtype).reshape(-1).tolist()

    return (
        {name: raw(p) for name, p in model.state_dict().items()},
        {name: (id(p), p.requires_grad, id(p.grad), p.grad.tolist()) for name, p in model.named_parameters()},
        {
            name: {key: id(value) for key, value in vars(module).items() if key != "training"}
            for name, module in model.named_modules()
        },
        [module.training for module in model.modules()],
        torch.get_rng_state().tolist(),
    )
