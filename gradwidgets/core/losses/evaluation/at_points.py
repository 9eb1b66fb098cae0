"""Calls of a loss at points, forward and backward, without side effects, in one form of calling it."""

import contextlib
import copy
import dataclasses
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gradwidgets.core.losses.evaluation.batched import Batched
from gradwidgets.core.losses.evaluation.loss_values import Values
from gradwidgets.core.losses.evaluation.recording import Recorded
from gradwidgets.core.losses.hints import hint
from gradwidgets.core.losses.loss_call import LossCall, LossError
from gradwidgets.core.losses.precision import in_single
from gradwidgets.core.losses.reference import Doubling
from gradwidgets.core.results.slices import SLICE, Slices
from gradwidgets.core.subject.home import abroad
from gradwidgets.core.subject.threads import all_threads, one_thread
from gradwidgets.core.subject.undisturbed import Undisturbed

Method = Literal["vectorized", "vmap", "pointwise"]
Block = Callable[[], contextlib.AbstractContextManager[object]]

BLOCK = 2**16  # points in one call, at most
_MESSAGE_LENGTH = 300  # characters of an error's message, at most


@dataclass
class Form:
    """The form in which a loss is called; the loss's call itself holds the form of its constants.

    Attributes:
        method: How many points become calls, see `LossFunction`; None if not yet chosen.
        dtype: The dtype of the numbers that it is given.
        takes_mean: Whether the mean is taken of the values that it returns for one point.
        block: The number of points in one call, at most.
        why: Why it must be called point by point, in a sentence; "" if it is not, or that is not known.
        recorded: Recordings by dtype, and whether of the reference, for a loss that must be recorded; else None.
    """

    method: Method | None = None
    dtype: torch.dtype = torch.float64
    takes_mean: bool = False
    block: int = BLOCK
    why: str = ""
    recorded: dict[tuple[torch.dtype, bool], Recorded] | None = None


