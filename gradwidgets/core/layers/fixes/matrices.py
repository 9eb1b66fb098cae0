"""The weights of a model that take inputs to outputs by a product, whatever module they are kept in."""

from __future__ import annotations

import contextlib
import inspect
import io
import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from gradwidgets.core.subject.copied.clone import Clone
from gradwidgets.core.subject.home import abroad
from gradwidgets.core.subject.untouched import Untouched

LINEAR = (nn.Linear,)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
WEIGHTED = (*LINEAR, *CONVOLUTIONS, *TRANSPOSED)
TURNED = ".T"  # behind the name of a matrix that is stored (inputs, outputs)
_ATTENTION = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
_LARGE = 20_000_000  # numbers of a module that is not copied and called to see what it does
_PRODUCTS = ("matmul", "__matmul__", "mm", "bmm", "__rmatmul__")


@dataclass(frozen=True, eq=False)
class Matrix:
    """A weight that is multiplied by what comes in.

    Attributes:
        module: Whose it is.
        weight: The parameter.
        parts: Views of it, (outputs, inputs, …) each: one, or those that are stacked in it.
        bias: What is added; None for nothing.
        shared: Whether the parameter is something else as well, an embedding's table or a norm's scale.
    """

    module: nn.Module
    weight: nn.Parameter
    parts: tuple[Tensor, ...]
    bias: nn.Parameter | None
    shared: bool = False


def matrices(model: nn.Module, also: Mapping[str, str | None] | None) -> list[Matrix]:
    """All trained matrices of a model, each once, in the order of its modules, then `also`.

    Args:
        model: Any module.
        also: What `disguised` gives, for None to be looked for.

    Raises:
        ValueError: A name in `also` is that of no such parameter.
    """
    found = [one for module in model.modules() for one in _of_torch(module)]
    named = disguised(model) if also is None else also
    found += [_named(model, name, bias) for name, bias in named.items()]
    shared = _otherwise_used(model, found)
    once: dict[int, Matrix] = {}
    for one in found:
        if one.weight.requires_grad:
            once.setdefault(id(one.weight), replace(one, shared=id(one.weight) in shared))
    return list(once.values())


def disguised(model: nn.Module) -> dict[str, str | None]:
    """Matrices that no module of torch's keeps, told by what their module does with them, or by its bias's length.

    Args:
        model: Any module; it is only looked at.

    Returns:
        Name of the parameter, with ".T" behind it where it is stored (inputs, outputs) → name of its bias or None.
    """
    names = {id(p): name for name, p in model.named_parameters()}
    found: dict[str, str | None] = {}
    for module in model.modules():
        if type(module).__module__.startswith("torch.") or not any(map(_is_flat, module._parameters.values())):
            continue
        for key, turned, bias in _uses(module) or _by_shape(module):
            name = names[id(module._parameters[key])] + (TURNED if turned else "")
            found.setdefault(name, None if bias is None else names[id(module._parameters[bias])])
    return found


def _of_torch(module: nn.Module) -> Iterator[Matrix]:
    own = module._parameters
    if isinstance(module, (*WEIGHTED, nn.Bilinear)) and _is_there(own.get("weight")):
        weight = own["weight"]
        part = weight.flatten(1) if isinstance(module, nn.Bilinear) else weight
        yield Matrix(module, weight, (part,), own.get("bias"))
    elif isinstance(module, nn.MultiheadAttention):
        for key in _ATTENTION:
            if _is_there(own.get(key)):
                parts = own[key].chunk(3) if key == "in_proj_weight" else (own[key],)
                yield Matrix(module, own[key], tuple(parts), own.get("in_proj_bias"))


def _named(model: nn.Module, name: str, bias: str | None) -> Matrix:
    known = dict(model.named_parameters())
    plain = name.removesuffix(TURNED)
    missing = [one for one in (plain, bias) if one is not None and one not in known]
    if missing or not _is_flat(known[plain]):
        raise ValueError(f"also must name matrices among the model's parameters; got {(missing or [plain])[0]!r}")
    owner = model.get_submodule(plain.rpartition(".")[0])
    weight = known[plain]
    part = weight.T if name.endswith(TURNED) else weight
    return Matrix(owner, weight, (part,), None if bias is None else known[bias])


def _otherwise_used(model: nn.Module, found: list[Matrix]) -> set[int]:
    """Ids of parameters that a module keeps for which they are no matrix."""
    as_matrix = {(id(one.module), id(one.weight)) for one in found}
    kept = [(id(m), id(p)) for m in model.modules() for p in m._parameters.values() if p is not None]
    return {weight for owner, weight in kept if (owner, weight) not in as_matrix}


def _is_there(weight: nn.Parameter | None) -> bool:
    return weight is not None and not nn.parameter.is_lazy(weight)


def _is_flat(weight: nn.Parameter | None) -> bool:
    return _is_there(weight) and weight.ndim == 2 and weight.is_floating_point() and weight.layout is torch.strided


# -- what a module does with its matrices -------------------------------------------------------------------------


