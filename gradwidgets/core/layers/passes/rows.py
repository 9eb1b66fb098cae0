"""The modules of a model that are measured, and the parameters that each of them owns."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeGuard

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.nn.utils import parametrize

from gradwidgets.core.layers.causes.cut import Cut
from gradwidgets.core.layers.passes.activation_units import bounds_of, has_units, is_activation, saturation
from gradwidgets.core.layers.passes.attention_heads import heads_of, split_of
from gradwidgets.core.layers.passes.reduce import Counted, Mark, Sized

ROOT = "(model)"
# Whether all units of a layer have the same weights: no; until the next step; also after every step.
Likeness = Literal["", "at first", "for good"]


@dataclass(eq=False)
class Row:
    """What is recorded of one module during a pass; `LayerStats` are computed from it.

    Numbers are stored as places in a `Reducer`.

    Attributes:
        name: The module's name.
        module: The module.
        own: The parameters that the module owns, by their names in it.
        weights: The parameters among them that count as weights.
        units: Whether the outputs belong to units that can be dead.
        scripted: Whether the module is compiled to TorchScript and accepts no hooks.
        saturates: Marks saturated outputs; None for a module that does not saturate.
        bounds: See `LayerStats`.
        first: The position of the module's first call among all first calls; None if it never ran.
        calls: The number of calls.
        pieces: Number of elements and place of the moments of each piece of the outputs.
        outputs: The operation that computed an output and the output's index in it, by (call, output of the call).
        gradients: Number of elements and place of the norm of the gradient, by (call, output of the call).
        alive: For each call, the place of the number of units that are not dead, and the number of units.
        alive_at: The numbers of the calls that `alive` is of.
        vertices: For an activation that runs more than once, the vertices of its calls in the graph, by call.
        saturated: For each call, the place of the number of saturated outputs, and the number of outputs.
        cut: Why no gradient comes to the module, if that was searched for.
        tokens: The inputs of an embedding with a padding token.
        padded: See `LayerStats`.
        alike: Whether all units have the same weights, and for how long.
        notes: Remarks for the reader.
        fresh: See `LayerStats`.
        still: See `LayerStats`.
        split: See `split_of`.
        heads: See `LayerStats`.
        taken: The shape of a convolution's last input; () for other layers.
        spare: See `LayerStats`.
        unread: See `LayerStats`.
    """

    name: str
    module: nn.Module
    own: dict[str, nn.Parameter]
    weights: dict[str, nn.Parameter] = field(init=False)
    units: bool = field(init=False)
    scripted: bool = field(init=False)
    saturates: Mark | None = field(init=False)
    bounds: tuple[float, ...] = field(init=False)
    first: int | None = None
    calls: int = 0
    pieces: list[Sized] = field(default_factory=list)
    outputs: dict[tuple[int, int], tuple[Node, int]] = field(default_factory=dict)
    gradients: dict[tuple[int, int], Sized] = field(default_factory=dict)
    alive: list[Counted] = field(default_factory=list)
    alive_at: list[int] = field(default_factory=list)
    vertices: dict[int, int] = field(default_factory=dict)
    saturated: list[Counted] = field(default_factory=list)
    cut: Cut | None = None
    tokens: list[Tensor] = field(default_factory=list)
    padded: tuple[int, int] | None = None
    alike: Likeness = ""
    notes: list[str] = field(default_factory=list)
    fresh: bool = False
    still: bool = False
    split: int = 0
    heads: tuple[float, ...] = ()
    taken: tuple[int, ...] = ()
    spare: bool = False
    unread: bool = False

    def __post_init__(self) -> None:
        kind = type(self.module)
        self.weights = {name: one for name, one in self.own.items() if "bias" not in name} or self.own
        self.units, self.saturates = has_units(kind), saturation(self.module)
        self.bounds = bounds_of(self.module)
        self.scripted = isinstance(self.module, torch.jit.ScriptModule)
        self.still = never_moves(self.module)
        if self.still:
            self.fresh = not self.module.training
            self.note("has a momentum of 0, so that its running mean and variance stay as they were made")
        elif is_fresh(self.module):
            self.fresh = True
            self.note("has seen no batch yet, so that in evaluation mode it normalises nothing")

    @property
    def kind(self) -> str:
        """Name of the module's class; for a scripted module the name of the original class."""
        return getattr(self.module, "original_name", "") if self.scripted else type(self.module).__name__

    @property
    def names(self) -> set[str]:
        """The names of the parameters in the model, and the row's own name, which may be that of a parameter."""
        return {self.name, *(key if self.name == ROOT else f"{self.name}.{key}" for key in self.own)}

    def note(self, text: str) -> None:
        """Add a remark, unless it is there already."""
        if text not in self.notes:
            self.notes.append(text)


