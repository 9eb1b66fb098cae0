"""What the model was given last, held loosely, to be looked at where the loss is no number."""

import contextlib
from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.utils.weak import TensorWeakRef

from gradwidgets.core.layers.preflight.batch import data_findings
from gradwidgets.core.layers.preflight.reading import named_tensors
from gradwidgets.core.monitor.taps import Hook, take_away
from gradwidgets.core.results.finding import Finding

Held = list[tuple[str, TensorWeakRef]]


class Given:
    """Knows the inputs of the last pass with gradients, and the targets that were noted last, while they are there.

    Attributes:
        handles: Of the hook that stands.
    """

    def __init__(self) -> None:
        self.handles: list = []
        self._inputs: Held = []
        self._targets: Held = []

    def arm(self, model: nn.Module) -> None:
        """Begin to note what the model is given."""
        self.handles.append(model.register_forward_pre_hook(Hook(self._before), with_kwargs=True))

    def disarm(self) -> None:
        """Take the hook away and let go."""
        take_away(self.handles)
        self._inputs, self._targets = [], []

    def note_targets(self, targets: Tensor) -> None:
        """Know them, until others come."""
        self._targets = _held([("targets", targets)])

    def findings(self, step: int) -> list[Finding]:
        """What is not finite in them, which are of this step."""
        found = data_findings(_there(self._inputs), _there(self._targets))
        return [replace(one, evidence=one.evidence | {"step": step}) for one in found]

    def _before(self, model: nn.Module, arguments: tuple, keywords: dict) -> None:
        if not torch.is_grad_enabled():
            return
        with contextlib.suppress(Exception):
            whole = arguments[0] if len(arguments) == 1 and not keywords else (*arguments, *keywords.values())
            self._inputs = _held(named_tensors(whole, "inputs"))


def _held(tensors: Iterable[tuple[str, Tensor]]) -> Held:
    return [(name, TensorWeakRef(one)) for name, one in tensors if one.is_floating_point()]


def _there(held: Held) -> list[tuple[str, Tensor]]:
    """Those that nobody has let go."""
    return [(name, one) for name, ref in held if (one := ref()) is not None]
