"""Functions whose backward somebody wrote, and which is not the slope of their forward by a finite difference.

A backward may be another on purpose: straight through a step, reversed, scaled, clipped, by a surrogate. So nothing is
said where the forward has no slope, where the backward does other than multiply what comes back, or of what is random;
and where the forward is linear, as for a reversal, there is a note.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.passes.passes import FlowError, Subject
from gradwidgets.core.layers.preflight.reading import left_out
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number
from gradwidgets.core.subject.home import abroad

OWN = "custom backward"
_STEP = 1e-5
_MOST = 1 << 18  # numbers that a function is given, in all
_OFF, _NONE = 1e-2, 1e-9  # by which two slopes differ, and up to which one is 0, as shares of the larger
_SHARE, _FEWEST = 0.25, 4  # of slopes, that are off; and how many there are at least
_FLAT = 0.9  # of the output, that does not move
_DIRECTIONS = 3
_ACTION = (
    "Compare by torch.autograd.gradcheck on a few numbers in float64. Nothing, if the backward is meant to be another, "
    "as a surrogate's is."
)
_MEANT = "Nothing, if it is meant so, as where a gradient is reversed or scaled; else torch.autograd.gradcheck."
Apply = Callable[[Sequence[object]], Tensor]


class Pair(NamedTuple):
    """Two slopes of a function by one of its inputs.

    Attributes:
        forward: By a finite difference.
        backward: As its backward says.
        is_linear: Whether its slope is the same everywhere.
    """

    forward: float
    backward: float
    is_linear: bool


def own_functions(nodes: Iterable[Node]) -> list[type]:
    """The classes of somebody's own functions among operations, each once."""
    kinds = (type(node) for node in nodes if isinstance(node, torch.autograd.function.BackwardCFunction))
    kinds = (kind._forward_cls for kind in dict.fromkeys(kinds))
    return [kind for kind in kinds if not kind.__module__.startswith("torch.")]


def own_backwards(subject: Subject, kinds: Sequence[type]) -> list[Finding]:
    """What to say of functions with a backward of their own.

    Args:
        subject: A copy that may run: it does, forward, and then each function by itself, in float64.
        kinds: The functions' classes.
    """
    given: dict[type, tuple] = {}
    with contextlib.ExitStack() as stack, contextlib.suppress(FlowError):
        for kind in kinds:
            stack.enter_context(_watched(kind, given))
        with torch.enable_grad():
            subject.loss()
    return [one for kind in given for one in left_out(_compared)(kind, given[kind])]


@contextlib.contextmanager
def _watched(kind: type, given: dict[type, tuple]) -> Iterator[None]:
    """Inside, what a function is given at first is kept: it is the class that apply asks for its forward."""
    own, forward = vars(kind).get("forward"), kind.forward

    def seen(*arguments: object) -> object:
        ctx = isinstance(arguments[0], torch.autograd.function.FunctionCtx) if arguments else False
        if kind not in given:
            given[kind] = tuple(_kept(one) for one in arguments[ctx:])
        return forward(*arguments)

    kind.forward = staticmethod(seen)
    try:
        yield
    finally:
        if own is None:
            del kind.forward
        else:
            kind.forward = own


def _kept(one: object) -> object:
    if not isinstance(one, Tensor):
        return one
    real = one.is_floating_point()
    return one.detach().to(torch.float64 if real else one.dtype, copy=True).requires_grad_(real and one.requires_grad)


def _compared(kind: type, given: tuple) -> list[Finding]:
    tensors = [one for one in given if isinstance(one, Tensor)]
    if sum(one.numel() for one in tensors) > _MOST:
        return []

    def apply(arguments: Sequence[object]) -> Tensor:
        with torch.enable_grad(), torch.random.fork_rng(devices=[]), abroad():
            torch.manual_seed(0)
            result = kind.apply(*arguments)
        some = result if isinstance(result, tuple) else (result,)
        return next(one for one in some if isinstance(one, Tensor) and one.requires_grad)

    places = [k for k, one in enumerate(given) if isinstance(one, Tensor) and one.requires_grad]
    if any(_goes_through(apply, given, k) for k in places):
        return []
    pairs = [(k, pair) for k in places if (pair := _pair(apply, given, k)) is not None]
    grave = [(k, pair) for k, pair in pairs if not pair.is_linear]
    return [_told(kind, k, pair, len(places)) for k, pair in (grave or pairs)[:1]]


def _goes_through(apply: Apply, given: tuple, place: int) -> bool:
    """Whether it is flat in an input for which its backward gives something, as what goes straight through a step."""
    draw = torch.Generator().manual_seed(1)
    x = given[place].detach()
    way = torch.randn(x.shape, generator=draw, dtype=x.dtype).to(x.device)
    flat = float((_slopes(apply, given, place, way) == 0).double().mean())
    if flat < _FLAT:
        return False
    said = _backward(apply, given, place, torch.ones_like(apply(given).detach()))
    return said is None or bool(said.any())


