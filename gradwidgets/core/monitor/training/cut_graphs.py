"""Whether layers without a gradient are used all the same, and how their graph ends."""

import sys
from collections.abc import Iterable, Mapping
from types import FrameType

import torch
from torch import nn
from torch.utils.checkpoint import CheckpointFunction as _checkpoint

from gradwidgets.core.monitor.taps import Hook, NamedHook, Removable, first_tensor, take_away


class CutLook:
    """Looks, for one step, at modules whose parameters got no gradient.

    Attributes:
        handles: The handles of the hooks.
        found: By the modules' names: "no_grad" where it ran without a graph, "checkpoint" where torch's reentrant
            checkpoint ran it without one, "detached" where its output had a graph; "aside" in place of these where no
            optimizer holds its parameters, as if they were not to be trained.
        ran: The same without "aside".
    """

    def __init__(self) -> None:
        self.handles: list[Removable] = []
        self.found: dict[str, str] = {}
        self.ran: dict[str, str] = {}
        self._validating = False
        self._aside: frozenset[str] = frozenset()

    def arm(self, model: nn.Module, modules: Mapping[str, nn.Module], aside: Iterable[str] = ()) -> None:
        """Add hooks for the next pass.

        Args:
            model: The model.
            modules: The modules to look at, by their names.
            aside: Names of the modules whose parameters no optimizer holds.
        """
        self._aside = frozenset(aside)
        self.handles.append(model.register_forward_pre_hook(Hook(self._enters)))
        self.handles.append(model.register_forward_hook(Hook(self._leaves), always_call=True))
        for name, one in modules.items():
            self.handles.append(one.register_forward_hook(NamedHook(self._seen, name)))

    def disarm(self) -> None:
        """Take all hooks away."""
        take_away(self.handles)

    def _enters(self, *_: object) -> None:
        self._validating = not torch.is_grad_enabled()

    def _leaves(self, *_: object) -> None:
        self._validating = False

    def _seen(self, name: str, module: nn.Module, inputs: object, output: object) -> None:
        tensor = first_tensor(output)
        if not self._validating and tensor is not None:
            without = "checkpoint" if _is_checkpointed() else "no_grad"
            how = "detached" if tensor.requires_grad else self.ran.get(name, without)
            self.found[name] = "aside" if name in self._aside else how
            self.ran[name] = how


def _is_checkpointed() -> bool:
    """Whether torch's reentrant checkpoint runs the module, which makes no graph at first."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        names = frame.f_globals.get("__name__"), frame.f_code.co_name
        if names == (_checkpoint.__module__, "forward"):
            return True
        frame = frame.f_back
    return False
