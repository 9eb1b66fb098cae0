"""Networks that are well, and networks that are not, each with a batch."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from gradwidgets.core.layers import build_network


def _numbers(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def _classes(count, most=10):
    return torch.randint(0, most, (count,), generator=torch.Generator().manual_seed(2))


def built(kind="plain", **arguments):
    model = build_network(kind, **{"width": 100, "activation": "ReLU", "init": "He"} | arguments)
    inputs = arguments.get("inputs") or arguments.get("width", 100)
    return model, _numbers(32, inputs), _numbers(32, 1), functional.mse_loss


class Language(nn.Module):
    def __init__(self, middle, width):
        super().__init__()
        self.embed, self.middle, self.head = nn.Embedding(50, 32), middle, nn.Linear(width, 50)

    def forward(self, x):
        x = self.middle(self.embed(x))
        return self.head(x[0] if isinstance(x, tuple) else x).transpose(1, 2)


def _language(middle, width=32):
    tokens = torch.randint(0, 50, (8, 12), generator=torch.Generator().manual_seed(3))
    return Language(middle, width), tokens, tokens, functional.cross_entropy


def _encoder(layers, first):
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=first)
    return _language(nn.TransformerEncoder(layer, layers, enable_nested_tensor=False))


def _cnn(norm, layers):
    parts, channels = [], 1
    for _ in range(layers):
        parts += [nn.Conv2d(channels, 16, 3, padding=1), nn.BatchNorm2d(16) if norm else nn.Identity(), nn.ReLU()]
        channels = 16
    model = nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    return model, _numbers(16, 1, 12, 12), _classes(16), functional.cross_entropy


def _autoencoder():
    sizes = (100, 64, 8, 64, 100)
    parts = [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b), nn.ReLU())]
    x = _numbers(32, 100)
    return nn.Sequential(*parts[:-1], nn.Sigmoid()), x, x.sigmoid(), functional.mse_loss


HEALTHY = {
    "He, depth 2": lambda: built(depth=2),
    "He, depth 10": lambda: built(depth=10),
    "He, depth 30": lambda: built(depth=30),
    "He, depth 30, narrow": lambda: built(depth=30, width=32),
    "wide, one output": lambda: built(depth=3, width=2000, inputs=100),
    "LeakyReLU, depth 20": lambda: built(depth=20, activation="LeakyReLU"),
    "SELU, depth 30": lambda: built(depth=30, activation="SELU", init="normal"),
    "tanh, depth 10": lambda: built(depth=10, activation="Tanh", init="Xavier"),
    "tanh, orthogonal, depth 30": lambda: built(depth=30, activation="Tanh", init="orthogonal"),
    "LayerNorm, default init, depth 20": lambda: built(depth=20, init="default", normalization="layer"),
    "BatchNorm, depth 20": lambda: built(depth=20, normalization="batch"),
    "residual, zero branches": lambda: built("residual", depth=50, init="zero branch"),
    "residual, LayerNorm": lambda: built("residual", depth=50, normalization="layer"),
    "residual, default init": lambda: built("residual", depth=50, init="default"),
    "dense": lambda: built("dense", depth=20, width=32, inputs=100),
    "cnn": lambda: _cnn(False, 3),
    "cnn, BatchNorm": lambda: _cnn(True, 8),
    "transformer": lambda: _encoder(2, False),
    "transformer, norm first": lambda: _encoder(6, True),
    "lstm": lambda: _language(nn.LSTM(32, 64, 2, batch_first=True), 64),
    "autoencoder": _autoencoder,
}


def source_demo():
    """The source's own sick network: Linear 100→256→256→256→10, sigmoids between, weights N(0, 0.01²)."""
    layers = [nn.Linear(100, 256), nn.Linear(256, 256), nn.Linear(256, 256), nn.Linear(256, 10)]
    for layer in layers:
        nn.init.normal_(layer.weight, 0, 0.01)
    model = nn.Sequential(*(m for layer in layers[:-1] for m in (layer, nn.Sigmoid())), layers[-1])
    return model, _numbers(32, 100), _classes(32), functional.cross_entropy


def small(change):
    model = nn.Sequential(nn.Linear(100, 50), nn.ReLU(), nn.Linear(50, 1))
    with torch.no_grad():
        change(model)
    return model, _numbers(32, 100), _numbers(32, 1), functional.mse_loss


def _frozen(model):
    model.requires_grad_(False)


BROKEN = {
    "the source's demo": ("vanishing", source_demo),
    "ReLU, default init": ("vanishing", lambda: built(depth=30, init="default")),
    "sigmoid, depth 5": ("vanishing", lambda: built(depth=5, activation="Sigmoid", init="default")),
    "sigmoid, depth 50": ("vanishing", lambda: built(depth=50, activation="Sigmoid", init="default")),
    "sigmoid, depth 300": ("vanishing", lambda: built(depth=300, width=20, activation="Sigmoid", init="default")),
    "tanh, default init": ("vanishing", lambda: built(depth=30, activation="Tanh", init="default")),
    "linear, gain 1.5, depth 20": (
        "exploding",
        lambda: built(depth=20, activation="Identity", init="normal", gain=1.5, bias=False),
    ),
    "linear, gain 1.5, depth 30": (
        "exploding",
        lambda: built(depth=30, activation="Identity", init="normal", gain=1.5, bias=False),
    ),
    "residual, He, no normalisation": ("exploding", lambda: built("residual", depth=50)),
    "large weights": ("saturated", lambda: built(depth=8, activation="Tanh", init="normal", gain=10)),
    "biases far below zero": ("dead_units", lambda: small(lambda m: m[0].bias.fill_(-10))),
    "NaN in a weight": ("non_finite", lambda: small(lambda m: m[2].weight[0, 0].fill_(float("nan")))),
    "infinite output": ("non_finite", lambda: small(lambda m: m[0].bias.fill_(float("inf")))),
    "all frozen": ("no_gradient", lambda: small(_frozen)),
}
