"""Parameters that no step will move: those without a gradient, and those that no optimizer holds."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gradwidgets.core.monitor.owners import LayerTable, Owned, listed
from gradwidgets.core.monitor.sampling.notes import Notes
from gradwidgets.core.monitor.training.cut_graphs import CutLook
from gradwidgets.core.monitor.training.first_graph import StandStill

LOOK_EVERY = 8  # samples, for parameters that are new in the model
_RUN = {  # by how layers without a gradient ran
    ("no_grad", "checkpoint"): "though they are used, since their layers run without a graph",
    ("detached",): "though their layers run: their output is cut from the loss (detach, .data, argmax), or not used",
}


class _Lacking(NamedTuple):
    """A note in two parts: when parameters had no gradient, and why, as far as the sample shows it."""

    when: str
    why: str
    names: tuple[str, ...]


class Untrained:
    """Looks at sampled steps for parameters that get no gradient, or whose gradient no optimizer uses.

    Args:
        notes: The findings are added to it, in sentences.
        one: Whether a single optimizer is watched.

    Attributes:
        strays: Returns the tensors that take part and that the model does not list, by name.
        cut: Finds out how the graph of layers without a gradient ends.
        missing: Names of the parameters without a gradient.
        unheld: Names of the parameters with a gradient that no optimizer holds.
        unlisted: The same of tensors that the model does not list.
    """

    def __init__(self, notes: Notes, one: bool) -> None:
        self.strays: Callable[[], dict[str, Tensor]] = dict
        self.cut = CutLook()
        self.missing: tuple[str, ...] = ()
        self.unheld: tuple[str, ...] = ()
        self.unlisted: tuple[str, ...] = ()
        self._notes, self._one = notes, one
        self._taught = 0  # parameters that require a gradient
        self._still = StandStill()
        self._lacking: _Lacking | None = None

    @property
    def sentences(self) -> dict[str, str]:
        """The note on parameters without a gradient, once it is known which of them are used all the same."""
        if self._lacking is None:
            return {}
        when, why, names = self._lacking
        found = [self.cut.ran.get(name.rpartition(".")[0] or name, "") for name in names]
        if not any(found):
            return {}
        parts = []
        for how, words in _RUN.items():
            if some := [name for name, one in zip(names, found, strict=True) if one in how]:
                parts.append(f"{words}: {listed(some)}")
        if rest := [name for name, one in zip(names, found, strict=True) if not one]:
            parts.append(f"{why}: {listed(rest)}")
        return {"missing": f"{when}, {'; '.join(parts)}"}

    def is_held(self, names: set[str]) -> None:
        """Parameters turn out to be held by an optimizer that makes its first step."""
        if names.intersection(self.unheld):
            self.unheld = tuple(name for name in self.unheld if name not in names)
            self._notes.pop("outside", None)

    def look_at_unheld(self, optimizer: torch.optim.Optimizer, table: LayerTable, held: set[int], samples: int) -> None:
        """Look for gradients that no optimizer uses; an optimizer that has yet to step is given time for it.

        Args:
            optimizer: The one that steps.
            table: The model's layers.
            held: Ids of the `Owned` that any optimizer holds.
            samples: How many there are so far.
        """
        taught = sum(one.parameter.requires_grad for one in table.owned)
        due = samples in (0, 2) or samples % LOOK_EVERY == 0 or taught != self._taught
        self._taught = taught
        if not due or not (self._one or samples):
            return
        owned = [one for one in table.owned if id(one) not in held and _is_taught(one.parameter)]
        found = list(self._still((one.name, one.parameter) for one in owned))
        names = set(self.missing)
        missing = [(one.name, one.parameter) for one in table.owned if one.name in names]
        self.missing = tuple(self._still(missing))  # those that another optimizer trains are not called unused
        self.unheld, self.unlisted = tuple(found), tuple(self._still(self._stray(optimizer)))
        self._notes.pop("outside", None)
        if found:
            whose = "the optimizer" if self._one else "any optimizer that made a step"
            self._notes["outside"] = f"with a gradient, but not in {whose}: {listed(found)}"

    def _stray(self, optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, Tensor]]:
        held = {id(one) for group in optimizer.param_groups for one in group["params"]}
        for name, tensor in self.strays().items():
            if id(tensor) not in held and _is_taught(tensor):
                yield name, tensor

    def still_there(self, without: Sequence[Owned], table: LayerTable) -> list[Owned]:
        """Return those that the model still has; parameters that replace the others may not be in any optimizer."""
        self._taught = -1  # look at the next sample
        now = {id(one.parameter) for one in table.owned}
        return [one for one in without if id(one.parameter) in now]

    def note_missing(
        self, without: Sequence[Owned], owned: Sequence[Owned], step: int, model: nn.Module | None, table: LayerTable,
        held: set[int],
    ) -> None:  # fmt: skip
        """Note parameters without a gradient, and look at their layers in the next pass.

        Args:
            without: Those parameters; none is noted if there are none.
            owned: All that the sample is of.
            step: The sample's step.
            model: The model; None if it is gone.
            table: Its layers.
            held: Ids of the `Owned` that any optimizer holds.
        """
        if not without:
            return
        if model is not None and not table.opaque:
            self._look_for_cuts(without, model, table, held)
        self.missing = tuple(one.name for one in without)
        # Where all lack one, it is more likely that the gradients were cleared than that no parameter is used.
        why = "so unused in what the loss was made of" if len(without) < len(owned) else "none made, or all cleared"
        self._lacking = _Lacking(f"no gradient at step {step}", why, self.missing)
        self._notes["missing"] = f"{self._lacking.when}, {why}: {listed(self.missing)}"

    def _look_for_cuts(self, missing: Sequence[Owned], model: nn.Module, table: LayerTable, held: set[int]) -> None:
        places = {one.column for one in missing}
        modules = {table.names[place]: table.modules[place] for place in places}
        aside = {table.names[one.column] for one in missing if held and id(one) not in held}
        self.cut.arm(model, {name: one for name, one in modules.items() if one is not model}, aside)


def without_gradient(owned: Sequence[Owned]) -> list[Owned]:
    """The parameters that require a gradient and have none."""
    return [one for one in owned if one.parameter.grad is None and one.parameter.requires_grad]


def _is_taught(parameter: Tensor) -> bool:
    """Whether it gets a gradient: one that was frozen later may still hold an older one."""
    return parameter.requires_grad and parameter.grad is not None
