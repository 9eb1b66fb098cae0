"""Whether what has no gradient is used all the same, and where its graph ends."""

import sys
from collections.abc import Iterable, Mapping

import torch
from torch import nn
from torch.utils.checkpoint import CheckpointFunction as _checkpoint

from gradwidgets.core.monitor.taps import Hook, first_tensor, take_away


class _At(Hook):
    """The hook of one module, which tells its name."""

    __slots__ = ("_name",)

    def __init__(self, method, name: str) -> None:
        super().__init__(method)
        self._name = name

    def __call__(self, module: nn.Module, inputs: object, output: object) -> None:
        """Report the call."""
        super().__call__(self._name, output)


class CutLook:
    """Looks, for one step, at modules whose parameters got no gradient.

    Attributes:
        handles: Of the hooks that stand.
        found: By module's name "no_grad" where it ran without a graph, "checkpoint" where torch's checkpoint of the
            reentrant kind ran it so, "detached" where what it gave had one;
            "aside" for either where no optimizer holds it, as for what is not to be trained.
    """

    def __init__(self) -> None:
        self.handles: list = []
        self.found: dict[str, str] = {}
        self._validating = False
        self._aside: frozenset[str] = frozenset()

    def arm(self, model: nn.Module, modules: Mapping[str, nn.Module], aside: Iterable[str] = ()) -> None:
        """Wait for the next pass.

        Args:
            model: Whose.
            modules: Those to look at, by their names.
            aside: Names of those that no optimizer holds.
        """
        self._aside = frozenset(aside)
        self.handles.append(model.register_forward_pre_hook(Hook(self._enters)))
        self.handles.append(model.register_forward_hook(Hook(self._leaves), always_call=True))
        for name, one in modules.items():
            self.handles.append(one.register_forward_hook(_At(self._seen, name)))

    def disarm(self) -> None:
        """Take all hooks away."""
        take_away(self.handles)

    def _enters(self, *_: object) -> None:
        self._validating = not torch.is_grad_enabled()

    def _leaves(self, *_: object) -> None:
        self._validating = False

    def _seen(self, name: str, output: object) -> None:
        tensor = first_tensor(output)
        if not self._validating and tensor is not None:
            without = "checkpoint" if _is_checkpointed() else "no_grad"
            how = "detached" if tensor.requires_grad else self.found.get(name, without)
            self.found[name] = "aside" if name in self._aside else how


def _is_checkpointed() -> bool:
    """Whether torch's checkpoint of the reentrant kind runs the module: that makes no graph of its own at first."""
    frame = sys._getframe()
    while frame is not None:
        names = frame.f_globals.get("__name__"), frame.f_code.co_name
        if names == (_checkpoint.__module__, "forward"):
            return True
        frame = frame.f_back
    return False
