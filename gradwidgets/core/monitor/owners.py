"""Which module of a model owns which parameter, and whether that has changed since."""

import itertools
import math
import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.weak import TensorWeakRef

from gradwidgets.core.results.wording import named

_LOOKED_AT = 8  # gradients
_NAMED = 4  # names in a sentence before "and 9 more"


@dataclass(frozen=True)
class Owned:
    """A parameter and where its numbers go.

    Attributes:
        column: The column of its layer.
        name: Its dotted name in the model.
        parameter: The parameter itself.
        size: How many numbers it holds.
        plain: Whether it is dense and real.
    """

    column: int
    name: str
    parameter: nn.Parameter
    size: int
    plain: bool


class LayerTable:
    """The layers of a model: every module that owns parameters and, where asked, every activation module.

    Columns never move: layers that are added later get the columns after the last one.

    Args:
        model: The model.
        activations: Whether modules of `torch.nn.modules.activation` have columns too.
        names: Layers that have the first columns, whether they are still there or not.
        kinds: Their classes' names.

    Attributes:
        names: Dotted names of the layers, "(Linear)" for a model that owns parameters itself.
        kinds: Their classes' names.
        owned: The parameters whose numbers can be read.
        modules: Each column's module.
        opaque: "compiled" or "scripted" if a module is, as Python hooks do not run there; else "".
        notes: Sentences about the table, by kind.
    """

    def __init__(
        self, model: nn.Module, activations: bool, names: Sequence[str] = (), kinds: Sequence[str] = ()
    ) -> None:
        self.names: list[str] = list(names)
        self.kinds: list[str] = list(kinds)
        self.owned: list[Owned] = []
        self.modules: list[nn.Module] = [nn.Identity() for _ in names]
        self.notes: dict[str, str] = {}
        self.opaque = ""
        self._activations = activations
        self._seen: list[nn.Parameter | None] = []
        self._waiting = False
        self.read(model)

    @classmethod
    def of_nothing(cls) -> "LayerTable":
        """A table without layers, while no model is watched."""
        return cls(nn.Module(), False)

    def read(self, model: nn.Module) -> None:
        """Read all of the model's layers and parameters."""
        columns = {name: column for column, name in enumerate(self.names)}
        owners: dict[int, str] = {}
        shared: list[str] = []
        lazy: list[str] = []
        self.owned, self._waiting = [], False
        for path, module in model.named_modules():
            # torch.compile wraps a module in another one; the user knows the name of the inner one.
            path = ".".join(part for part in path.split(".") if part != "_orig_mod")
            owns = any(parameter is not None for parameter in module._parameters.values())
            if not (owns or (self._activations and is_activation(module))):
                continue
            name = path or f"({type(module).__name__})"
            if name in columns:
                self.modules[columns[name]] = module
            else:
                columns[name] = len(self.names)
                self.names.append(name)
                self.kinds.append(type(module).__name__)
                self.modules.append(module)
            for key, parameter in module._parameters.items():
                if parameter is None:
                    continue
                full = f"{path}.{key}" if path else key
                if id(parameter) in owners:
                    shared.append(f"{full} is {owners[id(parameter)]}")
                elif nn.parameter.is_lazy(parameter):
                    self._waiting = True
                    lazy.append(full)
                elif parameter.numel() and (parameter.is_floating_point() or parameter.is_complex()):
                    owners[id(parameter)] = full
                    plain = parameter.layout == torch.strided and not parameter.is_complex()
                    self.owned.append(Owned(columns[name], full, parameter, parameter.numel(), plain))
        self._seen = _parameters(model)
        self.opaque = _opaque(model)
        if shared:
            self.notes["shared"] = f"shared parameters count once, where they come first: {listed(shared)}"
        if lazy:
            self.notes["lazy"] = f"no size yet, so nothing to measure until the first forward pass: {listed(lazy)}"
        else:
            self.notes.pop("lazy", None)
        frozen = [one.name for one in self.owned if not one.parameter.requires_grad]
        if frozen:
            self.notes["frozen"] = f"frozen at first, so without a gradient: {listed(frozen)}"
        else:
            self.notes.pop("frozen", None)

    def follow(self, model: nn.Module) -> bool:
        """Read the model again if its parameters are no longer the same; return whether they were not."""
        now = _parameters(model)
        if not self._waiting and len(now) == len(self._seen) and all(map(operator.is_, now, self._seen)):
            return False
        names, before = set(self.names), {one.name: one.parameter for one in self.owned}
        waiting = self._waiting
        self.read(model)
        added = [name for name in self.names if name not in names]
        if added:
            self.notes["added"] = f"layers that were added after the start: {listed(added)}"
        elif not waiting:
            new = [one.name for one in self.owned if before.get(one.name) is not one.parameter]
            named = f": {listed(new)}" if new else ""
            self.notes["replaced"] = f"parameters were added or replaced after the start{named}"
        return True

    @property
    def outputs(self) -> int:
        """How many numbers the last layer gives for a sample; 0 where that is unknown."""
        return next((width for module in reversed(self.modules) if (width := _width(module))), 0)

    @property
    def counts(self) -> list[int]:
        """How many numbers each layer owns."""
        counts = [0] * len(self.names)
        for one in self.owned:
            counts[one.column] += one.size
        return counts


