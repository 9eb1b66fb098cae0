"""The weights of a model that are multiplied by inputs, whatever module owns them."""

from __future__ import annotations

import contextlib
import inspect
import io
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from gradwidgets.core.subject.copied.clone import Clone
from gradwidgets.core.subject.home import abroad
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.subject.untouched import Untouched

LINEAR = (nn.Linear,)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
WEIGHTED = (*LINEAR, *CONVOLUTIONS, *TRANSPOSED)
TURNED = ".T"  # suffix of the name of a matrix that is stored as (inputs, outputs)
_ATTENTION = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
_LARGE = 20_000_000  # elements from which a module is not copied and called to see what it does
_PRODUCTS = ("matmul", "__matmul__", "mm", "bmm", "__rmatmul__")


@dataclass(frozen=True, eq=False)
class Matrix:
    """A weight that is multiplied by the input of its module.

    Attributes:
        module: The module that owns the weight.
        weight: The parameter.
        parts: Views of the parameter, (outputs, inputs, …) each: one, or several that are stacked in it.
        bias: The bias that is added to the product; None for none.
        shared: Whether the parameter also has another use, as an embedding or a normalisation's scale.
    """

    module: nn.Module
    weight: nn.Parameter
    parts: tuple[Tensor, ...]
    bias: nn.Parameter | None
    shared: bool = False


def matrices(model: nn.Module, also: Mapping[str, str | None] | None) -> list[Matrix]:
    """Return all trained matrices of a model, each once, in the order of its modules, followed by `also`.

    Args:
        model: Any module.
        also: The result of `disguised`; None to compute it.

    Raises:
        ValueError: A name in `also` is not that of a matrix or bias.
    """
    found = [one for module in model.modules() for one in _matrices_of(module)]
    named = disguised(model) if also is None else also
    found += [_named(model, name, bias) for name, bias in named.items()]
    shared = _with_other_use(model, found)
    once: dict[int, Matrix] = {}
    for one in found:
        if one.weight.requires_grad:
            once.setdefault(id(one.weight), replace(one, shared=id(one.weight) in shared))
    return list(once.values())


def disguised(model: nn.Module) -> dict[str, str | None]:
    """Find matrices of modules that are not torch's, by what the module does with them or by the bias's length.

    Args:
        model: Any module; it is only inspected.

    Returns:
        The name of the parameter, followed by ".T" if it is stored as (inputs, outputs) → the name of its bias or None.
    """
    names = {id(p): name for name, p in model.named_parameters()}
    found: dict[str, str | None] = {}
    for module in model.modules():
        if type(module).__module__.startswith("torch.") or not any(map(_is_matrix, module._parameters.values())):
            continue
        for key, turned, bias in _products_of(module) or _matrix_by_shape(module):
            name = names[id(module._parameters[key])] + (TURNED if turned else "")
            found.setdefault(name, None if bias is None else names[id(module._parameters[bias])])
    return found


def _matrices_of(module: nn.Module) -> Iterator[Matrix]:
    own = module._parameters
    if isinstance(module, (*WEIGHTED, nn.Bilinear)) and _has_sizes(weight := own.get("weight")):
        part = weight.flatten(1) if isinstance(module, nn.Bilinear) else weight
        yield Matrix(module, weight, (part,), own.get("bias"))
    elif isinstance(module, nn.MultiheadAttention):
        for key in _ATTENTION:
            if _has_sizes(weight := own.get(key)):
                parts = weight.chunk(3) if key == "in_proj_weight" else (weight,)
                yield Matrix(module, weight, tuple(parts), own.get("in_proj_bias"))


def _named(model: nn.Module, name: str, bias: str | None) -> Matrix:
    known = dict(model.named_parameters())
    plain = name.removesuffix(TURNED)
    missing = [one for one in (plain, bias) if one is not None and one not in known]
    if missing or not _is_matrix(known[plain]):
        raise ValueError(f"also must name matrices among the model's parameters; got {(missing or [plain])[0]!r}")
    owner = model.get_submodule(plain.rpartition(".")[0])
    weight = known[plain]
    part = weight.T if name.endswith(TURNED) else weight
    return Matrix(owner, weight, (part,), None if bias is None else known[bias])


def _with_other_use(model: nn.Module, found: list[Matrix]) -> set[int]:
    """Return the ids of parameters that some module owns and does not use as a matrix."""
    as_matrix = {(id(one.module), id(one.weight)) for one in found}
    kept = [(id(m), id(p)) for m in model.modules() for p in m._parameters.values() if p is not None]
    return {weight for owner, weight in kept if (owner, weight) not in as_matrix}


def _has_sizes(weight: nn.Parameter | None) -> TypeGuard[nn.Parameter]:
    """Whether a parameter exists and has its sizes."""
    return weight is not None and not nn.parameter.is_lazy(weight)


def _is_matrix(weight: nn.Parameter | None) -> TypeGuard[nn.Parameter]:
    """Whether a parameter is a dense matrix."""
    return _has_sizes(weight) and weight.ndim == 2 and weight.is_floating_point() and weight.layout is torch.strided


# -- what a module does with its matrices -------------------------------------------------------------------------


