"""Factors that are all 0 and get no gradient, in layers whose other weights get one."""

from collections.abc import Set

from gradwidgets.core.layers.passes.rows import ROOT
from gradwidgets.core.layers.verdicts.verdict import Judged, listed
from gradwidgets.core.layers.verdicts.way.factors import BOTH, both_zero, multiplied
from gradwidgets.core.results.finding import Finding


def both_beside(judged: Judged, zero: Set[str]) -> list[Finding]:
    """Report products of parameters that are all 0.

    Args:
        judged: The pass.
        zero: The layers all of whose weights get a gradient of exactly 0, which are reported by themselves.
    """
    graph = judged.graph
    if not any(still_zero(judged)):
        return []
    pairs = [
        names
        for names in both_zero(judged)
        if not graph.waiting & set(names) and not zero & {name.rpartition(".")[0] or ROOT for name in names}
    ]
    if not pairs:
        return []
    names = [name for one in pairs for name in one]
    layers = list(dict.fromkeys(name.rpartition(".")[0] or ROOT for name in names))
    has = "other weights of their layer get" if len(layers) == 1 else "other weights of their layers get"
    message = f"{listed(names)} (nn.Parameter) get a gradient of exactly 0, though {has} one: {multiplied(pairs)}"
    evidence = {"layers": names, "without": len(names), "of": len(judged.trained), "factors": names}
    return [Finding("no_gradient", "error", message, evidence, judged.places(layers), BOTH)]


def still_zero(judged: Judged) -> list[str]:
    """Return the names of weights that are all 0 and get no gradient that would move them."""
    graph = judged.graph
    return [name for name, size in graph.sizes.items() if not size and "bias" not in name and name not in graph.waiting]
