"""Targets in the wrong convention: a mask of 0 and 255, or labels of 0 and 1 in place of −1 and 1."""

from torch import Tensor

from gradwidgets.core.losses.loss_data import data_tensors, first_index
from gradwidgets.core.operations.watching import Args, Kwargs, Op
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.surfaces.patterns.look import Look

# Name of a loss → the index of its target among the arguments.
_SHARES = {"binary_cross_entropy_with_logits": 1, "binary_cross_entropy": 1, "multilabel_soft_margin_loss": 1}
_SIGNS = {"margin_ranking_loss": 2, "cosine_embedding_loss": 2, "hinge_embedding_loss": 1, "soft_margin_loss": 1}
_BYTE = 255.0  # white in an image file
_ROUNDING = 1e-3


class _Targets(FunctionMode):
    """Notes the first target that one of torch's losses does not support, with the name of that loss."""

    def __init__(self) -> None:
        super().__init__()
        self.found: tuple[str, Tensor] | None = None

    def __torch_function__(self, func: Op, types: object, args: Args = (), kwargs: Kwargs | None = None) -> object:
        name, kwargs = getattr(func, "__name__", ""), kwargs or {}
        if self.found is None and (place := (_SHARES | _SIGNS).get(name)):
            target = kwargs.get("target", args[place] if len(args) > place else None)
            if isinstance(target, Tensor) and not target.requires_grad and bool(_unsupported(name, target).any()):
                self.found = name, target.detach()
        return func(*args, **kwargs)

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Skip the backward pass: targets show in the forward pass."""


def _unsupported(name: str, target: Tensor) -> Tensor:
    """Which of a target's numbers a loss does not support."""
    if name in _SHARES:
        return (target < -_ROUNDING) | (target > 1 + _ROUNDING)
    return (target == 0) & bool(((target == 0) | (target == 1)).all())


def wrong_target(look: Look) -> Finding | None:
    """One of torch's losses is given targets that it does not support, and torch does not complain."""
    watch = _Targets()
    if not look.ran_in(watch, 0.0) or watch.found is None:
        return None
    name, target = watch.found
    wrong, shares = _unsupported(name, target), name in _SHARES
    value = float(target[wrong][(target[wrong].abs()).argmax()])
    takes = "targets from 0 to 1" if shares else "targets of −1 and 1"
    message = f"{name} takes {takes}, and is given {number(value)}{_name_and_index(look, target, target == value)}"
    evidence = {"operation": name, "largest": float(target.max())}
    return Finding("wrong_input", "warning", message, evidence, None, _cure(target, shares))


def _name_and_index(look: Look, target: Tensor, of: Tensor) -> str:
    """The first of the wrong numbers, by the data's name and index; "" if the data are not known."""
    alike = (name for name, one in data_tensors(look.own) if one.shape == target.shape and bool((one == target).all()))
    name = next(alike, "")
    return f": {name}{first_index(of) or ''}" if name else ""


def _cure(target: Tensor, shares: bool) -> str:
    if not shares:
        return "Labels of 0 count for nothing in it: give it 2 · y − 1 in place of y."
    if bool(((target == -1) | (target == 1)).all()):
        return "Labels of −1 and 1 become 0 and 1 by (y + 1) / 2; soft_margin_loss takes them as they are."
    by = "divide them by 255" if float(target.max()) == _BYTE else "scale them to it"
    return f"Beyond 0 to 1 no logit is ever large enough, and the loss falls without end: {by}."
