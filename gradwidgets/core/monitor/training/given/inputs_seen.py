"""What the model is given at sampled steps: whether that is the very same each time, and how large it is."""

import torch
from torch import Tensor

_NUMBERS = 256  # of an input
_MOST = 512  # sampled steps


class InputsSeen:
    """Keeps a few numbers of the first input of a sampled step, and what becomes of them.

    Attributes:
        due: Whether the step that comes is sampled, and its inputs have yet to be seen.
        new: Those numbers of the step that comes; None before.
    """

    def __init__(self) -> None:
        self.due = True
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
        return {"steps": self._steps[:], "sizes": self._sizes[:], "shapes": self._shapes[:], "same": self._same}
