"""What the model is given at sampled steps: whether that is the very same each time, and how large it is."""

import torch
from torch import Tensor

_NUMBERS = 256  # of an input
_MOST = 512  # steps
_TIMES = 4  # as many samples as in a small batch has the largest


class SmallBatches:
    """The steps whose batch is far smaller than the largest so far, by the first dimension of what the model is given.

    Attributes:
        largest: How large the largest is.
    """

    def __init__(self) -> None:
        self.largest = self._now = self._of = 0
        self._steps: list[int] = []
        self._sizes: list[int] = []

    def see(self, tensor: Tensor) -> None:
        """An input of the step that comes."""
        if tensor.ndim:
            self._now = max(self._now, tensor.shape[0])

    def step(self, step: int) -> None:
        """It comes."""
        now, self._now = self._now, 0
        self._of += now > 0
        self.largest = max(self.largest, now)
        if 0 < now * _TIMES <= self.largest and len(self._steps) < _MOST:
            self._steps.append(step)
            self._sizes.append(now)

    @property
    def told(self) -> dict[str, object]:
        """Their "steps" and "sizes", "of" how many that were seen, and the "largest"; empty where there are none."""
        kept = [k for k, size in enumerate(self._sizes) if size * _TIMES <= self.largest]
        if not kept:
            return {}
        steps, sizes = ([one[k] for k in kept] for one in (self._steps, self._sizes))
        return {"steps": steps, "sizes": sizes, "of": self._of, "largest": self.largest}


class InputsSeen:
    """Keeps a few numbers of the first input of a sampled step, and what becomes of them.

    Attributes:
        small: Batches that are far smaller than others, of all steps.
        due: Whether the step that comes is sampled, and its inputs have yet to be seen.
        new: Those numbers of the step that comes; None before.
    """

    def __init__(self) -> None:
        self.due = True
        self.small = SmallBatches()
        self._first: Tensor | None = None
        self.new: Tensor | None = None
        self._same = 0
        self._steps: list[int] = []
        self._sizes: list[float] = []
        self._shape: list[int] = []  # of the newest
        self._shapes: list[list[int]] = []

    def see(self, tensor: Tensor) -> None:
        """An input of the step that comes."""
        self.due = False
        if tensor.layout != torch.strided or not tensor.numel() or tensor.is_complex():
            return
        self._shape = list(tensor.shape)
        flat = tensor.detach()
        flat = flat.view(-1) if flat.is_contiguous() else flat.reshape(-1)
        self.new = flat[:: -(-flat.numel() // _NUMBERS) | 1].clone()

    def sampled(self, step: int) -> None:
        """That step is sampled now."""
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
    def told(self) -> dict[str, object]:
        """At which "steps" inputs were seen, "sizes" (root mean squares) and "shapes", and how many are the "same"."""
        if not self._steps:
            return {}
        told = {"steps": self._steps[:], "sizes": self._sizes[:], "shapes": self._shapes[:], "same": self._same}
        return told | ({"small": small} if (small := self.small.told) else {})
