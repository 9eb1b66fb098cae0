"""The facts that a loop gives to a monitor: losses, batches, targets, and what the first step may consist of."""

import math
import time
import weakref
from collections.abc import Callable
from numbers import Integral

from torch import Tensor, nn

from gradwidgets.core.monitor.told.answering import Answering
from gradwidgets.core.monitor.training.noted_loss import NotedLoss, Striking, loss_value
from gradwidgets.core.subject.home import at_home


class Noting(Answering):
    """The part of a `GradientMonitor` that takes facts from the loop."""

    _model: weakref.ref[nn.Module]
    _left: bool
    _in_closure: bool
    _sampled: bool
    _loss: NotedLoss
    _striking: Striking
    _struck: float

    @at_home
    def note_loss(self, value: float | Tensor) -> None:
        """Record the loss of a step; call it once per step, before the optimizer's step or after it.

        Of several values for one step the last counts. A tensor on an accelerator is read at sampled steps only,
        and when it is the newest. Outside of the block no loss is recorded, and `notes` says so.

        Args:
            value: A number or a tensor of one element.

        Raises:
            TypeError: It is neither.
            ValueError: It is larger than any float.
        """
        loss, value = value, loss_value(value)
        if self._active and self._first is not None and self._steps < 2:
            self._first.note_loss(loss)
        self._sampler.note_loss(ended=self._left, outside=not self._active)
        if not self._active:
            return
        self._look_at_loss(value, loss)
        # Within a closure, the step has begun and its sample is yet to be taken.
        done = self._steps - self._in_closure
        if self._loss.told(value, done):
            if self._sampled and len(self._sampler):
                value = float(value)
                self._sampler.amend_loss(value)
            self._losses.add(done, value, *self._sampler.about)

    def _look_at_loss(self, value: float | Tensor, loss: object) -> None:
        """Have the step of a striking loss sampled, so that its gradients are known too."""
        if not self._active or not isinstance(value, float) or not self._striking(value):
            return
        self._struck = value
        self._given.look()
        if self._first is not None and not math.isfinite(value):
            step = self._loss.step_of(self._steps - self._in_closure)
            self._first.add(self._given.findings(step))
            self._given.look_for_bad(self._model(), step, loss)
        if math.isfinite(value) and self._pace.every is not None:
            return
        if not self._in_closure and self._pace.due != self._steps + 1:
            self._pace.ask(self._steps + 1)

    def note_batch(self, index: int) -> None:
        """Say which batch the next step is of, so that a verdict can name it.

        Args:
            index: The batch's number, such as its place in the loader.

        Raises:
            TypeError: It is no whole number.
        """
        if isinstance(index, bool) or not isinstance(index, Integral):
            raise TypeError(f"index must be a whole number; got {index!r}")
        self._sampler.batch = float(index)

    @at_home
    def note_targets(self, targets: Tensor) -> None:
        """Give the next step's targets, so that a verdict knows the cost of a guess that never looks at the inputs.

        Only the frequencies of classes, or mean and spread of numbers, are kept. Of batches on an accelerator every
        seventh is read; of others all of the first 256, and every seventh after that.

        Args:
            targets: Labels or numbers; negative labels are ignored.

        Raises:
            TypeError: They are no tensor.
        """
        if not isinstance(targets, Tensor):
            raise TypeError(f"targets must be a tensor; got {type(targets).__name__}")
        begin = time.perf_counter()
        self._sampler.note_targets(targets)
        self._given.note_targets(targets)
        self._once += time.perf_counter() - begin

    def expect(self, inputs: object, targets: object, loss_fn: Callable[..., object]) -> None:
        """Give inputs, targets and loss of what may be the first step, so that all of these are checked.

        If the model is then called with these inputs, a copy of it makes one pass before the model's own, and its loss
        is checked together with the targets. It may be called for several batches, some of which never come; after the
        first pass it does nothing. Neither the model nor the training changes.

        Args:
            inputs: The model's inputs: a tuple for `model(*inputs)`, a dict for `model(**inputs)`.
            targets: The targets, for the loss.
            loss_fn: Called as `loss_fn(output, targets)` with the model's output.

        Raises:
            TypeError: `loss_fn` cannot be called.
        """
        if not callable(loss_fn):
            raise TypeError(f"loss_fn must be callable, loss_fn(output, targets); got {loss_fn!r:.60}")
        if self._first is not None:
            self._first.expect(inputs, targets, loss_fn)
