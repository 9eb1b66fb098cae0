"""What a loop tells a monitor: losses, batches, targets, what the first step may be made of."""

import math
import time
from collections.abc import Callable
from numbers import Integral

from torch import Tensor

from gradwidgets.core.monitor.told.answering import Answering
from gradwidgets.core.monitor.training.noted_loss import loss_value
from gradwidgets.core.subject.home import at_home


class Noting(Answering):
    """The part of a `GradientMonitor` that is told something."""

    @at_home
    def note_loss(self, value: float | Tensor) -> None:
        """Record the loss beside the gradients; call it once a step, before the optimizer's step or after it.

        Of several values for one step the last counts. A tensor on an accelerator is read at sampled steps only,
        and when it is the newest. Outside of the block none is recorded, and `notes` says so.

        Args:
            value: A number or a tensor of one element.

        Raises:
            TypeError: It is neither.
            ValueError: It is beyond all floats.
        """
        loss, value = value, loss_value(value)
        if self._active and self._first is not None and self._steps < 2:
            self._first.note_loss(loss)
        self._sampler.note_loss(ended=self._left, outside=not self._active)
        if not self._active:
            return
        self._look_at_loss(value, loss)
        # Within a closure whose step has begun, the sample is still to come.
        done = self._steps - self._in_closure
        if self._loss.told(value, done):
            if self._sampled and len(self._sampler):
                value = float(value)
                self._sampler.amend_loss(value)
            self._losses.add(done, value, *self._sampler.about)

    def _look_at_loss(self, value: float | Tensor, loss: object) -> None:
        """Have the step of a striking loss sampled: what the gradients are there, is asked next."""
        if not self._active or not isinstance(value, float) or not self._striking(value):
            return
        self._given.look()
        if self._first is not None and not math.isfinite(value):
            step = self._loss.step_of(self._steps - self._in_closure)
            self._first.add(self._given.findings(step))
            self._given.look_for_bad(self._model(), step, loss)
        if math.isfinite(value) and self._pace.every != "auto":
            return
        if not self._in_closure and self._pace.due != self._steps + 1:
            self._pace.ask(self._steps + 1)

    def note_batch(self, index: int) -> None:
        """Say which batch the next step is of, so that a verdict can name it.

        Args:
            index: Its place in the loader, say.

        Raises:
            TypeError: It is no number.
        """
        if isinstance(index, bool) or not isinstance(index, Integral):
            raise TypeError(f"index must be a whole number; got {index!r}")
        self._sampler.batch = float(index)

    @at_home
    def note_targets(self, targets: Tensor) -> None:
        """Say what the next step's batch should give, so that a verdict knows what a mere guess would cost.

        Kept are the frequencies of classes, or mean and spread of numbers, and no target itself. Of the batches on an
        accelerator every seventh is read, and of others after the first 256.

        Args:
            targets: Labels or numbers; a negative label is one to ignore.

        Raises:
            TypeError: It is no tensor.
        """
        if not isinstance(targets, Tensor):
            raise TypeError(f"targets must be a tensor; got {type(targets).__name__}")
        begin = time.perf_counter()
        self._sampler.note_targets(targets)
        self._given.note_targets(targets)
        self._once += time.perf_counter() - begin

    def expect(self, inputs: object, targets: object, loss_fn: Callable) -> None:
        """Say what the first step may be made of, so that it is looked at as a whole.

        Where the model is then given these inputs, a copy of it makes one pass before its own, and the loss of that is
        looked at with the targets. May be called for several batches, and for some that never come; after the first
        pass it does nothing. Neither the model nor the training changes by it.

        Args:
            inputs: What the model will be given: a tuple as `model(*inputs)`, a dict as `model(**inputs)`.
            targets: Handed to the loss.
            loss_fn: `loss_fn(model's output, targets)`.

        Raises:
            TypeError: `loss_fn` cannot be called.
        """
        if not callable(loss_fn):
            raise TypeError(f"loss_fn must be callable, loss_fn(output, targets); got {loss_fn!r:.60}")
        if self._first is not None:
            self._first.expect(inputs, targets, loss_fn)
