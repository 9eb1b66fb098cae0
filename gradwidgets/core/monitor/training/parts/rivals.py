"""Optimizers that hold the same parameters, and the gradients by which each of them steps."""

import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.weak import TensorWeakRef

from gradwidgets.core.monitor.facts import RivalFacts
from gradwidgets.core.monitor.owners import Owned
from gradwidgets.core.monitor.training.thrown import dense_gradient, some_of, times_shorter

_FIRST = 64  # gradients of an optimizer's first step
_OTHERS = 7  # optimizers that a new one is compared with

_Kind = tuple[frozenset[str], tuple[str, ...], str]  # two classes, the parameters that they share, and which holds more


class _Used:
    """A gradient that an optimizer has stepped by, not kept alive, and `some` of its numbers if it is on the CPU."""

    def __init__(self, parameter: Tensor, gradient: Tensor, *, some: bool = True) -> None:
        self._ref, self._version = TensorWeakRef(gradient), gradient._version
        readable = some and gradient.is_cpu and dense_gradient(parameter) is not None
        self.some = some_of(gradient) if readable else None

    def is_again(self, gradient: Tensor, now: "_Used") -> bool:
        """Whether a later gradient is this one, unchanged or clipped since."""
        if self._ref() is not gradient:
            return False
        if self._version == gradient._version:
            return True
        if self.some is None or now.some is None or not bool(now.some.any()):
            return False  # any two gradients of zeros are the same
        return torch.equal(self.some, now.some) or times_shorter(self.some, now.some) > 0


@dataclass
class _Sum:
    """The sum over all pairs of the same classes with the same parameters, one pair after the other.

    Attributes:
        names: The two classes; the first steps first.
        shared: The parameters that both hold.
        more: The class of the one that holds all of the other's parameters and more; "" for neither.
        again: At how many steps one used the gradient that the other had used.
        steps: How many steps both made in turn.
        others: At how many steps the two gradients were different ones.
        along: The sum of the cosines of these.
    """

    names: tuple[str, str]
    shared: tuple[str, ...]
    more: str
    again: int = 0
    steps: int = 0
    others: int = 0
    along: float = 0.0

    def add(self, pair: "_Pair") -> None:
        """Add a pair."""
        self.names = pair.names if pair.again else self.names
        self.again, self.steps = self.again + pair.again, self.steps + pair.steps
        self.others, self.along = self.others + pair.others, self.along + pair.along


class _Pair:
    """Two optimizers that hold some parameters in common."""

    def __init__(self, shared: list[Owned], names: tuple[str, str], more: str) -> None:
        self.shared, self.names, self.more = shared, names, more
        self.again = self.others = 0
        self.counts: dict[int, int] = {}
        self.along = 0.0  # sum of the cosines of gradients that are not the same
        self.last: tuple[int, _Used] | None = None

    def step(self, key: int, named: str) -> None:
        """Compare the gradients before a step of one of them."""
        shared = ((one.parameter, one.parameter.grad) for one in self.shared)
        found = next(((one, gradient) for one, gradient in shared if gradient is not None), None)
        if found is None:
            return
        parameter, gradient = found
        self.counts[key] = self.counts.get(key, 0) + 1
        now, last = _Used(parameter, gradient), self.last
        if last is not None and last[0] != key:
            if last[1].is_again(gradient, now):
                self.again += 1
                self.names = self.names if self.names[1] == named else self.names[::-1]
            elif last[1].some is not None and now.some is not None:
                self.others += 1
                self.along += float(F.cosine_similarity(last[1].some.double(), now.some.double(), 0))
        self.last = key, now

    @property
    def sum(self) -> _Sum:
        """An empty sum for pairs like this one."""
        return _Sum(self.names, tuple(one.name for one in self.shared), self.more)

    @property
    def steps(self) -> int:
        """How many steps both made in turn."""
        return 2 * min(self.counts.values()) if len(self.counts) > 1 else 0


