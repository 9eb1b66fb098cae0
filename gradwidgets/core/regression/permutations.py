"""The permutations that a shuffling DataLoader draws from its generator, epoch after epoch.

At the beginning of an epoch the loader draws a seed for its workers, then the permutation; and when that is used up,
its sampler draws another one, of which it uses nothing (see `RandomSampler.__iter__`).
"""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

# Shuffling side by side takes about as long per position as torch's own shuffle per permutation, times this.
_WORTH_IT = 2


def permutations(n: int, generators: Sequence[torch.Generator], epochs: int) -> Tensor:
    """The permutations of the next epochs, for several generators, which move on.

    Args:
        n: The number of data.
        generators: One for each row.
        epochs: How many.

    Returns:
        Shape (epochs, S, n).
    """
    if len(generators) * epochs > _WORTH_IT * n and is_understood():
        return side_by_side(n, generators, epochs)
    return one_by_one(n, generators, epochs)


def one_by_one(n: int, generators: Sequence[torch.Generator], epochs: int) -> Tensor:
    """The same by torch's own calls."""
    orders = torch.empty(epochs, len(generators), n, dtype=torch.int64)
    worker_seed, unused = torch.empty((), dtype=torch.int64), torch.empty(n, dtype=torch.int64)
    for epoch in orders.unbind(0):
        for generator, order in zip(generators, epoch.unbind(0), strict=True):
            worker_seed.random_(generator=generator)
            torch.randperm(n, generator=generator, out=order)
            torch.randperm(n, generator=generator, out=unused)
    return orders


def side_by_side(n: int, generators: Sequence[torch.Generator], epochs: int) -> Tensor:
    """The same from the generators' raw numbers, two of 32 bits in each of 64.

    A seed takes 2 of them, a permutation n − 1.
    """
    raw = torch.empty(len(generators), epochs * n, dtype=torch.int64)
    for generator, row in zip(generators, raw.unbind(0), strict=True):
        row.random_(-(2**63), None, generator=generator)
    halves = torch.stack([(raw >> 32) & 0xFFFFFFFF, raw & 0xFFFFFFFF], dim=-1)
    draws = halves.view(len(generators), epochs, 2 * n)[:, :, 2 : n + 1].permute(2, 1, 0).flatten(1)
    orders = torch.arange(n)[:, None].repeat(1, epochs * len(generators))
    for i, draw in enumerate(draws):  # Fisher and Yates: position i changes places with one from i on
        other = (draw % (n - i)).add_(i)[None]
        here = orders[i : i + 1].clone()
        orders[i : i + 1] = orders.gather(0, other)
        orders.scatter_(0, other, here)
    return orders.view(n, epochs, len(generators)).permute(1, 2, 0).contiguous()


@lru_cache(maxsize=1)
def is_understood() -> bool:
    """Whether this version of torch draws as `side_by_side` does; else all is left to it."""
    found = [
        make(7, [torch.Generator().manual_seed(seed) for seed in (3, 2**40)], 3) for make in (one_by_one, side_by_side)
    ]
    return torch.equal(*found)
