"""What can come between a loss and its gradient: operations that cut it, and custom autograd functions."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gradwidgets.core.losses.graph import nodes_of
from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.operations.watching import Args, Kwargs, Op, Watching, floats_in, in_line, is_own, name_of
from gradwidgets.core.subject.mode import FunctionMode

DETACHED = "detach or no_grad"
_NO_GRAD, _REBUILT = "no_grad", "torch.tensor(…)"
_CUTTING = {
    "detach": DETACHED,
    "round": "round",
    "floor": "floor",
    "ceil": "ceil",
    "trunc": "trunc",
    "sign": "sign",
    "sgn": "sign",
    "heaviside": "heaviside",
    "argmax": "argmax",
    "argmin": "argmin",
    "bernoulli": "bernoulli",
    "histc": "histc",
}
_TENSOR = "Leave it a tensor all the way: arithmetic and torch.stack, in place of torch.tensor(…), item() and numpy()."
_ROUNDED = "Leave the rounding out of the training, or take a straight-through form: x + (torch.round(x) − x).detach()."
INTERPOLATED = "A place in a table is read between two rows: torch.lerp(table[i], table[i + 1], x − i), i = floor(x)."
_CURES = {
    _NO_GRAD: (
        "What is computed under torch.no_grad() is a constant to the gradient: compute it outside of that block, which "
        "is for what is measured, or held, alone."
    ),
    "detach": (
        "Remove the detach, or detach the other side in its place. If this one is to be held, as a target is, it is "
        'no parameter of the loss: put it into fixed, or allow it: allow=["no_gradient_path"].'
    ),
    "histc": (
        "A histogram counts, and counts have no gradient: count softly, by a kernel around each bin's middle, sums of "
        "exp(−(x − c)² / 2h²), for example."
    ),
    "argsort": (
        "Ranks have no gradient: take soft ranks, sums of sigmoid((x_i − x_j) / τ), or a loss of the sorted values "
        "themselves, which have one."
    ),
    "argmax": "Take a soft choice: the softmax's mean in place of argmax, or the loss of the logits itself.",
    "argmin": "Take a soft choice: the softmin's mean in place of argmin, or the loss of the distances itself.",
    "a comparison": "Take what has a slope in its place: a sigmoid of the distance to the limit, or relu of it.",
    "sign": "Take tanh in its place, or what it is the sign of.",
    "heaviside": "Take a sigmoid in its place, a steep one if need be.",
    "bernoulli": "Draw from a relaxed form (Gumbel-softmax, torch.distributions.RelaxedBernoulli), or use REINFORCE.",
    **dict.fromkeys(
        ("bucketize", "searchsorted"), "Take weights that fade from bin to bin in place of a bin's number."
    ),
    "a cast to whole numbers": f"{_ROUNDED} {INTERPOLATED}",
    **dict.fromkeys(("round", "floor", "ceil", "trunc"), _ROUNDED),
    **dict.fromkeys(("item", "float()", "int()", "tolist", "numpy", _REBUILT), _TENSOR),
}


_OWN = (
    "Look at the backward of {0}: it must multiply by the gradient that comes in, and by every factor of its forward, "
    "such as the 1/n of a mean; torch.autograd.gradcheck tells whether it does."
)
_COMPARING = dict.fromkeys(("gt", "lt", "ge", "le", "eq", "ne"), "a comparison")


@dataclass(frozen=True)
class Cuts:
    """The operations that cut a gradient, and the custom autograd functions, that a loss runs.

    Attributes:
        operations: The operations that cut a gradient, in words.
        own: The names of the custom autograd functions.
        constant: The call that takes a gradient inside the loss without a graph, "torch.autograd.grad" or "backward";
            "" for none.
        line: The line of the loss that calls the first of the operations, in words; "" if it is not known.
    """

    operations: tuple[str, ...] = ()
    own: tuple[str, ...] = field(default=())
    constant: str = ""
    line: str = ""

    @property
    def action(self) -> str:
        """What to do about them; "" if that is not known."""
        if self.constant:
            return f"Call {self.constant} with create_graph=True."
        if self.own:
            return _OWN.format(" and ".join(self.own))
        rebuilt = [name for name in self.operations if _CURES.get(name) == _TENSOR]
        return _TENSOR if rebuilt else ""

    @property
    def holds(self) -> bool:
        """Whether only values are detached, as a factor or a target may be on purpose."""
        held = (DETACHED, "detach", ".data")
        named = all(name in held or _CURES.get(name) == _TENSOR for name in self.operations)
        return bool(self.operations) and named and not (self.own or self.constant)

    @property
    def sentence(self) -> str:
        """What cuts the gradient, in words; "" if nothing does."""
        parts = [f"{name} has a backward of its own" for name in self.own]
        if self.constant:
            # It detaches its results itself, which is no further cut.
            parts.append(f"{self.constant} is called in it without create_graph=True, so what it gives is a constant")
        elif self.operations:
            cut = f"cut{'s' * (len(self.operations) == 1)}"
            parts.append(f"{' and '.join(self.operations)} on the way {cut} the gradient{self.line}")
        return "; ".join(parts)


def cuts_of(function: LossFunction, point: Tensor) -> Cuts:
    """Run the loss at one point, (P,), and find what cuts its gradient."""
    watch = _Cuts()
    try:
        function.run_at(point, function.dtype, watch)
    except Exception:
        return Cuts()
    own, constant = tuple(dict.fromkeys(watch.own_backwards)), watch.inner.constant
    return Cuts(tuple(dict.fromkeys(watch.named)), own, constant, watch.line)


def only_weighs(function: LossFunction, point: Tensor) -> bool:
    """Whether what is detached by name does nothing at a point, (P,), but multiply or divide what has a gradient.

    A weight, an advantage or a normaliser that is detached on purpose does just that.
    """
    watch = _Weighing()
    try:
        function.run_at(point, function.dtype, watch)
    except Exception:
        return False
    return watch.weighs and not watch.else_


def only_added(function: LossFunction, point: Tensor) -> str | None:
    """The line of what is detached, in words, where that is a term of the sum at a point, (P,); None where it is not.

    A term that is held counts for the loss, and for no part of its gradient: both are taken again with another value.
    """
    own, other = _Nudging(0.0), _Nudging(_NUDGE)
    try:
        for watch in (own, other):
            function.run_at(point, function.dtype, watch)
    except Exception:
        return None
    size = own.gradient.abs().max()
    alike = own.gradient.shape == other.gradient.shape and bool(
        ((own.gradient - other.gradient).abs() <= _ALIKE * size).all()
    )
    return own.line if other.nudged and alike and abs(own.loss - other.loss) > _ALIKE * abs(own.loss) else None


def cure_for(cutting: tuple[str, ...]) -> str:
    """What to do about operations that cut a gradient, in words; "" if that is not known for the first."""
    return _CURES.get(cutting[0], "") if cutting else ""


def cutting_along(function: LossFunction, point: Tensor, other: Tensor) -> dict[str, str]:
    """The operations without a gradient whose input differs at two points, (P,), each with its line in the loss."""
    logs = [_Inputs(), _Inputs()]
    try:
        for place, log in zip((point, other), logs, strict=True):
            function.run_at(place, function.dtype, log)
    except Exception:
        return {}
    here, there = (log.seen for log in logs)
    if [name for name, *_ in here] != [name for name, *_ in there]:
        return {}
    cutting: dict[str, str] = {}
    for (name, one, line), (_, two, _) in zip(here, there, strict=True):
        if not torch.equal(one, two):
            cutting.setdefault(name, line)
    return cutting


_Seen = tuple[str, Tensor, str]  # the operation's name, its input, its line in the loss in words


class _Detached(FunctionMode):
    """Notes what the loss detaches by name: autograd itself also detaches what it saves.

    Attributes:
        of_parameters: For each, whether its numbers depend on the parameters.
    """

    def __init__(self, seen: "list[_Seen]") -> None:
        super().__init__()
        self._seen = seen
        self.of_parameters: list[bool] = []
        self._values: list[Tensor] = []  # numbers that depend on the parameters, detached

    def __torch_function__(self, func: Any, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        result = func(*args, **(kwargs or {}))
        given, follows = floats_in(args), any(part.requires_grad for part in floats_in(args))
        if func in _DETACHING and args[0].is_floating_point():
            self._note(_DETACHING[func], given[:1])
        elif func is torch.tensor and given:
            self._note(_REBUILT, given)
        elif not torch.is_grad_enabled() and follows:
            self._note(_NO_GRAD, given)
        return result

    def _note(self, name: str, given: list[Tensor]) -> None:
        values = torch.cat([part.detach().double().flatten() for part in given])
        follows = any(part.requires_grad for part in given) or any(torch.equal(values, one) for one in self._values)
        self._values += [values] * follows
        self._seen.append((name, values, in_line()))
        self.of_parameters.append(follows)


_READING_DATA = Tensor.data.__get__  # type: ignore[attr-defined]  # read from the class, it is a descriptor
_DETACHING = {
    Tensor.detach: "detach", torch.detach: "detach", _READING_DATA: ".data", Tensor.item: "item",
    Tensor.__float__: "float()", Tensor.__int__: "int()", Tensor.tolist: "tolist", Tensor.numpy: "numpy",
    Tensor.argsort: "argsort", torch.argsort: "argsort", torch.bucketize: "bucketize",
    torch.searchsorted: "searchsorted", Tensor.long: "a cast to whole numbers", Tensor.int: "a cast to whole numbers",
}  # fmt: skip


_BY_NAME = (Tensor.detach, torch.detach, _READING_DATA)
_WEIGHING = frozenset(("mul", "rmul", "multiply", "div", "rdiv", "truediv", "rtruediv", "true_divide", "divide"))


class _Weighing(FunctionMode):
    """Follows what is detached by name to the operations that combine it with something that has a gradient.

    Attributes:
        weighs: Whether one of them multiplies or divides.
        else_: Whether one of them does anything else.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weighs = self.else_ = False
        self._held: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        result = func(*args, **(kwargs or {}))
        given = floats_in((args, kwargs))
        follows = any(part.requires_grad for part in given)
        held = any(part is one for part in given for one in self._held)
        cut = func in _BY_NAME or not torch.is_grad_enabled()
        if (cut and follows) or (held and not follows):
            self._held += floats_in(result)
        elif held and getattr(func, "__name__", "").strip("_") in _WEIGHING:
            self.weighs = True
        elif held:
            self.else_ = True
        return result

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Skip the backward pass: detaching happens in the forward pass."""


_NUDGE, _ALIKE = 0.03, 1e-6  # of a value that is held; of a gradient, or a loss


class _Nudging(FunctionMode):
    """Runs a loss with what is detached by name a little larger, and notes its value and its gradient.

    Args:
        by: By which part of itself.

    Attributes:
        nudged: Whether there is such a thing.
        line: The line of the first, in words.
        loss: The loss.
        gradient: Its gradient, (P,).
    """

    def __init__(self, by: float) -> None:
        super().__init__()
        self.nudged, self.line, self.loss, self.gradient = False, "", 0.0, torch.zeros(0)
        self._by = by

    def __torch_function__(self, func: Any, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        result = func(*args, **(kwargs or {}))
        follows = any(part.requires_grad for part in floats_in((args, kwargs)))
        cut = func in _BY_NAME or not torch.is_grad_enabled()
        if not (cut and follows and isinstance(result, Tensor) and result.is_floating_point()):
            return result
        self.line = self.line or in_line()
        self.nudged = True
        return result * (1 + self._by)

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Take value and gradient."""
        found = torch.autograd.grad(value, leaves, allow_unused=True)
        self.loss = float(value.detach())
        self.gradient = torch.stack([torch.zeros(()) if one is None else one.double().sum() for one in found])


