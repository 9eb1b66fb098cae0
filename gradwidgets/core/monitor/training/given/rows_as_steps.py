"""Recurrent layers that treat the samples of a batch as the steps of a sequence."""

from typing import Any

from torch import Tensor, nn

from gradwidgets.core.layers.preflight.reading import named_tensors
from gradwidgets.core.monitor.taps import NamedHook, Removable, take_away
from gradwidgets.core.results.finding import Finding


class RowsAsSteps:
    """Watches the inputs of recurrent layers in one pass, where the first dimension is time for them."""

    def __init__(self, model: nn.Module, size: int) -> None:
        self._size = size
        self._seen: list[tuple[str, str, int, int]] = []
        self._handles: list[Removable] = []
        for name, one in model.named_modules():
            if isinstance(one, nn.RNNBase) and not one.batch_first:
                self._handles.append(one.register_forward_pre_hook(NamedHook(self._enters, name)))

    def remove(self) -> None:
        """Remove the hooks."""
        take_away(self._handles)

    def _enters(self, name: str, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        first = inputs[0] if inputs else None
        if isinstance(first, Tensor) and first.ndim == 3:
            self._seen.append((name, type(module).__name__, *first.shape[:2]))

    def findings(self, output: object) -> list[Finding]:
        """Find a layer that has as many steps as the batch has samples, and an output for each of these "steps"."""
        tensors = [one for _, one in named_tensors(output, "output")]
        if len(tensors) != 1 or tensors[0].ndim > 2 or not tensors[0].ndim:
            return []
        rows = tensors[0].shape[0]
        for name, kind, steps, samples in self._seen:
            if steps != samples and samples > 1 and steps == rows == self._size:
                return [_finding(name, kind, steps, samples)]
        return []


def _finding(name: str, kind: str, steps: int, samples: int) -> Finding:
    named = f"{name} ({kind})" if name else kind
    message = (
        f"{named} takes the batch for a sequence: its batch_first is False, so of what it is given the first "
        f"dimension, {steps:,}, is time and the second, {samples:,}, are samples; and yet the model gives {steps:,} "
        "outputs, one for each row. Samples are read one after the other, each with what was left of those before"
    )
    action = f"Make it with nn.{kind}(…, batch_first=True), or give it inputs.transpose(0, 1)."
    evidence = {"steps": steps, "samples": samples, "layer": name}
    return Finding("rows_as_steps", "error", message, evidence, action=action)