def writes_of(owned: Sequence[Owned]) -> float:
    """How often the gradients were written to since their memory was made, the least of the first few; NaN for none.

    Autograd adds to the memory that it finds: the count goes up at each backward pass, and begins at 0 again where
    `zero_grad` has set the gradient to None.
    """
    gradients = itertools.islice(_named_gradients(owned), _LOOKED_AT)
    return min((float(gradient._version) for _, gradient in gradients), default=math.nan)


class Written:
    """Finds out whether gradients were written to, or replaced, between samples, without keeping them alive."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[TensorWeakRef, int]] = {}

    def __call__(self, owned: Sequence[Owned]) -> tuple[float, float]:
        """Whether any of the first few gradients was written to or is new, and whether all are in their old memory.

        Returns:
            1 or 0 for each; NaN where there is none to compare.
        """
        now = dict(itertools.islice(_named_gradients(owned), _LOOKED_AT))
        known = [(gradient, *self._before[name]) for name, gradient in now.items() if name in self._before]
        self._before |= {name: (TensorWeakRef(gradient), gradient._version) for name, gradient in now.items()}
        if not now or len(known) < len(now):
            return math.nan, math.nan
        kept = all(gradient is ref() for gradient, ref, _ in known)
        written = not kept or any(gradient._version != version for gradient, _, version in known)
        return float(written), float(kept)


def _named_gradients(owned: Sequence[Owned]) -> Iterator[tuple[str, Tensor]]:
    for one in owned:
        if one.parameter.grad is not None:
            yield one.name, one.parameter.grad


def is_activation(module: nn.Module) -> bool:
    """Whether a module is an elementwise nonlinearity of torch's, by its class or a base of it."""
    return isinstance(module, _ACTIVATIONS)


def listed(names: Iterable[str]) -> str:
    """Names in a sentence, the first few of many."""
    names = list(names)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(named, names[:_NAMED])) + more


def _width(module: nn.Module) -> int:
    """How many numbers a layer gives for a sample; 0 for one that has no matrix."""
    weight = dict(module._parameters.items()).get("weight")  # a scripted module's is no dict
    if weight is None or nn.parameter.is_lazy(weight) or weight.ndim < 2 or isinstance(module, nn.Embedding):
        return 0
    return int(getattr(module, "out_features", 0) or getattr(module, "out_channels", 0) or weight.shape[0])


def values_of(tensor: Tensor) -> Tensor:
    """What a tensor stores, as real numbers: a sparse tensor's coalesced values, a complex one's absolute values."""
    if tensor.is_sparse:
        tensor = tensor.coalesce().values()
    return tensor.abs() if tensor.is_complex() else tensor


def _opaque(model: nn.Module) -> str:
    for module in model.modules():
        if isinstance(module, torch.jit.ScriptModule):
            return "scripted"
        if "_orig_mod" in module._modules or module._compiled_call_impl is not None:
            return "compiled"
    return ""


def _parameters(model: nn.Module) -> list[nn.Parameter | None]:
    """Every parameter, read from the modules directly: in a tenth of the time that `model.parameters()` takes."""
    found: list[nn.Parameter | None] = []
    stack: list[nn.Module | None] = [model]
    seen: set[int] = set()
    while stack:
        module = stack.pop()
        if module is None or id(module) in seen:
            continue
        seen.add(id(module))
        if module._parameters:
            found.extend(module._parameters.values())
        if module._modules:
            stack.extend(module._modules.values())
    return found


# Not all of that file is elementwise: attention and softmax mix elements.
_ACTIVATIONS = tuple(
    one
    for name in torch.nn.modules.activation.__all__
    if name not in ("MultiheadAttention", "Softmax", "Softmax2d", "LogSoftmax", "Softmin", "GLU")
    and isinstance(one := getattr(torch.nn, name), type)
)
