"""Which of a model's modules are looked at, and which of its parameters are whose."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.nn.utils import parametrize

from gradwidgets.core.layers.causes.cut import Cut
from gradwidgets.core.layers.passes.activation_units import bounds_of, has_units, is_activation, saturation
from gradwidgets.core.layers.passes.attention_heads import heads_of, split_of

ROOT = "(model)"
# Whether all units of a layer have the same weights: no; until the next step; and it keeps them so.
Likeness = Literal["", "at first", "for good"]


@dataclass(eq=False)
class Row:
    """One module on its way to becoming `LayerStats`; numbers stand as places in a `Reducer`.

    Attributes:
        name: The layer's name.
        module: The module.
        own: The parameters that it owns, by their names in it.
        weights: Those that count as weights.
        units: Whether its outputs belong to units that can be dead.
        scripted: Whether it is compiled to TorchScript, which takes no hooks.
        saturates: Tells saturated outputs; None where nothing saturates.
        bounds: See `LayerStats`.
        first: When it first began to run, counted in modules; None while it has not.
        calls: How often it ran.
        pieces: Elements and place of the moments of each piece of its outputs.
        outputs: The operation that gave it and which of its outputs it is, by call and by which of the call's outputs.
        gradients: Elements and place of the norm of the gradient, by the same.
        alive: (place of the units that are not dead, units) of each call.
        alive_at: Which calls these are.
        vertices: The vertices of the calls of an activation that runs more than once.
        saturated: (place of the outputs that are saturated, outputs) of each call.
        cut: Why no gradient comes to it, where that was looked for.
        tokens: What an embedding with a padding token was given.
        padded: See `LayerStats`.
        alike: Whether its units have the same weights, and for how long.
        notes: What is to be said about it.
        fresh: See `LayerStats`.
        still: See there.
        split: Among how many heads of attention the rows of its weights are split, or if below 0 the columns.
        heads: See `LayerStats`.
        taken: The shape of what a convolution was given at last; () for other layers.
        spare: See `LayerStats`.
        unread: See there.
    """

    name: str
    module: nn.Module
    own: dict[str, nn.Parameter]
    weights: dict[str, nn.Parameter] = field(init=False)
    units: bool = field(init=False)
    scripted: bool = field(init=False)
    bounds: tuple[float, ...] = field(init=False)
    first: int | None = None
    calls: int = 0
    pieces: list[tuple] = field(default_factory=list)
    outputs: dict[tuple[int, int], tuple[Node, int]] = field(default_factory=dict)
    gradients: dict[tuple[int, int], tuple] = field(default_factory=dict)
    alive: list[tuple] = field(default_factory=list)
    alive_at: list[int] = field(default_factory=list)
    vertices: dict[int, int] = field(default_factory=dict)
    saturated: list[tuple] = field(default_factory=list)
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
        """Name of the module's class, as it was before it was scripted."""
        return getattr(self.module, "original_name", "") if self.scripted else type(self.module).__name__

    @property
    def names(self) -> set[str]:
        """The names of its parameters in the model; its own, where it stands for a single one."""
        return {self.name, *(key if self.name == ROOT else f"{self.name}.{key}" for key in self.own)}

    def note(self, text: str) -> None:
        """Say something about it, once."""
        if text not in self.notes:
            self.notes.append(text)


def is_fresh(module: nn.Module) -> bool:
    """Whether it would normalise by a mean and a variance that are still those it was made with."""
    if not isinstance(module, nn.modules.batchnorm._NormBase) or module.training:
        return False
    seen = module.num_batches_tracked
    return module.track_running_stats and seen is not None and not seen.is_meta and int(seen) == 0


def never_moves(module: nn.Module) -> bool:
    """Whether it would normalise by a mean and a variance as it was made with, and no training moves them."""
    if not isinstance(module, nn.modules.batchnorm._NormBase) or module.momentum != 0:
        return False
    mean, spread = module.running_mean, module.running_var
    if mean is None or spread is None or mean.is_meta or nn.parameter.is_lazy(mean):
        return False
    return not bool(mean.any()) and bool((spread == 1).all())


def _has_numbers(parameter: Tensor) -> bool:
    return nn.parameter.is_lazy(parameter) or parameter.numel() > 0


def rows_of(model: nn.Module) -> list[Row]:
    """All modules that own parameters, and all activations, in the model's own order."""
    rows, inside, heads = [], set(), {}
    for name, module in model.named_modules():
        if id(module) in inside:
            continue
        heads[name] = heads_of(module)
        own = {key: one for key, one in module._parameters.items() if one is not None and _has_numbers(one)}
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
    """Rows as they first ran; one that never did stands after the one before it in the model."""
    after: dict[int, list[Row]] = {}
    last = -1
    for row in rows:
        if row.first is None:
            after.setdefault(last, []).append(row)
        else:
            last = row.first
    ran = sorted((row for row in rows if row.first is not None), key=lambda row: row.first)
    ordered = after.get(-1, [])
    for row in ran:
        ordered += [row, *after.get(row.first, [])]
    return ordered


def mark_spare(model: nn.Module, rows: list[Row]) -> None:
    """Tell layers that never ran, and that another module of their module's class runs: an `if` leaves them out."""
    ran = {row.name for row in rows if row.calls}
    idle = [row for row in rows if row.own and not row.calls]
    owners = dict(model.named_modules()) if idle else {}
    for row in idle:
        row.spare = any(_others_run(owners, *pair, ran) for pair in _cut_in_two(row.name))


def _cut_in_two(name: str) -> Iterator[tuple[str, str]]:
    """A module above and the way from there, the nearest first."""
    parts = name.split(".")
    for place in range(len(parts) - 1, 0, -1):
        yield ".".join(parts[:place]), ".".join(parts[place:])


def _others_run(owners: dict[str, nn.Module], above: str, way: str, ran: set[str]) -> bool:
    """Whether a module ran but for this part, and others of its class ran with it; one of many experts is no part."""
    owner = owners.get(above)
    if owner is None or type(owner).__module__.startswith("torch.") or not any(_is_in(one, above) for one in ran):
        return False
    chosen = (owners.get(f"{above}.{one}") for one, _ in _cut_in_two(way))
    if any(isinstance(one, (nn.ModuleList, nn.ModuleDict)) for one in chosen):
        return False
    return any(f"{name}.{way}" in ran for name, one in owners.items() if type(one) is type(owner) and name != above)


def _is_in(name: str, above: str) -> bool:
    return name.startswith(f"{above}.")


def shared_names(rows: list[Row]) -> Iterator[tuple[Row, str, str]]:
    """Each parameter that an earlier row owns too: the later row, its name there, the earlier row's name."""
    owners: dict[int, str] = {}
    for row in rows:
        for key, parameter in row.own.items():
            owner = owners.setdefault(id(parameter), row.name)
            if owner != row.name:
                yield row, key, owner


def parameters_of(rows: list[Row]) -> list[Tensor]:
    """Each trained parameter once."""
    return [p for p in {id(p): p for row in rows for p in row.own.values()}.values() if p.requires_grad]
