"""A softmax of attention along the queries is told; one along the keys is not, however it is written."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradwidgets.core.layers import layer_flow
from gradwidgets.core.monitor import diagnose


class Attends(nn.Module):
    def __init__(self, weigh):
        super().__init__()
        self.weigh, self.first = weigh, nn.Linear(6, 32)
        self.qkv, self.head = nn.Linear(32, 96), nn.Linear(32, 3)

    def forward(self, x):
        x = self.first(x)
        return self.head((x + self.weigh(*self.qkv(x).chunk(3, -1)))[:, 0])


def plain(q, k, v, axis):
    return torch.softmax(q @ k.mT / 6, axis) @ v


def in_heads(q, k, v, axis):
    q, k, v = (one.unflatten(-1, (4, 8)).transpose(1, 2) for one in (q, k, v))
    scores = q @ k.mT / 3 + torch.zeros(9, 9)
    shares = functional.dropout(torch.softmax(scores, axis), 0.1)
    return (shares @ v).transpose(1, 2).flatten(2)


def by_einsum(q, k, v, axis):
    return torch.einsum("bij,bjd->bid", torch.softmax(torch.einsum("bid,bjd->bij", q, k) / 6, axis), v)


def masked(q, k, v, axis):
    later = torch.ones(9, 9).triu(1).bool()
    return torch.softmax((q @ k.mT / 6).masked_fill(later, float("-inf")), axis) @ v


def keys_first(q, k, v):
    return torch.softmax(k @ q.mT / 6, 1).mT @ v


def shared_out(q, k, v):
    shares = torch.softmax(q @ k.mT / 6, 1) + 1e-8
    return (shares / shares.sum(-1, keepdim=True)) @ v


def of_features(q, k, v):
    return torch.softmax(q, -1) @ (torch.softmax(k, 1).mT @ v)


def told(weigh):
    torch.manual_seed(0)
    x, y = torch.randn(16, 9, 6), torch.arange(16) % 3
    found = diagnose(layer_flow(Attends(weigh), x, y, functional.cross_entropy))
    return [one for one in found if one.name == "softmax axis"]


@pytest.mark.parametrize(
    ("way", "axis"), [(plain, -2), (plain, 1), (in_heads, -2), (in_heads, 1), (by_einsum, 1), (masked, -2)]
)
def test_shares_that_weigh_along_another_axis_are_told(way, axis):
    (one,) = told(lambda q, k, v: way(q, k, v, axis))
    assert one.severity == "warning" and "test_softmax_axes.py, line" in one.message and "dim=-1" in one.action


@pytest.mark.parametrize("way", [plain, in_heads, by_einsum, masked])
def test_shares_along_the_keys_are_right(way):
    assert told(lambda q, k, v: way(q, k, v, -1)) == []


@pytest.mark.parametrize("way", [keys_first, shared_out, of_features])
def test_and_so_are_other_ways_to_write_them(way):
    assert told(way) == []


def test_no_causal_mask_is_asked_for_where_one_is_there():
    class Predicts(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.qkv, self.head = nn.Embedding(20, 32), nn.Linear(32, 96), nn.Linear(32, 20)

        def forward(self, x):
            return self.head(masked(*self.qkv(self.table(x)).chunk(3, -1), -2)).mT

    torch.manual_seed(0)
    x = torch.randint(20, (8, 10))
    names = {one.name for one in diagnose(layer_flow(Predicts(), x[:, :-1], x[:, 1:], functional.cross_entropy))}
    assert "softmax axis" in names and "targets seen" not in names
