"""Batches beside those of the real DataLoader."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

from gradwidgets.core.regression import permutations
from gradwidgets.core.regression.batches import batches


def loaded(n, size, seed):
    positions = TensorDataset(torch.arange(n))
    loader = DataLoader(positions, size, shuffle=True, generator=torch.Generator().manual_seed(seed))
    while True:
        yield from (batch for (batch,) in loader)


sizes = st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n + 2)))
seeds = st.integers(0, 2**63 - 1)


@settings(max_examples=60, deadline=None)
@given(sizes, st.lists(seeds, min_size=1, max_size=4), st.integers(0, 60), st.integers(1, 60))
def test_they_are_the_loaders(sizes, seeds, expected, asked):
    drawn = batches(*sizes, seeds, expected)
    real = [loaded(*sizes, seed) for seed in seeds]
    for batch in itertools.islice(drawn, asked):
        assert [row.tolist() for row in batch] == [next(one).tolist() for one in real]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.lists(seeds, min_size=1, max_size=5), st.integers(1, 9))
def test_side_by_side_they_are_drawn_as_one_by_one(n, seeds, epochs):
    made, left = [], []
    for make in (permutations.side_by_side, permutations.one_by_one):
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        made.append(make(n, generators, epochs))
        left.append([torch.rand(3, generator=generator) for generator in generators])
    assert torch.equal(*made)
    assert all(torch.equal(*pair) for pair in zip(*left, strict=True))


def test_a_torch_that_shuffles_otherwise_is_asked_one_by_one(monkeypatch):
    expected = permutations.permutations(3, [torch.Generator().manual_seed(1)], 50)
    monkeypatch.setattr(permutations, "side_by_side", lambda n, generators, epochs: torch.zeros(epochs, 1, n))
    permutations.is_understood.cache_clear()
    try:
        assert torch.equal(permutations.permutations(3, [torch.Generator().manual_seed(1)], 50), expected)
    finally:
        permutations.is_understood.cache_clear()


@pytest.mark.parametrize("expected", [1, 3000])
def test_more_than_fits_is_drawn_in_parts(monkeypatch, expected):
    monkeypatch.setitem(batches.__globals__, "AT_ONCE", 100)
    real = loaded(7, 3, 5)
    assert all(batch.tolist() == [next(real).tolist()] for batch in itertools.islice(batches(7, 3, [5], expected), 900))
