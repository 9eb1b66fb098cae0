"""The first layers of a model: the scale of their inputs, and batch norms of one sample."""

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.utils.hooks import RemovableHandle

from gradwidgets.core.layers.axes.along_samples import Along, takes_steps_first
from gradwidgets.core.layers.passes.watch import tensors_in
from gradwidgets.core.layers.preflight.cures import beyond_rows
from gradwidgets.core.layers.preflight.reading import ignored, left_out, named_tensors, numbers
from gradwidgets.core.layers.preflight.scale import as_read, by_few_samples, input_scale, size, sizes
from gradwidgets.core.layers.preflight.tokens import tokens
from gradwidgets.core.operations.watching import Args, Kwargs
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import named

_PLAIN = (nn.Linear, _ConvNd, nn.Bilinear)
_WEIGHTED = (*_PLAIN, nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention)
_RECURRENT = (nn.RNNBase, nn.RNNCellBase)
_NAMED = 3  # norms that a sentence names
_AT_BOUND = 0.99  # absolute value from which a state between −1 and 1 is at its bound
_TABLES = (nn.Embedding, nn.EmbeddingBag)


@dataclass(eq=False)
class _Entered:
    """A layer that uses inputs directly.

    Attributes:
        name: The input's name.
        layer: The layer's name and class.
        read: The numbers of `sizes` of the input.
        plain: Whether its output is a linear map of the input.
        values: The input.
        given: The size of the layer's output.
        flat: For a recurrent layer, the share of its states that are at a bound.
        normed: Whether the output is normalised right away.
    """

    name: str
    layer: str
    read: Tensor
    plain: bool
    values: Tensor
    given: Tensor | None = None
    flat: Tensor | None = None
    normed: bool = False