class Evaluation:
    """Calls of a loss at points.

    Args:
        call: The loss with its constants.
        undisturbed: The block in which nothing that the loss changes stays changed.

    Attributes:
        form: The form of the calls.
        around: Makes a further block, in which the loss alone runs.
        sample_shape: The shape of the values that the loss returns for one point, if it returns several.
        computes_in_single: Whether any call has computed in a lower precision than float64.
        has_worked: Whether any call has returned a value: then an error concerns only its own point.
    """

    def __init__(self, call: LossCall, undisturbed: Undisturbed) -> None:
        self.call, self.undisturbed = call, undisturbed
        self.form = Form()
        self.around: Block = contextlib.nullcontext
        self.sample_shape: tuple[int, ...] = ()
        self.computes_in_single = False
        self.has_worked = False

    def copy(self) -> "Evaluation":
        """The same calls with a form of their own; what is known to be disturbed is shared."""
        other = copy.copy(self)
        other.form = dataclasses.replace(self.form)
        if isinstance(self.around, Doubling):
            other.around = Doubling()  # other constants may be converted
        return other

    def at_once(self, points: Tensor, method: Method | None, gradient: bool = True) -> Values:
        """The loss at all points in one call, points (N, P); without the backward pass if `gradient` is False."""
        # Waking a thread takes longer than computing a block of points, especially on a busy machine.
        elementwise = method == "vectorized" and not self.undisturbed.models
        with self.undisturbed(self.call) as block, block.again(), one_thread() if elementwise else all_threads():
            if method == "vmap" and self.form.recorded is not None:
                return self._by_recording(points, self.form.recorded)
            values = self._with_gradient(*self.forward(points, method), gradient)
        if gradient and isinstance(self.around, Doubling):
            self.around.called()
        return values

    def _by_recording(self, points: Tensor, known: dict[tuple[torch.dtype, bool], Recorded]) -> Values:
        key = points.dtype, isinstance(self.around, Doubling)
        if key not in known:
            known[key] = Recorded(self._tensor, self._slopes, points[len(points) // 2].unbind(-1))
        recorded = known[key]
        loss, gradient = recorded.at(points.unbind(-1))
        return Values(loss.to(points.dtype), gradient.to(points.dtype), recorded.reached, {})

    def forward(self, points: Tensor, method: Method | None) -> tuple[Tensor, list[Tensor]]:
        """The losses with their graph, and its leaves; both passes must run inside the undisturbed block."""
        leaves = [column.clone().requires_grad_() for column in points.unbind(-1)]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
            if method == "vmap":
                with Batched():
                    value = torch.func.vmap(self._tensor, randomness="same")(*leaves)
            else:
                value = self._tensor(*leaves)
        if value.shape != (len(points),):
            raise LossError(
                f"{self.call.name} must return one value per point, shape ({len(points)},) for {len(points)} points; "
                f"it returned shape {tuple(value.shape)}"
            )
        return value, leaves

    def _tensor(self, *leaves: Tensor) -> Tensor:
        return self.checked(self.call(*leaves, around=self.around))

    def checked(self, value: object) -> Tensor:
        """The value of a call, checked; the mean of several per point, if the form takes it."""
        value = self.call.checked(value)
        return value.mean() if self.form.takes_mean and value.ndim and value.is_floating_point() else value

    def _with_gradient(self, value: Tensor, leaves: list[Tensor], gradient: bool = True) -> Values:
        gradients: Sequence[Tensor | None] = [None] * len(leaves)
        if gradient and value.requires_grad:
            gradients = self._slopes(value.sum(), leaves)
        reached = tuple(gradient is not None for gradient in gradients)
        filled = [torch.zeros_like(leaf) if g is None else g for g, leaf in zip(gradients, leaves, strict=True)]
        loss = value.detach().to(leaves[0].dtype)
        return Values(loss, torch.stack([g.detach() for g in filled], dim=-1), reached, {})

    def _slopes(self, total: Tensor, leaves: list[Tensor]) -> tuple[Tensor | None, ...]:
        # A custom backward is user code.
        with abroad() if isinstance(self.around, Doubling) else contextlib.nullcontext(), self.around():
            return torch.autograd.grad(total, leaves, allow_unused=True)

    def pointwise(self, points: Tensor, gradient: bool = True) -> Slices[Values]:
        """The loss at points (N, P), one call for each; errors are counted, not raised, unless all raise."""
        count, width = points.shape
        with torch.inference_mode(False):
            loss, slopes = (points.new_full(shape, float("nan")) for shape in ((count,), (count, width)))
        reached, k = [False] * width, 0
        failed: dict[str, int] = {}
        first: tuple[float, ...] | None = None
        while k < count:
            asked = time.perf_counter()
            with self.undisturbed(self.call) as block, block.again():
                begun = time.perf_counter()
                deadline = begun + max(SLICE, begun - asked)  # to copy a large model takes long
                while k < count and time.perf_counter() < deadline:
                    try:
                        one = self.at_point(points[k], gradient)
                    except Exception as error:
                        sentence = self.sentence(error)
                        failed[sentence] = failed.get(sentence, 0) + 1
                        first = first or tuple(points[k].tolist())
                    else:
                        loss[k], slopes[k] = one.loss, one.gradient
                        reached = [a or b for a, b in zip(reached, one.reached, strict=True)]
                    k += 1
            yield k / count
        if count and sum(failed.values()) == count:
            known = self.has_worked and self.around is contextlib.nullcontext and points.dtype == self.form.dtype
            if not known:
                raise LossError(next(iter(failed)))
            reached = [True] * width  # nothing shows the contrary
        return Values(loss, slopes, tuple(reached), failed, first)

    def at_point(self, point: Tensor, gradient: bool = True) -> Values:
        """The loss at one point, (P,); to be called inside the undisturbed block."""
        self.undisturbed.renew()
        leaves = [number.clone().requires_grad_() for number in point.unbind(-1)]
        value = self.checked(self.call(*leaves, around=self.around))
        if value.numel() != 1:
            if value.numel() and not self.sample_shape:
                self.sample_shape = tuple(value.shape)
            raise LossError(
                f"{self.call.name} must return one value; for scalar inputs it returned shape {tuple(value.shape)}"
            )
        if self.form.method is None and not self.computes_in_single:
            self.computes_in_single = in_single(value)
        self.has_worked = True
        return self._with_gradient(value.reshape(()), leaves, gradient)

    def sentence(self, error: Exception) -> str:
        """What went wrong in a call, with the call itself."""
        if isinstance(error, LossError):
            return str(error)
        text = " ".join(str(error).split())
        text = text if len(text) <= _MESSAGE_LENGTH else f"{text[:_MESSAGE_LENGTH].rpartition(' ')[0]} …"
        call = f"{self.call.name}({', '.join([*self.call.varied, *self.call.fixed])})"
        text = f"{text.rstrip('.')}{more}" if (more := hint(text, self.call.fixed)) else text
        return f"{call} raised {type(error).__name__}: {text}" if text else f"{call} raised {type(error).__name__}"