class Rivals:
    """Optimizers that hold the same parameters, and how often one steps by a gradient that another has used."""

    def __init__(self) -> None:
        self._ended: dict[_Kind, _Sum] = {}
        self._pairs: dict[tuple[int, int], _Pair] = {}
        self.forget()

    def forget(self) -> None:
        """Let go of the optimizers."""
        self._held: dict[int, tuple[weakref.ref[torch.optim.Optimizer], str, Sequence[Owned]]] = {}
        self._first: dict[int, dict[int, _Used]] = {}
        self._end(set(self._pairs))

    def step(self, optimizer: torch.optim.Optimizer, held: Sequence[Owned]) -> None:
        """Look at the gradients before a step of an optimizer, which holds these of the model's parameters."""
        key = id(optimizer)
        known = self._held.get(key)
        if known is None or known[0]() is not optimizer or known[2] is not held:
            self._take(optimizer, held)
        for keys, pair in self._pairs.items():
            if key in keys:
                pair.step(key, self._held[key][1])

    def _take(self, optimizer: torch.optim.Optimizer, held: Sequence[Owned]) -> None:
        """Pair a new optimizer with the last few that are still there: a loop may make one for each step."""
        key, name = id(optimizer), type(optimizer).__name__
        self._drop({other for other, (ref, *_) in self._held.items() if ref() is None or other == key})
        self._drop(set(list(self._held)[: max(0, len(self._held) - _OTHERS)]))
        ours = {id(one.parameter) for one in held}
        for other, (ref, its_name, theirs) in self._held.items():
            common = [one for one in theirs if id(one.parameter) in ours]
            if not common or _share_groups(optimizer, ref()):
                continue
            more = its_name if len(common) == len(held) < len(theirs) else ""
            more = name if len(common) == len(theirs) < len(held) else more
            self._pairs[min(key, other), max(key, other)] = pair = _Pair(common, (its_name, name), more)
            known = self._first.get(other, {})
            used = next((known[id(one.parameter)] for one in common if id(one.parameter) in known), None)
            if used is not None:
                pair.last, pair.counts[other] = (other, used), 1
        self._held[key] = weakref.ref(optimizer), name, held
        with_one = [(one.parameter, grad) for one in held if (grad := one.parameter.grad) is not None][:_FIRST]
        # The gradients of its first step, which an optimizer that comes next may use again.
        self._first = {key: {id(one): _Used(one, gradient, some=False) for one, gradient in with_one}}

    def _drop(self, keys: set[int]) -> None:
        for key in keys:
            del self._held[key]
        self._end({pair for pair in self._pairs if not keys.isdisjoint(pair)})

    def _end(self, keys: set[tuple[int, int]]) -> None:
        ended = self._summed([self._pairs.pop(key) for key in keys])
        self._ended = dict(sorted(ended.items(), key=lambda item: -item[1].again)[:_OTHERS])

    def _summed(self, pairs: Iterable[_Pair]) -> dict[_Kind, _Sum]:
        found = {key: replace(one) for key, one in self._ended.items()}
        for pair in pairs:
            one = pair.sum
            found.setdefault((frozenset(one.names), one.shared, one.more), one).add(pair)
        return found

    @property
    def told(self) -> RivalFacts:
        """The two optimizers that most often use each other's gradients; empty where none do.

        Returns:
            Their "names", in the order of their steps, and the parameters that they hold, "shared". How many of both
            ones' "steps" used a gradient that the other had used, "again". Which of them holds all of the other's
            parameters and "more", if any; then also how often the gradients were "others", and their mean cosine,
            "along" each other.
        """
        found = self._summed(self._pairs.values()).values()
        one = max(found, key=lambda each: (each.again, bool(each.more) * each.others), default=None)
        if one is None or not (one.again or (one.more and one.others)):
            return {}
        told: RivalFacts = {"names": list(one.names), "shared": list(one.shared)}
        told |= {"steps": max(one.steps, one.again), "again": one.again}
        if one.more and one.others:
            told |= {"more": one.more, "others": one.others, "along": one.along / one.others}
        return told


def _share_groups(one: object, other: object) -> bool:
    """Whether one of them wraps the other, so that a step of both is the same."""
    those = {id(group) for group in getattr(other, "param_groups", ())}
    return any(id(group) in those for group in getattr(one, "param_groups", ()))
