"""The paths from the parameters of a random draw to the loss, and whether data influences the gradient on them."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from gradwidgets.core.operations.watching import Args

# Functions that only use the shape of their input.
_SHAPED = ("zeros_like", "ones_like", "full_like", "rand_like", "randn_like", "empty_like", "new_zeros", "new_ones",
           "new_full", "new_empty", "new_tensor", "size", "__len__")  # fmt: skip
# Functions whose gradient by one operand does not depend on the others.
_ADDS = ("add", "__add__", "__radd__", "add_", "__iadd__", "sub", "__sub__", "__rsub__", "rsub", "sub_", "__isub__",
         "cat", "concat", "stack")  # fmt: skip
_LESS = ("sub", "__sub__", "__rsub__", "rsub")
# Functions whose gradient does not depend on their inputs.
_LINEAR = (*_ADDS, "sum", "mean", "neg", "__neg__", "view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze",
           "__getitem__", "chunk", "split", "unbind", "transpose", "permute", "expand", "clone", "contiguous", "to",
           "float", "double")  # fmt: skip
_SCALES = ("mul", "__mul__", "__rmul__", "mul_", "__imul__", "div", "__truediv__", "true_divide")


class Step(NamedTuple):
    """One call of a function in a pass.

    Attributes:
        name: The function's name.
        given: The tensors among its arguments.
        gave: The tensors that it returned.
        arguments: All positional arguments.
    """

    name: str
    given: list[Tensor]
    gave: list[Tensor]
    arguments: Args


class Told(NamedTuple):
    """A draw that cuts off the tensors it is drawn from.

    Attributes:
        parameters: The ids of the model's parameters that these tensors are computed from.
        reached: Whether these parameters get a gradient from other terms of the loss.
    """

    parameters: list[int]
    reached: bool


class Routes:
    """The calls of a pass, followed from a draw to the loss.

    Args:
        steps: All calls, in order.
        constant: The ids of tensors that do not depend on data: parameters and buffers.
    """

    def __init__(self, steps: Sequence[Step], constant: Collection[int]) -> None:
        self._steps, self._given = steps, set(constant)
        self._maker: dict[int, Step] = {}
        self._constant = set(constant)
        for step in steps:
            if step.name in _SHAPED or all(id(one) in self._constant for one in step.given):
                self._constant.update(id(one) for one in step.gave)
            for one in step.gave:
                if not any(one is other for other in step.given):
                    self._maker.setdefault(id(one), step)

    def told(self, draw: Step, sources: Sequence[Tensor], loss: Tensor) -> Told | None:
        """Return what a draw cuts off; None unless its parameters reach the loss only by terms that need no data.

        Args:
            draw: The call that draws.
            sources: The tensors that it is drawn from.
            loss: The loss.
        """
        if all(self._is_fixed(one) for one in sources):
            return None
        after = self._after(draw)
        roots = [root for one in sources for root in self._roots(one)]
        if not roots or id(loss) not in after:
            return None
        reached = self._reach(self._with_twins(roots), {id(one) for one in draw.gave}, after, loss)
        return None if reached is None else Told([one for root in roots for one in self._made_by(root)], reached)

    def _is_fixed(self, one: Tensor) -> bool:
        return id(one) in self._constant and id(one) not in self._given and not one.requires_grad

    def _after(self, draw: Step) -> set[int]:
        """Return the ids of all tensors that depend on a draw."""
        found = {id(one) for one in draw.gave}
        for step in self._steps[self._place(draw) + 1 :]:
            if any(id(one) in found for one in step.given):
                found.update(id(one) for one in step.gave)
        return found

    def _place(self, step: Step) -> int:
        return next(i for i, one in enumerate(self._steps) if one is step)

    def _roots(self, one: Tensor) -> list[Tensor]:
        """Return the layers' outputs, or the parameters, that a tensor is computed from."""
        step = self._maker.get(id(one))
        if step is None:
            return [one] if isinstance(one, nn.Parameter) else []
        before = list({id(t): t for t in step.given if t.requires_grad}.values())
        if any(id(t) in self._given and len(step.given) > 1 for t in step.given):
            return [one]
        found = {id(root): root for t in before for root in self._roots(t)}
        return list(found.values()) if len(found) == 1 else [one]

    def _with_twins(self, roots: Sequence[Tensor]) -> set[int]:
        """Return the ids of roots, and of the same layers' outputs in other calls."""
        found = {id(one) for one in roots}
        own = [self._own(step) for one in roots if (step := self._maker.get(id(one))) is not None]
        for step in self._steps if any(own) else ():
            if any(some and some == self._own(step) for some in own):
                found.update(id(one) for one in step.gave)
        return found

    def _own(self, step: Step) -> set[int]:
        return {id(one) for one in step.given if id(one) in self._given}

    def _made_by(self, root: Tensor) -> list[int]:
        """Return the ids of the nearest parameters that a tensor is computed from."""
        waiting = [root]
        found: list[int] = []
        met: set[int] = set()
        while waiting:
            one = waiting.pop(0)
            if id(one) in met:
                continue
            met.add(id(one))
            step = self._maker.get(id(one))
            own = [t for t in ([one] if step is None else step.given) if id(t) in self._given]
            found += [id(t) for t in own]
            waiting += [t for t in step.given if t.requires_grad] if step is not None and not own else []
        return found

    def _reach(self, roots: set[int], drawn: set[int], after: set[int], loss: Tensor) -> bool | None:
        """Return whether the loss has terms without data of some roots; None if data influences their gradient."""
        clean = set(roots)  # computed from the roots alone
        joined: set[int] = set()  # with data added
        met: set[int] = set()  # where data influences the gradient
        for step in self._steps:
            mine = [one for one in step.given if id(one) in clean or id(one) in joined or id(one) in met]
            if not mine or not any(one.requires_grad and id(one) not in drawn for one in step.gave):
                continue
            others = [one for one in step.given if not any(one is t for t in mine) and id(one) not in self._constant]
            gave = {id(one) for one in step.gave if one.requires_grad} - roots
            if any(id(one) in met for one in mine) or self._meets(step, mine, others, joined, after):
                met |= gave
            elif any(id(one) in joined for one in mine) or (others and not self._scores(step, others, drawn)):
                joined |= gave
            else:
                clean |= gave
        if id(loss) in met:
            return None
        return id(loss) in clean | joined

    def _meets(self, step: Step, mine: list[Tensor], others: list[Tensor], joined: set[int], after: set[int]) -> bool:
        """Whether data influences the gradient of a call."""
        mixed = any(id(one) in joined for one in mine)
        if step.name in _SCALES:
            data = [one for one in others if one.numel() > 1 or id(one) in after]
            return bool(data) or (mixed and len([one for one in mine if one.ndim]) > 1)
        if step.name in _LINEAR:
            return False
        return mixed or bool(others)

    def _scores(self, step: Step, others: list[Tensor], drawn: set[int]) -> bool:
        """Whether a call subtracts a draw's mean from the draw: alone, the probability of a draw teaches nothing."""
        return step.name in _LESS and all(id(one) in drawn for one in others)