def _products_of(module: nn.Module) -> list[tuple[str, bool, str | None]]:
    """Return the matrices that forward multiplies by: key, whether it is stored as (inputs, outputs), and bias."""
    if sum(p.numel() for p in module.parameters()) > _LARGE:
        return []
    with Untouched(module) as block, block.again(), torch.inference_mode(False):
        copy = Clone().of(module)
        seen = _Products(copy)
        for inputs in _possible_inputs(copy):
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


def _possible_inputs(module: nn.Module) -> Iterator[list[Tensor]]:
    """Yield inputs that a module with these parameters may accept."""
    parameters = inspect.signature(type(module).forward).parameters.values()
    needed = [p for p in list(parameters)[1:] if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    flat = [p for p in module._parameters.values() if _is_matrix(p)]
    sizes = [size for weight in flat for size in weight.shape]
    sizes += [one.in_features for one in module.modules() if isinstance(one, nn.Linear)]
    for size in dict.fromkeys(sizes):
        for shape in ((2, size), (2, 3, size)):
            yield [torch.ones(shape, device=flat[0].device, dtype=flat[0].dtype) for _ in needed]


class _Products(FunctionMode):
    """Records which of a module's matrices a tensor is multiplied by, and which bias is added."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        own = {key: p for key, p in module._parameters.items() if p is not None}
        self._flat = {p.untyped_storage().data_ptr(): (key, p) for key, p in own.items() if _is_matrix(p)}
        self._biases = {id(p): key for key, p in own.items() if p.ndim == 1}
        self._made: dict[int, tuple[str, Tensor]] = {}
        self.found: dict[str, tuple[bool, str | None]] = {}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        """Make a call, and record products and sums."""
        result = func(*args, **(kwargs or {}))
        given = [*args, *(kwargs or {}).values()]
        name = getattr(func, "__name__", "")
        if name == "linear":
            self._record(given[1], 1, result, given[2] if len(given) > 2 else None)
        elif name in _PRODUCTS:
            first, second = (given[1], given[0]) if name == "__rmatmul__" else given[:2]
            self._record(second, 0, result, None)
            self._record(first, 1, result, None)
        elif name in ("addmm", "addmv", "baddbmm"):
            self._record(given[2], 0, result, given[0])
            self._record(given[1], 1, result, given[0])
        elif name in ("add", "__add__", "__radd__", "add_", "__iadd__"):
            self._record_bias(*given[:2])
        return result

    def _record(self, operand: object, summed: int, result: Tensor, bias: object) -> None:
        """Record an operand that is a view of a matrix; `summed` is the axis that the product sums over."""
        if not isinstance(operand, Tensor) or operand.ndim != 2:
            return
        key, weight = self._flat.get(operand.untyped_storage().data_ptr(), ("", None))
        if weight is None or sorted(operand.shape) != sorted(weight.shape):
            return
        turned = operand.stride() != weight.stride() and operand.shape == weight.shape[::-1]
        inputs = 1 - summed if turned else summed  # the weight's axis of inputs
        self.found.setdefault(key, (inputs == 0, self._biases.get(id(bias))))
        self._made[id(result)] = key, result

    def _record_bias(self, one: object, other: object) -> None:
        """Record the bias of a product that is added to it."""
        for made, bias in ((one, other), (other, one)):
            key, _ = self._made.get(id(made), ("", None))
            if key and id(bias) in self._biases and self.found[key][1] is None:
                self.found[key] = self.found[key][0], self._biases[id(bias)]


def _matrix_by_shape(module: nn.Module) -> list[tuple[str, bool, str | None]]:
    """Return the weight of a module that could not be called, if the bias is as long as one of its axes."""
    weight, bias = module._parameters.get("weight"), module._parameters.get("bias")
    if not _is_matrix(weight) or bias is None or bias.ndim != 1 or len(bias) not in weight.shape:
        return []
    return [("weight", len(bias) != weight.shape[0], "bias")]


def weights_of(model: nn.Module) -> dict[str, tuple[nn.Parameter, Tensor]]:
    """Return a model's weights (dense tensors with two axes or more) by name, with copies of them."""
    there = {name: p for name, p in model.named_parameters() if _has_sizes(p) and p.ndim > 1 and not p.is_meta}
    return {name: (p, p.detach().clone()) for name, p in there.items() if p.layout is torch.strided}


def share_changed(before: Mapping[str, tuple[nn.Parameter, Tensor]], model: nn.Module) -> float:
    """Return the share of a model's weights whose numbers have changed; missing weights count as changed.

    Args:
        before: The result of `weights_of` before the change.
        model: The changed model or copy; weights are recognised by identity, or else by name.

    Returns:
        0 to 1; NaN for a model without weights.
    """
    named = dict(model.named_parameters())
    known = {id(p): p for p in named.values()}
    sizes = changed = 0
    for name, (weight, old) in before.items():
        new = known.get(id(weight), named.get(name))
        sizes += old.numel()
        has_same_shape = new is not None and new.shape == old.shape
        changed += int((new.detach() != old).sum()) if new is not None and has_same_shape else old.numel()
    return changed / sizes if sizes else math.nan
