"""Small nets and batches that the cases are made of, the same every time."""

import warnings

import torch
import torch.nn.functional as F
from torch import nn


def drawn(seed=0):
    return torch.Generator().manual_seed(seed)


def randn(*shape, seed=0):
    return torch.randn(shape, generator=drawn(seed))


def labels(*shape, most=4):
    return torch.randint(0, most, shape, generator=drawn(1))


def images(count=8, size=8):
    """Normalised as for ImageNet."""
    x = torch.rand(count, 3, size, size, generator=drawn())
    return (x - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def net(out=4, *last, wide=16):
    return nn.Sequential(nn.Linear(wide, 32), nn.ReLU(), nn.Linear(32, out), *last)


def scripted(what):
    """As older projects have it; torch calls it deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(what)


class Logits(nn.Module):
    """Any function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Calls(nn.Module):
    """A head after anything that may give a tuple."""

    def __init__(self, wide, out, body=None):
        super().__init__()
        self.body = body or nn.Linear(wide, 8)
        self.head = nn.Linear(8, out)

    def forward(self, x):
        h = self.body(x)
        return self.head(h[0] if isinstance(h, tuple) else h)


class Convolutions(nn.Module):
    def __init__(self, normed=False, out=4):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8) if normed else nn.Identity()
        self.head = nn.Linear(8, out)

    def forward(self, x):
        return self.head(torch.relu(self.norm(self.first(x))).mean((2, 3)))


class Two(nn.Module):
    """Two inputs, one branch each."""

    def __init__(self, x, d, named=False, norm=False):
        super().__init__()
        self.x = nn.Linear(x, 8)
        self.d = nn.Sequential(nn.BatchNorm1d(d), nn.Linear(d, 8)) if norm else nn.Linear(d, 8)
        self.head = nn.Linear(16, 4)

    def forward(self, x, d):
        return self.head(torch.relu(torch.cat([self.x(x), self.d(d)], 1)))


class captions(nn.Module):
    """A small language model that gives a dict."""

    def __init__(self, softmax=False):
        super().__init__()
        self.body, self.softmax = Calls(16, 4, nn.GRU(16, 8, batch_first=True)), softmax

    def forward(self, x):
        z = self.body(x)
        return {"logits": z.softmax(-1) if self.softmax else z, "hidden": x}


def batch(*last, loss=F.cross_entropy):
    return net(4, *last), randn(32, 16), labels(32), loss


def binary(*last, out=1, loss=None):
    return net(out, *last), randn(32, 16), labels(32, out, most=2).float(), loss


def regression(*last, loss=None, target=(32,), counts=False):
    return net(1, *last), randn(32, 16), labels(*target).float() if counts else randn(*target, seed=2), loss


def segmented(*last, loss=F.cross_entropy, out=4, void=False, targets=None):
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, out, 1), *last)
    if targets is None:
        targets = labels(4, 8, 8)
        if void or getattr(loss, "ignore_index", -100) == 255:
            targets[:, 0] = 255
    return model, images(4), targets, loss