class Entry:
    """Watches the first layers of a model within a `with` block around one call of it.

    So it sees inputs as the layers get them, after preprocessing by the model (bytes divided by 255, time as sines) or
    normalisation, and a normalisation right after the first layer.

    Args:
        model: The model that will be called; it has hooks within the block only.
        inputs: The tensors that it will be called with.

    Attributes:
        taken: Shapes of inputs, each with that of the view of it that a layer uses.
        steps_first: Layers that expect steps first, with the shapes of their inputs.
        masks: The attention masks that layers get, with the layers' names.
        hiding: The key padding masks that layers get, likewise.
    """

    def __init__(self, model: nn.Module, inputs: object) -> None:
        self._model = model
        self.taken: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
        self.steps_first: list[Along] = []
        self.masks: list[tuple[str, Tensor]] = []
        self.hiding: list[tuple[str, Tensor]] = []
        self._names = dict(_storages(inputs))
        self._shapes = {_storage(one): tuple(one.shape) for _, one in named_tensors(inputs, "inputs")}
        self._whole = "inputs"
        self._entered: list[_Entered] = []
        self._made: dict[int, tuple[Tensor, _Entered]] = {}
        self._alone: list[tuple[str, str, tuple[int, ...]]] = []
        self._seen: set[int] = set()
        self._begun = False
        self._floating = [(n, t) for n, t in named_tensors(inputs, "inputs") if t.is_floating_point()]
        self._cut: list[Finding] = []
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> "Entry":
        for name, module in self._model.named_modules():
            if isinstance(module, torch.jit.ScriptModule):
                continue
            kind = _kind(module)
            if kind:
                before = partial(self._before, name or "the model", kind)
                self._handles.append(module.register_forward_pre_hook(before, with_kwargs=True))
            if isinstance(module, nn.MultiheadAttention):
                self._handles.append(
                    module.register_forward_pre_hook(partial(self._note_masks, name), with_kwargs=True)
                )
            if takes_steps_first(module):
                self._handles.append(
                    module.register_forward_pre_hook(partial(self._note_steps_first, name), with_kwargs=True)
                )
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._made.clear()

    def findings(self) -> list[Finding]:
        """Return the findings after the block, also if the model raised an error in it."""
        return [*self._scales(), *self._ones(), *self._cut[:1]]

    def _before(self, name: str, kind: str, module: nn.Module, arguments: Args, keywords: Kwargs) -> None:
        x = arguments[0] if arguments and isinstance(arguments[0], Tensor) else None
        # Most layers are not first and get no input: this has to cost next to nothing for them.
        if isinstance(module, _TABLES) and x is not None:
            if x.is_cuda:
                self._refuse(module, x)
            if self._floating and not x.is_floating_point():
                self._cut += left_out(tokens)(name, x, self._floating)
        if self._begun and kind == "weighted" and x is not None and _storage(x) not in self._names:
            return
        self._look(name, kind, module, next(tensors_in((arguments, keywords)), None) if x is None else x)

    def _note_steps_first(self, name: str, module: nn.Module, arguments: Args, keywords: Kwargs) -> None:
        x = next((one for one in (*arguments, *keywords.values()) if isinstance(one, Tensor)), None)
        if x is not None and x.ndim == 3:
            self.steps_first.append(Along(name, type(module).__name__, tuple(x.shape)))

    def _note_masks(self, name: str, module: nn.Module, arguments: Args, keywords: Kwargs) -> None:
        for key, place, masks in (("attn_mask", 5, self.masks), ("key_padding_mask", 3, self.hiding)):
            mask = keywords.get(key, arguments[place] if len(arguments) > place else None)
            if isinstance(mask, Tensor) and not any(mask is one for _, one in masks):
                masks.append((name, mask))

    def _refuse(self, module: nn.Embedding | nn.EmbeddingBag, x: Tensor) -> None:
        """Raise an error for a missing row, which would make an accelerator unusable; a CPU raises one itself."""
        own = type(module).forward not in (nn.Embedding.forward, nn.EmbeddingBag.forward)
        beyond = [] if own else left_out(lambda: [beyond_rows(module, x)])()
        if any(beyond):
            raise IndexError(beyond[0])

    @ignored
    def _look(self, name: str, kind: str, module: nn.Module, x: Tensor | None) -> None:
        if x is None:
            return
        first, self._begun = not self._begun, True
        before = self._shapes.get(_storage(x))
        if before and x.is_contiguous() and before != tuple(x.shape) and x.numel() == math.prod(before):
            self.taken.append((before, tuple(x.shape)))
        if kind == "norm":
            self._normed(name, module, x)
        elif kind == "weighted" and not x.is_nested and x.is_floating_point():
            source = self._names.get(_storage(x)) if self._names else None
            if source or (first and not x.requires_grad):
                self._enter(name, module, x, source or self._whole)

    def _normed(self, name: str, module: nn.Module, x: Tensor) -> None:
        if id(x) in self._made:
            self._made[id(x)][1].normed = True
        if not isinstance(module, _BatchNorm) or isinstance(module, nn.SyncBatchNorm):
            return
        if module.training and x.shape[0] == 1:
            self._alone.append((name, type(module).__name__, tuple(x.shape)))

    def _enter(self, name: str, module: nn.Module, x: Tensor, source: str) -> None:
        values = numbers(x)
        if values is None or id(module) in self._seen:
            return
        self._seen.add(id(module))
        entered = _Entered(
            source, f"{name} ({type(module).__name__})", sizes(values), isinstance(module, _PLAIN), values.detach()
        )
        self._entered.append(entered)
        self._handles.append(module.register_forward_hook(partial(self._after, entered)))

    def _after(self, entered: _Entered, module: nn.Module, arguments: Args, output: object) -> None:
        if entered.plain and isinstance(output, Tensor) and entered.given is None:
            self._made[id(output)] = output, entered
            self._measure_output(entered, output)
        elif isinstance(module, _RECURRENT) and entered.flat is None:
            self._measure_states(entered, output)

    @ignored
    def _measure_output(self, entered: _Entered, output: Tensor) -> None:
        entered.given = size(output.detach())

    @ignored
    def _measure_states(self, entered: _Entered, output: object) -> None:
        states = next(tensors_in(output), None)
        entered.flat = None if states is None else (states.detach().abs() > _AT_BOUND).float().mean()

    @left_out
    def _scales(self) -> list[Finding]:
        found: list[Finding] = []
        told: set[str] = set()
        for one in self._entered:
            if one.normed or one.name in told:
                continue
            given = None if one.given is None else float(one.given)
            flat = math.nan if one.flat is None else float(one.flat)
            finding = input_scale(one.name, one.layer, as_read(one.read.tolist()), given, flat)
            if finding is not None:
                found.append(by_few_samples(finding, one.values))
                told.add(one.name)
        return found

    def _ones(self) -> list[Finding]:
        if not self._alone:
            return []
        name, _, shape = self._alone[0]
        which = [f"{named(one)} ({kind})" for one, kind, _ in self._alone]
        more = f" and {len(which) - _NAMED} more" if len(which) > _NAMED else ""
        values = torch.Size(shape[2:]).numel()
        message = (
            f"{', '.join(which[:_NAMED])}{more} {'normalises' if len(which) == 1 else 'normalise'} over a batch of one "
            f"in training mode, {values} "
            f"{'value' if values == 1 else 'values'} of each channel"
            + (": the result does not depend on the input, and torch refuses it" if values == 1 else
               ": each sample is normalised by itself, and the running statistics are those of one sample")
        )  # fmt: skip
        evidence = {
            "layer": name,
            "shape": list(shape),
            "samples": 1,
            "threshold": 2,
            "layers": [one for one, *_ in self._alone],
        }
        action = "Larger batches (drop_last=True for the last one), GroupNorm instead, or model.eval() to only look."
        return [Finding("batch_of_one", "error" if values == 1 else "warning", message, evidence, action=action)]


def _kind(module: nn.Module) -> str:
    """Return the kind of a module: "norm", "table" or "weighted"; "" for one without weights of its own."""
    if isinstance(module, _TABLES):
        return "table"
    norm, weighted = "norm" in type(module).__name__.lower(), isinstance(module, _WEIGHTED)
    own = module._parameters.values()
    if not norm and (
        weighted or not any(one is not None and (nn.parameter.is_lazy(one) or one.ndim > 1) for one in own)
    ):
        return "weighted" if weighted else ""
    if any(m._parameters for m in module.modules() if m is not module):
        return "weighted" if weighted else ""
    return "norm" if norm else "weighted"


def _storages(inputs: object) -> list[tuple[int, str]]:
    found = []
    for name, tensor in named_tensors(inputs, "inputs"):
        place = _storage(tensor)
        if place:
            found.append((place, name))
    return found[::-1]  # so that the first name of a storage counts


def _storage(tensor: Tensor) -> int:
    try:
        return tensor.untyped_storage().data_ptr()
    except Exception:  # sparse, nested and meta tensors have none
        return 0
