"""Mini-batches as torch's DataLoader draws them, for several seeds side by side, without its overhead."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from gradwidgets.core.regression.permutations import permutations
from gradwidgets.core.results.allowed import is_whole

LARGEST_SEED = 2**63 - 1

# Positions drawn at a time.
AT_ONCE = 2**18


def check_batch_size(batch_size: object) -> int:
    """Validate the size of a batch and return an int; a ValueError has torch's words.

    More than there are data are all of them, as in torch.
    """
    if not is_whole(batch_size) or batch_size < 1:
        raise ValueError(f"batch_size should be a positive integer value, but got batch_size={batch_size!r}")
    return int(batch_size)


def check_seed(seed: object) -> int:
    """Validate a seed and return an int."""
    if not is_whole(seed):
        raise TypeError(f"seed must be a whole number from 0; got {seed!r}")
    if not 0 <= seed <= LARGEST_SEED:
        raise ValueError(f"seed must be a whole number from 0 to {LARGEST_SEED}; got {seed!r}")
    return int(seed)


def batches(n: int, size: int, seeds: Sequence[int], count: int = 1) -> Iterator[Tensor]:
    """The positions of the data in batch after batch, without end.

    They are those of `DataLoader(data, size, shuffle=True, generator=torch.Generator().manual_seed(seed))`, iterated
    over again and again.

    Args:
        n: The number of data.
        size: The size of a batch; the last one of an epoch is smaller if it does not divide n.
        seeds: One for each row.
        count: How many batches will be asked for, if that is known: many are drawn faster at once.

    Yields:
        The positions of a batch, one row per seed, (S, size).
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    left = -(-count * size // n)
    most = max(1, AT_ONCE // (len(generators) * n))
    while True:
        epochs = min(max(left, 1), most)
        for orders in permutations(n, generators, epochs).unbind(0):
            yield from orders.split(size, dim=1)
        left -= epochs


def all_data(n: int) -> Iterator[Tensor]:
    """The same for all data at once, in order: the positions of every batch, (1, n)."""
    everything = torch.arange(n)[None]
    while True:
        yield everything
