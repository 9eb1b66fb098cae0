"""Custom autograd functions whose backward differs from the slope of their forward by finite differences.

A backward may differ on purpose: straight through a step, reversed, scaled, clipped, or by a surrogate. So nothing is
reported if the forward has no slope, if the backward is not linear in the gradient, or if the function is random; for
a linear forward, as of a gradient reversal, there is only an info.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.graph import Node

from gradwidgets.core.layers.passes.passes import FlowError, Subject
from gradwidgets.core.layers.preflight.reading import left_out
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number
from gradwidgets.core.subject.home import abroad

OWN = "custom backward"
_STEP = 1e-5
_MOST = 1 << 18  # the most numbers in all inputs of a function
_OFF, _NONE = 1e-2, 1e-9  # relative difference from which slopes differ, and relative size up to which one counts as 0
_SHARE, _FEWEST = 0.25, 4  # share of slopes that have to differ, and the fewest slopes that are compared
_FLAT = 0.9  # share of the output that has to stay the same for a function to be flat
_DIRECTIONS = 3
_ACTION = (
    "Compare by torch.autograd.gradcheck on a few numbers in float64. Nothing, if the backward is meant to be another, "
    "as a surrogate's is."
)
_MEANT = "Nothing, if that is intended, as where a gradient is reversed or scaled; else torch.autograd.gradcheck."
Given = tuple[Any, ...]  # the arguments of a function
Apply = Callable[[Sequence[object]], Tensor]


class Pair(NamedTuple):
    """The slope of a function by one of its inputs, measured in two ways.

    Attributes:
        forward: The slope by a finite difference.
        backward: The slope that its backward returns.
        is_linear: Whether the function's slope is the same everywhere.
    """

    forward: float
    backward: float
    is_linear: bool


def own_functions(nodes: Iterable[Node]) -> list[type[Function]]:
    """Return the classes of the custom autograd functions among operations, each once."""
    own = (node for node in nodes if isinstance(node, torch.autograd.function.BackwardCFunction))
    made: dict[Any, None] = dict.fromkeys(type(node) for node in own)  # torch does not declare _forward_cls
    kinds: list[type[Function]] = [kind._forward_cls for kind in made]
    return [kind for kind in kinds if not kind.__module__.startswith("torch.")]


def own_backwards(subject: Subject, kinds: Sequence[type[Function]]) -> list[Finding]:
    """Compare the backwards of custom functions with finite differences.

    Args:
        subject: A copy of the model; it runs forward, and then each function runs by itself in float64.
        kinds: The functions' classes.
    """
    given: dict[type[Function], Given] = {}
    with contextlib.ExitStack() as stack, contextlib.suppress(FlowError):
        for kind in kinds:
            stack.enter_context(_watched(kind, given))
        with torch.enable_grad():
            subject.loss()
    return [one for kind in given for one in left_out(_compared)(kind, given[kind])]


@contextlib.contextmanager
def _watched(kind: type[Function], given: dict[type[Function], Given]) -> Iterator[None]:
    """Record the arguments of a function's first call inside, in place of its forward, which `apply` calls."""
    own, forward = vars(kind).get("forward"), kind.forward

    def seen(*arguments: object) -> object:
        ctx = isinstance(arguments[0], torch.autograd.function.FunctionCtx) if arguments else False
        if kind not in given:
            given[kind] = tuple(_kept(one) for one in arguments[ctx:])
        return forward(*arguments)

    function: Any = kind  # methods of a class are not meant to be replaced
    function.forward = staticmethod(seen)
    try:
        yield
    finally:
        if own is None:
            del function.forward
        else:
            function.forward = own


def _kept(one: object) -> object:
    if not isinstance(one, Tensor):
        return one
    real = one.is_floating_point()
    return one.detach().to(torch.float64 if real else one.dtype, copy=True).requires_grad_(real and one.requires_grad)


