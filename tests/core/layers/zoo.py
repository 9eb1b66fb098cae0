"""Models of many kinds with a batch each: what `layer_flow` must measure and leave alone."""

import warnings
from collections import UserDict

import torch
from torch import nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint


def square(output, targets):
    return output.square().mean()


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention, self.unused = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(3, 3)

    def forward(self, x, mask=None):
        return {"out": self.attention(x, x, x, need_weights=False), "mask": mask}


class Checkpointed(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Sequential(nn.Linear(8, 8), nn.ReLU()), nn.Linear(8, 1)

    def forward(self, x):
        return self.head(checkpoint(self.body, x, use_reentrant=False))


class Restless(nn.Module):
    """Changes everything that a forward can change."""

    def __init__(self):
        super().__init__()
        self.position, self.layer = nn.Parameter(torch.ones(8)), nn.Linear(8, 1)
        self.count, self.cache, self.seen = 0, [], {}
        self.register_buffer("running", torch.zeros(1))
        self.register_buffer("replaced", torch.zeros(1))

    def forward(self, x):
        self.count += 1
        self.cache.append(x)
        self.seen["x"] = x
        self.running.add_(torch.rand(1))
        self.replaced = self.replaced + 1
        self.last = x * 2
        self.layer.weight.data.mul_(2)
        self.layer.eval()
        self.layer.register_forward_hook(lambda *_: None)
        return self.layer(x + self.position)


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.embed, self.cell, self.head = (
            nn.Embedding(20, 8, sparse=True),
            kind(8, 6, batch_first=True),
            nn.Linear(6, 3),
        )

    def forward(self, x):
        _, state = self.cell(self.embed(x))
        return self.head(state[0] if isinstance(state, tuple) else state)


class ByName(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))

    def forward(self, *, x, scale):
        for layer in self.layers:
            x = torch.tanh(layer(x)) * scale
        return UserDict(out=x, size=3)


def _quietly(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


def _flat(x=16):
    return torch.randn(x, 8, generator=torch.Generator().manual_seed(0))


def _tokens():
    return torch.randint(0, 20, (3, 5), generator=torch.Generator().manual_seed(0))


def _mlp(**like):
    return nn.Sequential(nn.Linear(8, 8, **like), nn.Tanh(), nn.Linear(8, 1, **like))


def _shared():
    layer = nn.Linear(8, 8)
    return nn.Sequential(layer, nn.Tanh(), layer, nn.Tanh(), layer)


def _frozen():
    model = _mlp()
    model[0].requires_grad_(False)
    return model


def _with_gradients():
    model = _mlp()
    model(_flat()).sum().backward()
    return model


ZOO = {
    "in place": lambda: (nn.Sequential(nn.ReLU(inplace=True), nn.Linear(8, 8), nn.ReLU(inplace=True)), _flat(), square),
    "cnn": lambda: (
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(), nn.Flatten(), nn.Linear(144, 3)),
        torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)),
        square,
    ),
    "attention": lambda: (Attention(), (_flat().reshape(2, 8, 8),), lambda out, t: out["out"][0].square().mean()),
    "encoder": lambda: (
        nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2, enable_nested_tensor=False),
        _flat().reshape(2, 8, 8),
        lambda out, t: out[..., 0].mean(),
    ),
    "encoder, evaluation": lambda: (
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval().requires_grad_(False),
        _flat().reshape(2, 8, 8),
        square,
    ),
    "lstm": lambda: (Recurrent(nn.LSTM), _tokens(), square),
    "gru": lambda: (Recurrent(nn.GRU), _tokens(), square),
    "shared": lambda: (_shared(), _flat(), square),
    "by name": lambda: (ByName(), UserDict(x=_flat(), scale=0.5), lambda out, t: out["out"].square().mean()),
    "bfloat16": lambda: (_mlp().bfloat16(), _flat().bfloat16(), square),
    "half": lambda: (_mlp().half(), _flat().half(), square),
    "double": lambda: (_mlp().double(), _flat().double(), square),
    "complex": lambda: (
        nn.Linear(8, 8, dtype=torch.complex64),
        _flat().to(torch.complex64),
        lambda o, t: o.abs().square().mean(),
    ),
    "lazy": lambda: (_quietly(lambda: nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(1))), _flat(), square),
    "parametrised": lambda: (
        nn.Sequential(
            parametrizations.weight_norm(nn.Linear(8, 8)), nn.ReLU(), parametrizations.spectral_norm(nn.Linear(8, 1))
        ),
        _flat(),
        square,
    ),
    "weight norm of old": lambda: (
        _quietly(lambda: nn.Sequential(nn.utils.weight_norm(nn.Linear(8, 8)), nn.utils.spectral_norm(nn.Linear(8, 1)))),
        _flat(),
        square,
    ),
    "scripted": lambda: (_quietly(lambda: torch.jit.script(_mlp())), _flat(), square),
    "traced": lambda: (_quietly(lambda: torch.jit.trace(_mlp(), _flat())), _flat(), square),
    "data parallel": lambda: (nn.DataParallel(_mlp()), _flat(), square),
    "checkpointed": lambda: (Checkpointed(), _flat(), square),
    "restless": lambda: (Restless(), _flat(), square),
    "frozen": lambda: (_frozen(), _flat(), square),
    "all frozen": lambda: (_mlp().requires_grad_(False), _flat(), square),
    "with gradients": lambda: (_with_gradients(), _flat(), square),
    "no parameters": lambda: (nn.Sequential(nn.ReLU()), _flat(), square),
    "cut off": lambda: (_mlp(), _flat(), lambda out, t: out.detach().mean()),
    "nan": lambda: (_mlp(), _flat(), lambda out, t: out.mean() * float("nan")),
    "batch of one": lambda: (_mlp(), _flat(1), square),
    "no batch": lambda: (_mlp(), _flat(1)[0], square),
    "empty": lambda: (_mlp(), _flat()[:0], lambda out, t: out.sum()),
    "group norm": lambda: (
        nn.Sequential(nn.Conv1d(8, 4, 3), nn.GroupNorm(2, 4), nn.PReLU(4), nn.Softmax(1)),
        _flat().reshape(2, 8, 8),
        square,
    ),
}
