"""Hooks on a model's modules that reduce outputs and gradients to numbers, and keep no tensors."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.nn.utils import parametrize
from torch.utils import _pytree as pytree
from torch.utils.hooks import RemovableHandle

from gradwidgets.core.layers.causes.rows_seen import likeness, padded
from gradwidgets.core.layers.passes.activation_units import FEWEST_VALUES, axis_after, axis_of_units
from gradwidgets.core.layers.passes.attention_heads import gradient_by_head
from gradwidgets.core.layers.passes.calls import Calls
from gradwidgets.core.layers.passes.reduce import NodeGradients, Norms, Reducer, numbers_of
from gradwidgets.core.layers.passes.rows import ROOT, Row

# The most outputs of one call whose gradients are measured: of an LSTM, for example, only the last state may be used.
_OUTPUTS = 4
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


class Watch:
    """Records a model's pass within a `with` block.

    Args:
        model: The model.
        rows: The modules that are measured; the results are written to them.

    Attributes:
        numbers: Reduces outputs and gradients to numbers.
        calls: The calls of the model's modules.
        gradients_at: The gradients by the outputs of operations.
        norms: The norms of each parameter and its gradient, by the parameter's id.
        forward_done: Set by the user of the block after the forward pass: what runs again during the backward pass
            (in checkpoints) is not recorded.
    """

    def __init__(self, model: nn.Module, rows: list[Row]) -> None:
        self.rows, self.numbers, self.calls = rows, Reducer(), Calls()
        self.gradients_at = NodeGradients(self.numbers)
        self.norms: dict[int, Norms] = {}
        self.forward_done = False
        self._model = model
        self._row = {id(row.module): row for row in rows}
        self._handles: list[RemovableHandle] = []
        self._begun = 0
        self._axis: int | None = None

    def __enter__(self) -> "Watch":
        for name, module in called_modules(self._model):
            row = self._row.get(id(module))
            self._handles.append(module.register_forward_pre_hook(partial(self._begins, name, row)))
            self._handles.append(module.register_forward_hook(partial(self._ends, row)))
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self.gradients_at.remove()

    def weights(self) -> None:
        """Compute the norms of all parameters that have values and no norm yet."""
        new = {id(p): p for row in self.rows for p in row.own.values() if id(p) not in self.norms}
        new = {key: p for key, p in new.items() if not (nn.parameter.is_lazy(p) or p.is_meta)}
        for (key, parameter), place in zip(new.items(), self.numbers.norms(list(new.values())), strict=True):
            self.norms[key] = Norms(parameter.numel(), place)

    def place(self, vertex_of: Callable[[Node], int | None]) -> None:
        """Set the vertices of the calls of activations that run more than once."""
        for row in self.rows:
            if len(row.alive) > 1:
                known = {call: vertex_of(node) for (call, place), (node, _) in row.outputs.items() if not place}
                row.vertices = {call: vertex for call, vertex in known.items() if vertex is not None}

    def way_back(self) -> None:
        """Record the gradients by the modules' outputs; to be called before the backward pass."""
        for row in self.rows:
            self.gradients_at.watch(node for node, _ in row.outputs.values())

    def gradients(self, gradients: dict[int, Tensor]) -> None:
        """Set the norms of the gradients by the modules' outputs and by parameters; these are passed by their ids."""
        for row in self.rows:
            for at, (node, output) in row.outputs.items():
                size = self.gradients_at.at(node, output)
                if size is not None:
                    row.gradients[at] = size
            row.alike = likeness(row, gradients)
            row.heads = gradient_by_head(row.split, row.weights, gradients) if row.split else ()
            row.padded = padded(row)
        known = {key: gradient for key, gradient in gradients.items() if key in self.norms}
        for key, place in zip(known, self.numbers.norms(list(known.values())), strict=True):
            self.norms[key] = self.norms[key]._replace(gradient=place)
        sparse = {key for key, gradient in gradients.items() if gradient.layout is not torch.strided}
        for row in self.rows if sparse else ():
            for name, parameter in row.own.items():
                if id(parameter) in sparse:
                    row.note(f"the gradient of {name} is sparse: elements that it leaves out count as 0")

    def _begins(self, name: str, row: Row | None, module: nn.Module, *_: object) -> None:
        if self.forward_done:
            return
        self.calls.begin(name, module)
        if row is not None and row.first is None:
            row.first = self._begun
            self._begun += 1

    def _ends(self, row: Row | None, module: nn.Module, arguments: object, output: object) -> None:
        if self.forward_done:
            return
        if row is not None:
            self._record_outputs(row, output)
            if isinstance(module, nn.Embedding) and module.padding_idx is not None:
                row.tokens += [one.detach().clone() for one in tensors_in(arguments)]
            if isinstance(module, _CONVOLUTIONS):
                row.taken = next((tuple(one.shape) for one in tensors_in(arguments)), ())
        self.calls.end(module)

    def _record_outputs(self, row: Row, output: object) -> None:
        row.calls += 1
        if row.own:
            self._axis = axis_after(type(row.module))
        tensors = [t for t in tensors_in(output) if t.is_floating_point() or t.is_complex()]
        if not tensors:
            row.note("its output holds no tensor of floating point")
            return
        first = tensors[0]
        if torch._C._functorch.is_functorch_wrapped_tensor(first):
            row.note("it runs inside torch.func: its outputs are not seen")
            return
        if first.is_nested:
            row.note("its output is nested: not measured")
            return
        if not first.numel():
            row.note("its output is empty")
        self._reduce_output(row, numbers_of(first))
        for place, tensor in enumerate(tensors[:_OUTPUTS]):
            if tensor.grad_fn is not None:
                row.outputs[row.calls, place] = tensor.grad_fn, tensor.output_nr
            elif tensor.requires_grad:
                self._handles.append(tensor.register_hook(partial(self._gradient, row, row.calls, place)))

    def _reduce_output(self, row: Row, numbers: Tensor) -> None:
        axis, units, size = None, 0, numbers.numel()
        if row.units and size:
            if not numbers.ndim:
                numbers = numbers[None]
            after = self._axis if self._axis is not None else 1 if numbers.ndim > 3 else -1
            place = axis_of_units(numbers.shape, after)
            units = numbers.shape[place]
            if size // units >= FEWEST_VALUES:
                axis = place
            else:
                row.note(f"{size // units} values of each unit: too few to tell dead units from chance")
        pieces, alive, saturated = self.numbers.output(numbers, axis, row.saturates)
        row.pieces += pieces
        if alive is not None:
            row.alive.append((alive, units))
            row.alive_at.append(row.calls)
        if saturated is not None:
            row.saturated.append((saturated, size))

    def _gradient(self, row: Row, call: int, place: int, gradient: Tensor | None) -> None:
        if gradient is not None:  # None for an output that is not used
            row.gradients[call, place] = gradient.numel(), self.numbers.norm(gradient)


def called_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the names and modules that can take hooks: neither scripted ones nor parametrizations of parameters."""
    inside: set[int] = set()
    for name, module in model.named_modules():
        if id(module) in inside or isinstance(module, torch.jit.ScriptModule):
            continue
        if "parametrizations" in module._modules and parametrize.is_parametrized(module):
            inside |= {id(one) for one in module.parametrizations.modules()}
        yield name or ROOT, module


def tensors_in(output: object) -> Iterator[Tensor]:
    """Yield the tensors in a module's output: in tuples, lists, mappings, dataclasses, and registered pytrees."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, Mapping):
        for one in output.values():
            yield from tensors_in(one)
    elif isinstance(output, (list, tuple)):
        for one in output:
            yield from tensors_in(one)
    elif dataclasses.is_dataclass(output) and not isinstance(output, type):
        for one in dataclasses.fields(output):
            yield from tensors_in(getattr(output, one.name, None))
    else:
        yield from (leaf for leaf in pytree.tree_leaves(output) if isinstance(leaf, Tensor))