def _compared(kind: type[Function], given: Given) -> list[Finding]:
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
    if any(_is_straight_through(apply, given, k) for k in places):
        return []
    pairs = [(k, pair) for k in places if (pair := _pair(apply, given, k)) is not None]
    grave = [(k, pair) for k, pair in pairs if not pair.is_linear]
    return [_told(kind, k, pair, len(places)) for k, pair in (grave or pairs)[:1]]


def _is_straight_through(apply: Apply, given: Given, place: int) -> bool:
    """Whether the function is flat in an input for which its backward returns a slope, as a straight-through step."""
    draw = torch.Generator().manual_seed(1)
    x = given[place].detach()
    way = torch.randn(x.shape, generator=draw, dtype=x.dtype).to(x.device)
    flat = float((_slopes(apply, given, place, way) == 0).double().mean())
    if flat < _FLAT:
        return False
    said = _backward(apply, given, place, torch.ones_like(apply(given).detach()))
    return said is None or bool(said.any())


def _pair(apply: Apply, given: Given, place: int) -> Pair | None:
    """Return two slopes by one input that differ; None if they agree, or cannot be compared."""
    y = apply(given).detach()
    if y.dtype is not torch.float64 or not torch.equal(y, apply(given).detach()):
        return None
    x = given[place].detach()
    if y.shape == x.shape and _is_elementwise(apply, given, place, y):
        return _by_element(apply, given, place)
    return _by_direction(apply, given, place)


def _moved(given: Given, place: int, by: Tensor) -> list[object]:
    """Return the arguments with one of them moved."""
    one = given[place]
    moved = (one.detach() + by).requires_grad_()
    return [*given[:place], moved, *given[place + 1 :]]


def _slopes(apply: Apply, given: Given, place: int, way: Tensor, step: float = _STEP) -> Tensor:
    """Return the output's slope along a direction of one input, by a finite difference."""
    ahead, back = (apply(_moved(given, place, sign * step * way)).detach() for sign in (1, -1))
    return (ahead - back) / (2 * step)


def _backward(apply: Apply, given: Given, place: int, weights: Tensor) -> Tensor | None:
    """Return the backward's result for a gradient; None if it is not linear in it, as with clipping."""
    found = []
    for factor in (1.0, -2.0):
        y = apply(given)
        with torch.enable_grad(), abroad():
            (one,) = torch.autograd.grad((y * (factor * weights)).sum(), [given[place]], allow_unused=True)
        if one is None:
            return None
        found.append(one / factor)
    return found[0] if torch.allclose(found[0], found[1], rtol=1e-6, atol=1e-12) else None


def _is_elementwise(apply: Apply, given: Given, place: int, y: Tensor) -> bool:
    """Whether every element of the output depends on the same element of the input only."""
    half = torch.zeros_like(y).reshape(-1)
    half[::2] = 1
    half = half.reshape(y.shape)
    alone, both = (_slopes(apply, given, place, way) for way in (half, torch.ones_like(y)))
    return torch.allclose(alone, half * both, rtol=1e-6, atol=1e-8)


def _by_element(apply: Apply, given: Given, place: int) -> Pair | None:
    """Compare the slopes of all elements, and return the pair that differs most; None if few differ."""
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


def _by_direction(apply: Apply, given: Given, place: int) -> Pair | None:
    """Compare slopes along random directions, and return the first pair if all differ; otherwise None."""
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


def _told(kind: type[Function], place: int, pair: Pair, inputs: int) -> Finding:
    by = f" by its input {place + 1}" if inputs > 1 else ""
    message = (
        f"the backward of {kind.__name__} is not the slope of its forward{by}: in one direction a finite difference in "
        f"float64 gives {number(pair.forward, 3)}, and the backward {number(pair.backward, 3)}"
    )
    evidence = {"function": kind.__name__, "input": place, "forward": pair.forward, "backward": pair.backward}
    evidence |= {"threshold": _OFF}
    if pair.is_linear:
        return Finding(OWN, "info", message, evidence, action=_MEANT)
    return Finding(OWN, "warning", message, evidence, action=_ACTION)