def is_fresh(module: nn.Module) -> TypeGuard[nn.modules.batchnorm._NormBase]:
    """Whether a BatchNorm in evaluation mode has seen no batch, so that its running statistics are the initial ones."""
    if not isinstance(module, nn.modules.batchnorm._NormBase) or module.training:
        return False
    seen = module.num_batches_tracked
    return module.track_running_stats and seen is not None and not seen.is_meta and int(seen) == 0


def never_moves(module: nn.Module) -> bool:
    """Whether a BatchNorm has its initial running statistics and a momentum of 0, which never updates them."""
    if not isinstance(module, nn.modules.batchnorm._NormBase) or module.momentum != 0:
        return False
    mean, spread = module.running_mean, module.running_var
    if mean is None or spread is None or mean.is_meta or nn.parameter.is_lazy(mean):
        return False
    return not bool(mean.any()) and bool((spread == 1).all())


def _has_elements(parameter: Tensor) -> bool:
    return nn.parameter.is_lazy(parameter) or parameter.numel() > 0


def rows_of(model: nn.Module) -> list[Row]:
    """Return rows for all modules that own parameters and for all activations, in the order of `named_modules`."""
    rows, inside, heads = [], set(), {}
    for name, module in model.named_modules():
        if id(module) in inside:
            continue
        heads[name] = heads_of(module)
        own = {key: one for key, one in module._parameters.items() if one is not None and _has_elements(one)}
        if "parametrizations" in module._modules and parametrize.is_parametrized(module):
            for one in module.parametrizations.modules():
                inside.add(id(one))
            own |= dict(module.parametrizations.named_parameters())
        if own or is_activation(type(module)):
            rows.append(Row(name or ROOT, module, own))
            above, _, part = name.rpartition(".")
            rows[-1].split = split_of(module, part, heads.get(above, 0))
    return rows


def in_order(rows: list[Row]) -> list[Row]:
    """Sort rows by their first call; a module that never ran follows the one before it in the model."""
    after: dict[int, list[Row]] = {}
    last = -1
    for row in rows:
        if row.first is None:
            after.setdefault(last, []).append(row)
        else:
            last = row.first
    ran = {row.first: row for row in rows if row.first is not None}
    ordered = after.get(-1, [])
    for first in sorted(ran):
        ordered += [ran[first], *after.get(first, [])]
    return ordered


def mark_spare(model: nn.Module, rows: list[Row]) -> None:
    """Mark layers that never ran while another module of their parent's class runs its own: an `if` skips them."""
    ran = {row.name for row in rows if row.calls}
    idle = [row for row in rows if row.own and not row.calls]
    owners = dict(model.named_modules()) if idle else {}
    for row in idle:
        row.spare = any(_others_run(owners, *pair, ran) for pair in _parents_of(row.name))


def _parents_of(name: str) -> Iterator[tuple[str, str]]:
    """Yield the names of a module's parents, the nearest first, each with the rest of the module's name."""
    parts = name.split(".")
    for place in range(len(parts) - 1, 0, -1):
        yield ".".join(parts[:place]), ".".join(parts[place:])


def _others_run(owners: dict[str, nn.Module], above: str, way: str, ran: set[str]) -> bool:
    """Whether a parent ran without this module, and others of its class ran with theirs; no module of a list counts."""
    owner = owners.get(above)
    if owner is None or type(owner).__module__.startswith("torch.") or not any(_is_in(one, above) for one in ran):
        return False
    chosen = (owners.get(f"{above}.{one}") for one, _ in _parents_of(way))
    if any(isinstance(one, (nn.ModuleList, nn.ModuleDict)) for one in chosen):
        return False
    return any(f"{name}.{way}" in ran for name, one in owners.items() if type(one) is type(owner) and name != above)


def _is_in(name: str, above: str) -> bool:
    return name.startswith(f"{above}.")


def shared_names(rows: list[Row]) -> Iterator[tuple[Row, str, str]]:
    """Yield parameters that an earlier row owns too: the later row, its name there, and the earlier row's name."""
    owners: dict[int, str] = {}
    for row in rows:
        for key, parameter in row.own.items():
            owner = owners.setdefault(id(parameter), row.name)
            if owner != row.name:
                yield row, key, owner


def parameters_of(rows: list[Row]) -> list[Tensor]:
    """Return each parameter that requires a gradient, once."""
    return [p for p in {id(p): p for row in rows for p in row.own.values()}.values() if p.requires_grad]
