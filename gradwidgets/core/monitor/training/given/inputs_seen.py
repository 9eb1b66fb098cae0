"""The model's inputs at sampled steps: whether they are the same each time, and how large they are."""

import torch
from torch import Tensor

from gradwidgets.core.monitor.facts import InputFacts, SmallBatchFacts
from gradwidgets.core.monitor.training.given.same_parts import SameParts

_NUMBERS = 256  # of an input
_MOST = 512  # steps
_TIMES = 4  # times as many samples as a small batch has the largest one


class SmallBatches:
    """The steps whose batch is far smaller than the largest so far, by the first dimension of the model's inputs.

    Attributes:
        largest: The size of the largest batch.
    """

    def __init__(self) -> None:
        self.largest = self._now = self._of = 0
        self._steps: list[int] = []
        self._sizes: list[int] = []

    def see(self, tensor: Tensor) -> None:
        """Take an input of the next step."""
        if tensor.ndim:
            self._now = max(self._now, tensor.shape[0])

    def step(self, step: int) -> None:
        """Count the step whose inputs were taken."""
        now, self._now = self._now, 0
        self._of += now > 0
        self.largest = max(self.largest, now)
        if 0 < now * _TIMES <= self.largest and len(self._steps) < _MOST:
            self._steps.append(step)
            self._sizes.append(now)

    @property
    def told(self) -> SmallBatchFacts:
        """Their "steps" and "sizes", "of" how many that were seen, and the "largest"; empty where there are none."""
        kept = [k for k, size in enumerate(self._sizes) if size * _TIMES <= self.largest]
        if not kept:
            return {}
        steps, sizes = ([one[k] for k in kept] for one in (self._steps, self._sizes))  # of those still far smaller
        return {"steps": steps, "sizes": sizes, "of": self._of, "largest": self.largest}


class InputsSeen:
    """Compares a few numbers of the first input of each sampled step with those of the first step.

    Attributes:
        small: Batches of any step that are far smaller than others.
        parts: Parts of all inputs that never change.
        due: Whether the next step is sampled, and its inputs were not seen yet.
        new: Those numbers of the next step; None before they were seen.
    """

    def __init__(self) -> None:
        self.due = True
        self.small, self.parts = SmallBatches(), SameParts()
        self._first: Tensor | None = None
        self.new: Tensor | None = None
        self._same = 0
        self._steps: list[int] = []
        self._sizes: list[float] = []
        self._shape: list[int] = []  # of the newest
        self._shapes: list[list[int]] = []

    def see(self, tensor: Tensor) -> None:
        """Take an input of the next step."""
        self.due = False
        if tensor.layout != torch.strided or not tensor.numel() or tensor.is_complex():
            return
        self._shape = list(tensor.shape)
        flat = tensor.detach()
        flat = flat.view(-1) if flat.is_contiguous() else flat.reshape(-1)
        self.new = flat[:: -(-flat.numel() // _NUMBERS) | 1].clone()

    def sampled(self, step: int) -> None:
        """Keep and compare the input, as its step is sampled."""
        self.parts.sampled()
        new, self.new = self.new, None
        if new is None or len(self._steps) >= _MOST:
            return
        if self._first is None:
            self._first = new
        self._same += new.shape == self._first.shape and torch.equal(new, self._first.to(new.device))
        self._steps.append(step)
        self._shapes.append(self._shape)
        whole = new if new.is_floating_point() else new.float()
        wide = torch.float32 if whole.dtype.itemsize < 4 else None
        self._sizes.append(float(torch.linalg.vector_norm(whole, dtype=wide)) / new.numel() ** 0.5)

    @property
    def told(self) -> InputFacts:
        """The "steps" whose inputs were seen, "sizes" (root mean squares) and "shapes", and how many are the "same"."""
        if not self._steps:
            return {}
        told: InputFacts = {"steps": self._steps[:], "sizes": self._sizes[:]}
        told |= {"shapes": self._shapes[:], "same": self._same}
        if small := self.small.told:
            told["small"] = small
        if still := self.parts.told:
            told["still"] = still
        return told
