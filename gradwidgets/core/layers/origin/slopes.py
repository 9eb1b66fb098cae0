"""Operations with a finite value and no finite slope, recognised by the tensors that autograd saved."""

from collections.abc import Callable

from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.losses.graph import saved


def slope_at(node: Node, name: str) -> str | None:
    """Return a clause on why an operation has no finite slope; None if it is not known."""
    rule = _RULES.get(name)
    return None if rule is None else rule(node, name)


def _saved_tensor(node: Node, *keys: str) -> Tensor | None:
    """Return the first tensor that the operation saved under one of these names."""
    for key in keys:
        try:
            value = saved(node, key)
        except (AttributeError, RuntimeError):  # the tensor was changed in place since
            continue
        if isinstance(value, Tensor):
            return value
    return None


def _count(mask: Tensor) -> str:
    return f"{int(mask.sum())} of {mask.numel()}"


def _zero(*keys: str) -> Callable[[Node, str], str | None]:
    def rule(node: Node, name: str) -> str | None:
        kept = _saved_tensor(node, *keys)
        if kept is None or not bool((kept == 0).any()):
            return None
        return f"{name} is taken of 0 ({_count(kept == 0)} numbers), where its slope is infinite"

    return rule


def _division(node: Node, name: str) -> str | None:
    kept = _saved_tensor(node, "other")
    if kept is None:
        return None
    bad = int((kept == 0).sum())
    return f"{bad} of {kept.numel()} divisors {'is' if bad == 1 else 'are'} 0" if bad else None


def _arc(node: Node, name: str) -> str | None:
    kept = _saved_tensor(node, "self")
    if kept is None or not bool((kept.abs() >= 1).any()):
        return None
    return f"{name} is taken of 1 or −1 ({_count(kept.abs() >= 1)} numbers), where its slope is infinite"


def _spectrum(node: Node, name: str) -> str:
    return f"{name} was given a matrix of which two values are the same, or one is 0: their vectors have no slope"


_RULES: dict[str, Callable[[Node, str], str | None]] = {
    "sqrt": _zero("result"),
    "rsqrt": _zero("self"),
    "pow": _zero("self"),
    "log": _zero("self"),
    "log2": _zero("self"),
    "log10": _zero("self"),
    "xlogy": _zero("self", "other"),
    "norm": _zero("result"),
    "reciprocal": _zero("self"),
    "div": _division,
    "acos": _arc,
    "asin": _arc,
    "atanh": _arc,
    "linalg_eigh": _spectrum,
    "linalg_eig": _spectrum,
    "linalg_svd": _spectrum,
}
