"""Why descents miss the target: a crest where two pieces meet, or a term or a weight of the wrong sign."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_data import data_tensors
from gradwidgets.core.operations.falling import falling_term
from gradwidgets.core.operations.watching import Args, Kwargs, Op, Watching
from gradwidgets.core.results.slices import finish
from gradwidgets.core.results.wording import number, place
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.surfaces.patterns.flat.dead_ground import ABOVE
from gradwidgets.core.surfaces.patterns.look import Look

_ALONG = 801  # points on the line to the target
_HALVINGS = 24
_STEEP = 0.05  # of a steep slope: with gentler sides a crest is smooth
_BESIDE = 1e-6  # of that line
_NEAR = 0.02  # of the view: descents that end so near to a fall follow it
_PIECES = ("minimum", "maximum", "where")
_ERRORS = frozenset((
    "pow", "square", "abs", "relu", "softplus", "mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss",
    "binary_cross_entropy_with_logits", "binary_cross_entropy", "cross_entropy", "nll_loss",
))  # fmt: skip
_CREST = (
    "From beyond that place every descent goes the other way, down the other piece. Let one piece go on, or take what "
    "turns nowhere in view: of an angle 1 − cos(d), of a line's, which is the same after half a turn, 1 − cos(2d)."
)
_SIGN = "An error must count the more the larger it is, on either side: look at the sign of that term."
WEIGHT = (
    "An error that counts below 0 is sought, not avoided: keep weights above 0, exp(w) or a clamp, or leave such items "
    'out. If it is meant, allow it: allow=["no_bottom"].'
)


def why_missed(look: Look, end: Sequence[float]) -> tuple[str, str]:
    """What leads descents to an end off the target, in words, and what to do; both "" if it is not known.

    Args:
        look: The loss.
        end: Where they end, in the order of the axes.
    """
    at = torch.tensor(end, dtype=torch.float64)
    if not look.known or look.view.slow:
        return "", ""
    return _crest(look, at) or _falling_beyond(look, at) or ("", "")


def _falling_beyond(look: Look, end: Tensor) -> tuple[str, str] | None:
    fall = look.fall
    if fall is None or not fall.fast or not fall.beyond:
        return None
    if bool(((torch.tensor(fall.point, dtype=torch.float64) - end).abs() > _NEAR * look.spans).any()):
        return None
    term = falling_term(look.own, torch.tensor(fall.point), torch.tensor(fall.beyond))
    return (f"beyond it the loss falls on, and {term.sentence}", _SIGN) if term and term.operation else None


def _crest(look: Look, end: Tensor) -> tuple[str, str] | None:
    """A crest on the straight line to the target at which one piece of the loss ends and another begins."""
    targets = look.grid.points[look.target]
    goal = targets[((targets - end) / look.spans).norm(dim=-1).argmin()]
    shares = torch.linspace(0, 1, _ALONG, dtype=torch.float64)[:, None]
    losses, _ = finish(look.view.at(end + shares * (goal - end), gradient=False))
    top = int(losses.nan_to_num(-torch.inf).argmax())
    if not 0 < top < _ALONG - 1 or float(losses[top] - losses[0]) < ABOVE * look.height:
        return None
    share = _summit(look, end, goal, float(shares[top - 1]), float(shares[top + 1]))
    sides = end + (share + _BESIDE * torch.tensor([[-1.0], [1.0]], dtype=torch.float64)) * (goal - end)
    _, slopes = finish(look.view.at(sides))
    up, down = (slopes * (goal - end)).sum(-1).tolist()
    steep = _STEEP * look.steep * float(((goal - end) / look.spans).norm())
    name = _changing_piece(look, sides) if up > steep and down < -steep else ""
    if not name:
        return None
    where = place(look.names, (end + share * (goal - end)).tolist())
    return f"on the way there, at {where}, {name} changes from one piece to the other, and the slope turns", _CREST


def _summit(look: Look, end: Tensor, goal: Tensor, low: float, high: float) -> float:
    """Where the loss is highest between two shares of the line, by the slope along it."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        _, slope = finish(look.view.at((end + middle * (goal - end))[None]))
        low, high = (middle, high) if float((slope[0] * (goal - end)).sum()) > 0 else (low, middle)
    return (low + high) / 2


def _changing_piece(look: Look, sides: Tensor) -> str:
    """The first of `_PIECES` that takes another piece on the other side, (2, P); "" for none."""
    logs = [_Pieces(), _Pieces()]
    try:
        for point, log in zip(sides, logs, strict=True):
            look.function.run_at(point, torch.float64, log)
    except Exception:
        return ""
    here, there = (log.taken for log in logs)
    pairs = zip(here, there, strict=False)
    found = next((n for (n, one), (_, two) in pairs if one.shape == two.shape and not torch.equal(one, two)), "")
    return "torch.where" if found == "where" else found


class _Pieces(Watching):
    """Notes which of two pieces each operation in `_PIECES` takes."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[tuple[str, Tensor]] = []

    def run(self, name: str, func: Op, args: Args, kwargs: Kwargs) -> object:
        if not self.node and name in _PIECES and len(args) > 1:
            self.taken.append((name, (args[0] if name == "where" else args[0] < args[1]).clone()))
        return func(*args, **kwargs)

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Skip the backward pass: choices are made in the forward pass."""


class _Weights(FunctionMode):
    """Notes data, partly below 0, by which errors that are never below 0 are multiplied."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Tensor | None = None
        self._errors: list[Tensor] = []

    def __torch_function__(self, func: Op, types: object, args: Args = (), kwargs: Kwargs | None = None) -> object:
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "").strip("_")
        if isinstance(result, Tensor) and name in _ERRORS and bool((result >= 0).all()):
            self._errors.append(result)
        elif name in ("mul", "multiply", "rmul") and len(args) == 2 and self.found is None:
            errors = [one for one in args if any(one is error for error in self._errors)]
            others = [one for one in args if isinstance(one, Tensor) and not one.requires_grad and one.ndim]
            if errors and others and bool((others[0] < 0).any()):
                self.found = others[0].detach()
        return result

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Skip the backward pass: factors show in the forward pass."""


def below_zero(look: Look) -> str:
    """The data that weight errors and are partly below 0, in words; "" if there are none."""
    watch = _Weights()
    if not look.ran_in(watch) or watch.found is None:
        return ""
    weight = watch.found
    alike = (n for n, one in data_tensors(look.own) if one.shape == weight.shape and bool((one == weight).all()))
    count = f"{int((weight < 0).sum())} of {weight.numel()} items, {number(float(weight.min()))} at the least"
    return f"{next(alike, 'what the errors are multiplied by')} is below 0 for {count}, and weighs the errors"
