"""Views that put axes in another order where a transpose was meant: (steps, classes) becomes (classes, steps).

A view moves no numbers. If its output has the axes of its input in another order, possibly merged or split, and the
boundaries between axes are not those of a merge or a split of whole axes, then numbers along one axis end up along
another.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from gradwidgets.core.layers.axes.mixing import COUNTING, Shapes
from gradwidgets.core.layers.passes.passes import FlowError, Subject
from gradwidgets.core.operations.watching import Args, Kwargs, Op
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.subject.user_code import place_of_call

_MOST = 6  # the most axes of a view that is checked


def scrambles(before: Sequence[int], after: Sequence[int]) -> bool:
    """Whether a view between these shapes mixes up axes; not if it changes the first axis."""
    if not before or not after or before[0] != after[0]:
        return False
    given, gives = ([size for size in shape[1:] if size > 1] for shape in (before, after))
    if min(len(given), len(gives)) < 2 or max(len(given), len(gives)) > _MOST:
        return False
    fine, coarse = (given, gives) if len(given) >= len(gives) else (gives, given)
    return _is_cut_across(given, gives) and _are_products(fine, coarse)


def exchanges(before: Sequence[int], after: Sequence[int]) -> bool:
    """Whether a view makes (height · width, channels) of (channels, height, width), or the other way round.

    There is no other explanation for such shapes. If sizes are equal, the view may also merge or split axes.
    """
    given, gives = _that_differ(before, after)
    if max(len(given), len(gives)) < 3 or merges(given, gives) or merges(gives, given):
        return False
    return _turned(given, gives) or _turned(gives, given)


def reorders(before: Sequence[int], after: Sequence[int]) -> bool:
    """Whether a view's output has the same axes in another order, as (steps, heads, width) and (heads, steps, width).

    Alone, this may be intended if one size divides the other: as many windows as a step has parts.
    """
    given, gives = _that_differ(before, after)
    return given != gives and sorted(given) == sorted(gives)


def joins_heads(before: Sequence[int], after: Sequence[int]) -> bool:
    """Whether (heads, steps, width) becomes (steps, heads · width) and no head could be a group of steps."""
    given, gives = _that_differ(before, after)
    if len(given) != 3 or gives != [given[1], given[0] * given[2]]:
        return False
    return bool(given[0] % given[1])


def groups_channels(before: Sequence[int], after: Sequence[int]) -> bool:
    """Whether a view may be meant to join whole channels of a map to groups, or to split groups again."""
    fine, coarse = sorted(_that_differ(before, after), key=len, reverse=True)
    return fine[0] % coarse[0] == 0


def _that_differ(before: Sequence[int], after: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the axes of more than one entry from the first difference on; none if the axes of the samples differ."""
    if not before or not after or before[0] != after[0]:
        return [], []
    given, gives = ([size for size in shape[1:] if size > 1] for shape in (before, after))
    while given and gives and given[0] == gives[0]:
        given, gives = given[1:], gives[1:]
    return given, gives


def merges(given: Sequence[int], gives: Sequence[int]) -> bool:
    """Whether a view only merges neighbouring axes."""
    return set(_cuts(gives)) <= set(_cuts(given))


def _turned(channels_first: list[int], other: list[int]) -> bool:
    """Whether the first axis of one shape is the last of the other, after the rest, merged or not."""
    first, *places = channels_first
    return len(places) > 1 and other in ([*places, first], [math.prod(places), first])


def _is_cut_across(given: list[int], gives: list[int]) -> bool:
    """Whether an axis of the output begins and ends within axes of the input, or at no whole fraction of one."""
    cuts = _cuts(given)
    for high, low in pairwise(_cuts(gives)):
        parts = [_within(end, cuts) for end in (high, low)]
        if math.inf in parts or (all(parts) and any(low < cut < high for cut in cuts)):
            return True
    return False


def _cuts(sizes: Sequence[int]) -> list[int]:
    """Return the number of elements after each boundary between axes, from the first on."""
    return [math.prod(sizes[place:]) for place in range(len(sizes) + 1)]


def _within(cut: int, cuts: list[int]) -> float:
    """Return 0 for a boundary between axes, 1 for a cut that divides an axis, and infinity for any other cut."""
    high, low = next(pair for pair in pairwise(cuts) if pair[1] <= cut <= pair[0])
    return 0 if cut in (high, low) else 1 if cut % low == 0 and high % cut == 0 else math.inf


def _are_products(fine: list[int], coarse: list[int]) -> bool:
    """Whether the sizes of one shape are products of those of another, each used once."""
    if not coarse:
        return not fine
    return any(_are_products(rest, coarse[1:]) for rest in _without_product(fine, coarse[0]))


def _without_product(sizes: list[int], product: int) -> Iterator[list[int]]:
    """Yield the sizes that are left after removing some with a given product, in every possible way."""
    if product == 1:
        yield sizes
        return
    for i, size in enumerate(sizes):
        if product % size == 0:
            for rest in _without_product(sizes[i + 1 :], product // size):
                yield sizes[:i] + rest


def place_of(subject: Subject, shapes: Shapes) -> tuple[str, str]:
    """Return the function that makes a view between these shapes, and file and line, by one more pass forward.

    Args:
        subject: A copy of the model, which runs.
        shapes: The shapes before and after.
    """
    seen = _Seen(shapes)
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]), seen:
            subject.loss()
    except FlowError:
        pass
    return seen.found or ("view", "")


class _Seen(FunctionMode):
    """Records the first call that changes one shape to another."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.found: tuple[str, str] | None = None
        self._shapes = shapes

    def __torch_function__(self, func: Op, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        result, name = func(*args, **(kwargs or {})), getattr(func, "__name__", "")
        tensors = name in COUNTING and all(isinstance(one, Tensor) for one in (*args[:1], result))
        if tensors and self.found is None and (tuple(args[0].shape), tuple(result.shape)) == self._shapes:
            self.found = name, place_of_call()
        return result
