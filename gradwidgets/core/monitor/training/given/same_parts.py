"""Parts of the model's inputs that are the very same at each sampled step, while the rest changes."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from gradwidgets.core.layers.preflight.reading import named_tensors
from gradwidgets.core.monitor.facts import StillFacts

_ROWS, _COLUMNS = 4, 512  # of an input that are compared
_SAMPLES = 32
_SEVERAL = 2  # columns


class SameParts:
    """Compares a few rows of each input of the first sampled steps with those of the first one."""

    def __init__(self) -> None:
        self._new: dict[str, Tensor] = {}
        self._first: dict[str, Tensor] = {}
        self._still: dict[str, Tensor] = {}
        self._apart: dict[str, int] = {}
        self._samples = 0

    def see(self, arguments: tuple[object, ...], keywords: Mapping[str, object]) -> None:
        """Take the inputs of a step that is to be sampled."""
        self._new = dict(self._rows(arguments, keywords)) if self._samples < _SAMPLES else {}

    def sampled(self) -> None:
        """Compare them, as their step is sampled."""
        new, self._new = self._new, {}
        if not new:
            return
        self._samples += 1
        if not self._first:
            self._first, self._still = new, {name: torch.ones_like(one, dtype=torch.bool) for name, one in new.items()}
            return
        for name in list(self._first):
            first, now = self._first[name], new.get(name)
            if now is None or now.shape != first.shape or now.dtype != first.dtype or now.device != first.device:
                del self._first[name], self._still[name]
            else:
                self._still[name] &= now == first

    def _rows(self, arguments: tuple[object, ...], keywords: Mapping[str, object]) -> Iterator[tuple[str, Tensor]]:
        given = {f"input {k}": value for k, value in enumerate(arguments, 1)} | dict(keywords)
        for name, value in given.items():
            for _, one in named_tensors(value, "input"):
                if one.ndim > 1 and one.shape[0] >= _ROWS and one.layout == torch.strided and not one.is_complex():
                    rows = one.detach()[:_ROWS].flatten(1)
                    self._apart[name] = apart = -(-rows.shape[1] // _COLUMNS)
                    yield name, rows[:, ::apart].clone()

    @property
    def told(self) -> list[StillFacts]:
        """The parts that stay: an input's "name", the "first" and "last" column "of" all, and at how many "samples".

        Empty where nothing else changes, and where rows are alike in all of it: a mask, or positions.
        """
        still = {name: one.all(0).cpu() for name, one in self._still.items()}
        if not still or all(bool(one.all()) for one in still.values()):
            return []
        found: list[StillFacts] = []
        for name, stays in still.items():
            first = self._first[name].cpu()
            columns = (stays & (first != first[:1]).any(0)).nonzero().flatten().tolist()
            if len(columns) >= min(_SEVERAL, len(stays)) and bool(stays[columns[0] : columns[-1] + 1].all()):
                apart = self._apart[name]
                ends = (0, len(stays) - 1) if bool(stays.all()) else (columns[0], columns[-1])
                whole = len(stays) * apart
                told: StillFacts = {"name": name, "first": ends[0] * apart, "last": ends[1] * apart, "of": whole}
                found.append({**told, "whole": bool(stays.all()), "samples": self._samples})
        return found