def _uses(module: nn.Module) -> list[tuple[str, bool, str | None]]:
    """Each matrix that a module's forward multiplies by: its key, whether it is stored (inputs, outputs), its bias."""
    if sum(p.numel() for p in module.parameters()) > _LARGE:
        return []
    with Untouched(module) as block, block.again(), torch.inference_mode(False):
        copy = Clone().of(module)
        seen = _Products(copy)
        for inputs in _tries(copy):
            seen.found.clear()
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
                warnings.simplefilter("ignore")
                with contextlib.suppress(Exception), abroad(), seen:
                    type(copy).forward(copy, *inputs)
                    if seen.found:
                        break
                    continue
            seen.found.clear()
    return [(key, turned, bias) for key, (turned, bias) in seen.found.items()]


def _tries(module: nn.Module) -> Iterator[list[Tensor]]:
    """Inputs that a module with these parameters may take."""
    parameters = inspect.signature(type(module).forward).parameters.values()
    needed = [p for p in list(parameters)[1:] if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    flat = [p for p in module._parameters.values() if _is_flat(p)]
    sizes = [size for weight in flat for size in weight.shape]
    sizes += [one.in_features for one in module.modules() if isinstance(one, nn.Linear)]
    like = {"device": flat[0].device, "dtype": flat[0].dtype}
    for size in dict.fromkeys(sizes):
        for shape in ((2, size), (2, 3, size)):
            yield [torch.ones(shape, **like) for _ in needed]


class _Products(TorchFunctionMode):
    """Notes by which of a module's own matrices something is multiplied, and what is added then."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        own = {key: p for key, p in module._parameters.items() if p is not None}
        self._flat = {p.untyped_storage().data_ptr(): (key, p) for key, p in own.items() if _is_flat(p)}
        self._biases = {id(p): key for key, p in own.items() if p.ndim == 1}
        self._made: dict[int, tuple[str, Tensor]] = {}
        self.found: dict[str, tuple[bool, str | None]] = {}

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        given = [*args, *(kwargs or {}).values()]
        name = getattr(func, "__name__", "")
        if name == "linear":
            self._note(given[1], 1, result, given[2] if len(given) > 2 else None)
        elif name in _PRODUCTS:
            first, second = (given[1], given[0]) if name == "__rmatmul__" else given[:2]
            self._note(second, 0, result, None)
            self._note(first, 1, result, None)
        elif name in ("addmm", "addmv", "baddbmm"):
            self._note(given[2], 0, result, given[0])
            self._note(given[1], 1, result, given[0])
        elif name in ("add", "__add__", "__radd__", "add_", "__iadd__"):
            self._note_added(*given[:2])
        return result

    def _note(self, operand: object, summed: int, result: Tensor, bias: object) -> None:
        """Note an operand that is a view of a matrix, of which the axis `summed` is summed over."""
        if not isinstance(operand, Tensor) or operand.ndim != 2:
            return
        key, weight = self._flat.get(operand.untyped_storage().data_ptr(), ("", None))
        if weight is None or sorted(operand.shape) != sorted(weight.shape):
            return
        turned = operand.stride() != weight.stride() and operand.shape == weight.shape[::-1]
        inputs = 1 - summed if turned else summed  # the weight's axis
        self.found.setdefault(key, (inputs == 0, self._biases.get(id(bias))))
        self._made[id(result)] = key, result

    def _note_added(self, one: object, other: object) -> None:
        for made, bias in ((one, other), (other, one)):
            key, _ = self._made.get(id(made), ("", None))
            if key and id(bias) in self._biases and self.found[key][1] is None:
                self.found[key] = self.found[key][0], self._biases[id(bias)]


def _by_shape(module: nn.Module) -> list[tuple[str, bool, str | None]]:
    """The weight beside a bias that is as long as one of its sides, of a module that could not be called."""
    weight, bias = module._parameters.get("weight"), module._parameters.get("bias")
    if not _is_flat(weight) or bias is None or bias.ndim != 1 or len(bias) not in weight.shape:
        return []
    return [("weight", len(bias) != weight.shape[0], "bias")]


def weights_of(model: nn.Module) -> dict[str, tuple[nn.Parameter, Tensor]]:
    """A model's weights, dense tensors of two axes or more, by name, with copies of them."""
    there = {name: p for name, p in model.named_parameters() if _is_there(p) and p.ndim > 1 and not p.is_meta}
    return {name: (p, p.detach().clone()) for name, p in there.items() if p.layout is torch.strided}


def share_changed(before: Mapping[str, tuple[nn.Parameter, Tensor]], model: nn.Module) -> float:
    """The share of a model's weights whose numbers are others now, those that are gone among them.

    Args:
        before: From `weights_of`.
        model: What it is now, the same one or a copy: a weight is known by its identity or by its name.

    Returns:
        0 to 1; NaN for a model without weights.
    """
    named = dict(model.named_parameters())
    known = {id(p): p for p in named.values()}
    sizes = changed = 0
    for name, (weight, old) in before.items():
        new = known.get(id(weight), named.get(name))
        sizes += old.numel()
        same = new is not None and new.shape == old.shape
        changed += int((new.detach() != old).sum()) if same else old.numel()
    return changed / sizes if sizes else math.nan