class _Inputs(Watching):
    """Notes the inputs of operations that have no useful gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[_Seen] = []
        self._inner = _Detached(self.seen)

    def __enter__(self) -> "_Inputs":
        self._inner.__enter__()
        return super().__enter__()

    def __exit__(self, *raised: object) -> None:
        super().__exit__(*raised)
        self._inner.__exit__(*raised)

    def run(self, name: str, func: Op, args: Args, kwargs: Kwargs) -> object:
        said = "" if name == "detach" else (_CUTTING | _COMPARING).get(name)
        given = [part for part in args if isinstance(part, Tensor) and part.is_floating_point()]
        if said and given and not self.node:
            self.seen.append((said, torch.cat([part.detach().flatten() for part in given]), in_line()))
        return func(*args, **kwargs)

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Skip the backward pass: what is cut shows in the forward pass."""


class _InnerGradients(FunctionMode):
    """Notes gradients that the loss computes itself and that cannot be differentiated again."""

    def __init__(self) -> None:
        super().__init__()
        self.constant = ""

    def __torch_function__(self, func: Any, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        kwargs = kwargs or {}
        if func in _GRADIENTS and not kwargs.get("create_graph"):
            self.constant = _GRADIENTS[func]
        return func(*args, **kwargs)


_GRADIENTS = {torch.autograd.grad: "torch.autograd.grad", Tensor.backward: "backward"}


class _Cuts(Watching):
    def __init__(self) -> None:
        super().__init__()
        self.operations: list[str] = []
        self.own_backwards: list[str] = []
        self.inner = _InnerGradients()
        self._taken: list[_Seen] = []
        self._lines: list[str] = []
        self._by_name = _Detached(self._taken)

    @property
    def named(self) -> list[str]:
        """What cuts, under the name in the loss's code: item() and the like detach inside torch, too."""
        taken = list(zip(self._taken, self._by_name.of_parameters, strict=True))
        written = [name for (name, *_), of_parameters in taken if of_parameters and _CURES.get(name) == _TENSOR]
        by_name = any(name == "detach" and follows for (name, *_), follows in taken)
        # torch also detaches what the forward of a custom autograd function saves.
        if written or (self.own_backwards and not by_name):
            return [*written, *(name for name in self.operations if name != DETACHED)]
        without = any(name in (_NO_GRAD, ".data") for name, *_ in self._taken) and not self.own_backwards
        return [*self.operations, *[DETACHED] * without]

    @property
    def line(self) -> str:
        """The line of the first of `named`; "" if it is not known."""
        of_parameters = zip(self._taken, self._by_name.of_parameters, strict=True)
        lines = {name: line for (name, _, line), follows in reversed(list(of_parameters)) if follows}
        first = next(iter(self.named), "")
        if first == DETACHED:
            return next((lines[name] for name in ("detach", ".data", _NO_GRAD) if name in lines), "")
        return lines.get(first) or next(
            (line for name, line in zip(self.operations, self._lines, strict=True) if name == first), ""
        )

    def __enter__(self) -> "_Cuts":
        self.inner.__enter__()
        self._by_name.__enter__()
        return super().__enter__()

    def __exit__(self, *raised: object) -> None:
        super().__exit__(*raised)
        self._by_name.__exit__(*raised)
        self.inner.__exit__(*raised)

    def run(self, name: str, func: Op, args: Args, kwargs: Kwargs) -> object:
        if not self.node and name in _CUTTING:
            self.operations.append(_CUTTING[name])
            self._lines.append(in_line())
        return func(*args, **kwargs)

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Look at the graph; no backward pass is needed."""
        self.own_backwards += [name_of(node) for node in nodes_of(value) if is_own(node)]
