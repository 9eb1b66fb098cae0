"""Faults between passes: parameters that a forward pass replaces, and states that keep the graph of an earlier pass."""

from collections.abc import Iterable, Mapping

from torch import Tensor, nn

from gradwidgets.core.layers.passes.rows import ROOT, Row
from gradwidgets.core.results.finding import Finding

ANEW, GRAPH = "parameter made anew", "kept graph"
_NAMED = 3
_OWN = frozenset(vars(nn.Module()))  # the attributes of every module
_IN_PLACE = (
    "Keep the parameter and compute with what is made of it, w = F.normalize(self.w, dim=1), or "
    "nn.utils.parametrize; to set its numbers, self.w.data.copy_(…) under no_grad."
)
_DETACH = (
    "Detach the state before it is used again, self.h = h.detach() (of an LSTM both h and c), and begin each new "
    "sequence with none."
)


def made_anew(rows: Iterable[Row], after: Mapping[str, nn.Parameter]) -> list[Finding]:
    """Find trained parameters that a pass replaced by other objects.

    Args:
        rows: The model's layers, recorded before the pass.
        after: The model's parameters after the pass, by name.
    """
    before = {_named(row, key): one for row in rows for key, one in row.own.items() if one.requires_grad}
    names = [name for name, one in before.items() if name in after and after[name] is not one]
    if not names:
        return []
    one = len(names) == 1
    listed = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    message = (
        f"{listed} {'is another nn.Parameter' if one else 'are other nn.Parameters'} after the pass than before: "
        f"forward makes {'a new one' if one else 'new ones'}, and an optimizer holds the old "
        f"{'one' if one else 'ones'}, to which no gradient comes any more"
    )
    evidence = {"layer": names[0].rpartition(".")[0] or ROOT, "parameters": names, "threshold": 0}
    return [Finding(ANEW, "error", message, evidence, action=_IN_PLACE)]


def _named(row: Row, key: str) -> str:
    return key if row.name == ROOT else f"{row.name}.{key}"


def states_of(model: nn.Module) -> dict[int, tuple[str, Tensor]]:
    """Return the tensors that modules hold as plain attributes and that require a gradient, by id, with their names."""
    held = [
        (name, key, one)
        for name, module in model.named_modules()
        for key in module.__dict__.keys() - _OWN
        if isinstance(one := module.__dict__[key], (Tensor, tuple, list))
    ]
    return {
        id(one): (f"{name}.{key}" if name else key, one)
        for name, key, some in held
        for one in (some if isinstance(some, (tuple, list)) else (some,))
        if isinstance(one, Tensor) and one.requires_grad and not isinstance(one, nn.Parameter)
    }


def kept_graphs(
    model: nn.Module, before: Mapping[int, tuple[str, Tensor]], leaves: Iterable[tuple[Tensor, str | None]]
) -> list[Finding]:
    """Find states that a pass used with the graph of an earlier pass, and then replaced.

    Args:
        model: The model that ran.
        before: The result of `states_of` before the pass.
        leaves: The tensors in the graph that require a gradient, each with the module that used it.
    """
    after = states_of(model) if before else {}
    used = [before[id(one)][0] for one, _ in leaves if id(one) in before and id(one) not in after]
    if not used:
        return []
    names = list(dict.fromkeys(used))
    message = (
        f"{', '.join(names[:_NAMED])}: the pass begins with a state of an earlier pass, which still has its graph: "
        "backward goes on into it, where the saved tensors are freed, and raises"
    )
    evidence = {"layer": names[0].rpartition(".")[0], "states": names, "threshold": 0}
    return [Finding(GRAPH, "error", message, evidence, action=_DETACH)]