def _pair(apply: Apply, given: tuple, place: int) -> Pair | None:
    """Two slopes that differ, by one input; None where they do not, or nothing is to be said."""
    y = apply(given).detach()
    if y.dtype is not torch.float64 or not torch.equal(y, apply(given).detach()):
        return None
    x = given[place].detach()
    if y.shape == x.shape and _is_elementwise(apply, given, place, y):
        return _by_element(apply, given, place)
    return _by_direction(apply, given, place)


def _moved(given: tuple, place: int, by: Tensor) -> list[object]:
    """The same with one input moved."""
    one = given[place]
    moved = (one.detach() + by).requires_grad_()
    return [*given[:place], moved, *given[place + 1 :]]


def _slopes(apply: Apply, given: tuple, place: int, way: Tensor, step: float = _STEP) -> Tensor:
    """The output's change along a way, by a finite difference."""
    ahead, back = (apply(_moved(given, place, sign * step * way)).detach() for sign in (1, -1))
    return (ahead - back) / (2 * step)


def _backward(apply: Apply, given: tuple, place: int, weights: Tensor) -> Tensor | None:
    """What the backward makes of a gradient; None where it does not multiply it, as one that clips."""
    found = []
    for factor in (1.0, -2.0):
        y = apply(given)
        with torch.enable_grad(), abroad():
            (one,) = torch.autograd.grad((y * (factor * weights)).sum(), [given[place]], allow_unused=True)
        if one is None:
            return None
        found.append(one / factor)
    return found[0] if torch.allclose(*found, rtol=1e-6, atol=1e-12) else None


def _is_elementwise(apply: Apply, given: tuple, place: int, y: Tensor) -> bool:
    """Whether every number of the output is made of the one at its place."""
    half = torch.zeros_like(y).reshape(-1)
    half[::2] = 1
    half = half.reshape(y.shape)
    alone, both = (_slopes(apply, given, place, way) for way in (half, torch.ones_like(y)))
    return torch.allclose(alone, half * both, rtol=1e-6, atol=1e-8)


def _by_element(apply: Apply, given: tuple, place: int) -> Pair | None:
    ones = torch.ones_like(given[place].detach())
    said = _backward(apply, given, place, ones)
    if said is None:
        return None
    near, far = (_slopes(apply, given, place, ones, step) for step in (_STEP, 10 * _STEP))
    sharp = (near - far).abs() > 1e-3 * (near.abs() + far.abs())  # a kink, or rounding, is between
    told = ~sharp & (near.abs() > _NONE * near.abs().max()) & (said.abs() > _NONE * said.abs().max())
    slopes, said = near[told], said[told]
    wrong = (slopes - said).abs() > _OFF * torch.maximum(slopes.abs(), said.abs())
    if len(slopes) < _FEWEST or float(wrong.double().mean()) < _SHARE:
        return None
    is_linear = float(slopes.max() - slopes.min()) < 1e-4 * float(slopes.abs().max())
    worst = int(((slopes - said).abs() * wrong).argmax())
    return Pair(float(slopes[worst]), float(said[worst]), is_linear)


def _by_direction(apply: Apply, given: tuple, place: int) -> Pair | None:
    x, y = given[place].detach(), apply(given).detach()
    draw = torch.Generator().manual_seed(0)
    found = []
    for _ in range(_DIRECTIONS):
        way, weights = (torch.randn(one.shape, generator=draw, dtype=one.dtype).to(one.device) for one in (x, y))
        said = _backward(apply, given, place, weights)
        near, far = ((_slopes(apply, given, place, way, step) * weights).sum() for step in (_STEP, 10 * _STEP))
        if said is None or abs(near - far) > 1e-3 * abs(near):
            return None
        found.append((float(near), float((said * way).sum())))
    if not all(abs(a - b) > 2 * _OFF * max(abs(a), abs(b)) and min(abs(a), abs(b)) > _NONE for a, b in found):
        return None
    ahead, back = (apply(_moved(given, place, sign * way)).detach() for sign in (1, -1))
    is_linear = torch.allclose(ahead + back, 2 * y, rtol=1e-6, atol=1e-9)
    return Pair(*found[0], is_linear)


def _told(kind: type, place: int, pair: Pair, inputs: int) -> Finding:
    by = f" by its input {place + 1}" if inputs > 1 else ""
    message = (
        f"the backward of {kind.__name__} is not the slope of its forward{by}: in one direction a finite difference in "
        f"float64 gives {number(pair.forward, 3)}, and the backward {number(pair.backward, 3)}"
    )
    evidence = {"function": kind.__name__, "input": place, "forward": pair.forward, "backward": pair.backward}
    severity, action = ("info", _MEANT) if pair.is_linear else ("warning", _ACTION)
    return Finding(OWN, severity, message, evidence | {"threshold": _OFF}, action=action)
