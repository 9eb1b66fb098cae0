"""Gradients that another loss has left, and that an optimizer then steps by together with those of its own."""

import contextlib
import weakref
from collections import deque
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.utils.weak import TensorWeakRef

from gradwidgets.core.monitor.facts import LeftoverFacts
from gradwidgets.core.monitor.owners import Owned
from gradwidgets.core.monitor.taps import Hook, Removable, take_away
from gradwidgets.core.monitor.training.thrown import dense_gradient, some_of

_STEPS = 256  # of an optimizer, that are looked at
_MOST = 8  # optimizers
_PASSES = 128  # that are remembered
_HELD = 64  # parameters of an optimizer among which one to follow is looked for


class _Holder:
    """One optimizer: a parameter of it, which passes reach that, and what another's step finds there.

    Passes are told apart by autograd's own numbers. The last one that reaches the parameter of an optimizer before it
    steps is of its loss; where that pass is also the last that reached this one's, it has changed this gradient too.
    """

    def __init__(self, parameter: Tensor) -> None:
        self.parameter = weakref.ref(parameter)
        self.of = self.times = self.sums = 0
        self.recent: deque[int] = deque(maxlen=_PASSES)  # the numbers of the last passes
        self.passes = 0  # since its own step
        self._after: deque[int] = deque(maxlen=_PASSES)  # the numbers of those since another's step
        self._by: _Holder | None = None  # who stepped then
        self.left: tuple[TensorWeakRef, int] | None = None
        self.mixed: TensorWeakRef | None = None  # the gradient that another pass was added to
        self.over = self.hooked = False

    def added(self, _: Tensor) -> None:
        """A backward pass was added to what was there."""
        with contextlib.suppress(Exception):  # it stands within the training's own pass
            self._look()

    def _look(self) -> None:
        self.recent.append(torch._C._current_graph_task_id())
        self._after.append(self.recent[-1])
        self.passes += 1
        left, self.left = self.left, None
        gradient = self._gradient
        # To fill the memory with zeros first would be one more write.
        if left is not None and gradient is not None and left[0]() is gradient and gradient._version == left[1] + 1:
            self.mixed = TensorWeakRef(gradient)

    @property
    def _gradient(self) -> Tensor | None:
        parameter = self.parameter()
        return None if parameter is None else dense_gradient(parameter)

    def other_steps(self, other: "_Holder") -> None:
        """Another optimizer is about to step."""
        gradient = self._gradient
        if gradient is None or not self.passes or not other.recent:
            return
        self.over = True
        if other.recent[-1] == self.recent[-1] and bool(some_of(gradient).any()):
            self._by = other
            self._after.clear()
            self.left = TensorWeakRef(gradient), gradient._version
            self.sums += self.passes > 1

    def steps(self) -> None:
        """It is about to step itself: by what was left and a pass of its own, or not."""
        mixed, gradient = self.mixed, self._gradient
        self.of += self.over or mixed is not None
        added = mixed is not None and gradient is not None and mixed() is gradient
        self.times += added and self._has_one_of_its_own()
        self.left = self.mixed = None
        self.over, self.passes, self._by = False, 0, None
        self._after.clear()

    def _has_one_of_its_own(self) -> bool:
        """Whether a pass since then has not reached the other: of one loss for both a sum is meant so."""
        return self._by is not None and any(number not in self._by.recent for number in self._after)


class Leftover:
    """Follows all optimizers' steps, and the passes that reach one parameter of each where there are several.

    Attributes:
        handles: Of the hooks at those parameters.
    """

    def __init__(self) -> None:
        self.handles: list[Removable] = []
        self._told: LeftoverFacts = {}
        self.forget()

    def forget(self) -> None:
        """Let go of the optimizers."""
        take_away(self.handles)
        self._holders: weakref.WeakKeyDictionary[torch.optim.Optimizer, _Holder | None] = weakref.WeakKeyDictionary()
        self._over = False

    def step(self, optimizer: torch.optim.Optimizer, held: Sequence[Owned]) -> None:
        """An optimizer is about to step, which holds these of the model's parameters, if any."""
        if self._over:
            return
        if optimizer not in self._holders:
            self._meet(optimizer, held)
            return
        own = self._holders[optimizer]
        if len(self._holders) < 2 or own is None:
            return  # with one alone there is nothing to follow
        for other in self._holders.values():
            if other is not None:
                self._follow(other)
            if other is not None and other is not own:
                other.other_steps(own)
        own.steps()
        if held and own.times > self._told.get("steps", 0):
            self._tell(own, type(optimizer).__name__, held)
        self._over = own.of >= _STEPS
        if self._over:
            take_away(self.handles)

    def _tell(self, own: _Holder, name: str, held: Sequence[Owned]) -> None:
        names = [one.name for one in held]
        self._told = {"name": name, "held": names, "steps": own.times, "of": own.of, "sums": own.sums}

    def _meet(self, optimizer: torch.optim.Optimizer, held: Sequence[Owned]) -> None:
        if len(self._holders) >= _MOST:  # a loop may make one for each step
            self.forget()
            self._over = True
            return
        parameter = _first(held, optimizer)
        self._holders[optimizer] = None if parameter is None else _Holder(parameter)

    def _follow(self, holder: _Holder) -> None:
        parameter = holder.parameter()
        if not holder.hooked and parameter is not None and parameter.requires_grad:
            holder.hooked = True
            self.handles.append(parameter.register_post_accumulate_grad_hook(Hook(holder.added)))

    @property
    def told(self) -> LeftoverFacts:
        """Of whom it is most often so: its "name", what it "held", and at how many "steps" "of" how many.

        With how many of those that were left were parts of a longer sum ("sums").
        """
        return self._told


def _first(held: Sequence[Owned], optimizer: torch.optim.Optimizer) -> Tensor | None:
    """The first parameter whose gradient can be followed: of the model's, or of somebody else's."""
    own: list[Tensor] = [one.parameter for one in held if one.plain]
    others: Iterable[Tensor] = (one for group in optimizer.param_groups for one in group["params"][:_HELD])
    return next((one for one in own or others if one.requires_grad and dense_gradient(one) is not None), None)
