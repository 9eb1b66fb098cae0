"""Operations with the wrong input: probabilities for logarithms or logits, or normalised over the samples."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.operations.watching import Args, Kwargs, Op
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.surfaces.patterns.data.one_item import one_item
from gradwidgets.core.surfaces.patterns.data.taken_for_places import whole_numbers
from gradwidgets.core.surfaces.patterns.look import Look
from gradwidgets.core.surfaces.patterns.targets import wrong_target

_POINTS = 3  # points of the view at all of which an input must be wrong
_SUM = 1e-5  # how far from 1 the sum of probabilities may be, in float32
_KEEPS = frozenset(("unsqueeze", "squeeze", "getitem", "reshape", "view", "flatten", "expand", "clone", "contiguous"))
_TAKING_LOGS = frozenset(("kl_div", "nll_loss"))
_SOFTMAXES = frozenset(("softmax", "log_softmax", "cross_entropy"))
_SIGMOIDS = frozenset(("sigmoid", "logsigmoid", "binary_cross_entropy_with_logits"))
_MAKES_SHARES = ("softmax", "log_softmax")
_TAKING_ONE = frozenset(("nll_loss", "cross_entropy", "kl_div", "gather", "getitem"))  # which pick one for each sample
_CLASSES = "Take the {0} along the classes, dim={1}: each sample's shares must sum up to 1."
_LOGS = "Give it logarithms: log_softmax(…) in place of softmax(…), or log() of the shares."
_RATES = frozenset(("exp", "softplus"))
_RATE = "Take log_input=False, or give it the logarithm of the rate, without {0} before it."
_LOGITS = "Give it the logits: leave out the {0} before it."


@dataclass(frozen=True)
class _Given:
    """An operation, and the wrong input that it was given.

    Attributes:
        operation: torch's name for it.
        of: "logs" if it takes logarithms, "rates" if it takes logarithms of rates, "samples" if probabilities sum up
            to 1 over the samples; else the operation before it, "softmax" or "sigmoid".
        shares: Whether the input is probabilities, which sum up to 1.
        largest: The largest number of the input.
        made: The operation that made the input, for "samples" and "rates".
    """

    operation: str
    of: str
    shares: bool
    largest: float
    made: str = ""


class _Inputs(FunctionMode):
    """Notes operations that are given probabilities for logarithms or logits, or normalised over the samples."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[_Given] = []
        self._kept: list[object] = []
        self._made: dict[int, tuple[str, int | None]] = {}  # id of a tensor → its operation and axis, below 0

    def __torch_function__(self, func: Op, types: object, args: Args = (), kwargs: Kwargs | None = None) -> object:
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "").strip("_")
        given = args[0] if args else (kwargs or {}).get("input")
        if isinstance(given, Tensor) and isinstance(result, Tensor):
            self._kept.append((given, result))
            self._look_at(name, given, args, kwargs or {})
            self._remember(name, args, kwargs or {}, given, result)
        return result

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Skip the backward pass: inputs show in the forward pass."""

    def _look_at(self, name: str, given: Tensor, args: Args, kwargs: Kwargs) -> None:
        if not given.requires_grad or not given.numel():
            return
        made, axis = self._made.get(id(given), ("", 0))
        shares, largest = _are_probabilities(given, _classes(name, given)), float(given.detach().max())
        if name in _TAKING_ONE and made in _MAKES_SHARES and _is_over_samples(name, given, axis, args[1:], kwargs):
            self.found.append(_Given(name, "samples", False, 0.0, made))
        elif name in _TAKING_LOGS and (
            shares or (name == "kl_div" and largest > _SUM and not kwargs.get("log_target"))
        ):
            self.found.append(_Given(name, "logs", shares, largest))
        elif (name in _SOFTMAXES and made == "softmax" and axis == _axis(name, given, kwargs, args[1:])) or (
            name == "cross_entropy" and shares
        ):
            self.found.append(_Given(name, "softmax", shares, largest))
        elif name == "poisson_nll_loss" and made in _RATES and kwargs.get("log_input", (*args[2:3], True)[0]):
            self.found.append(_Given(name, "rates", False, largest, made))
        elif name in _SIGMOIDS and made == "sigmoid":
            self.found.append(_Given(name, "sigmoid", False, largest))

    def _remember(self, name: str, args: Args, kwargs: Kwargs, given: Tensor, result: Tensor) -> None:
        if name in _MAKES_SHARES:
            self._made[id(result)] = name, _axis(name, given, kwargs, args[1:])
        elif name == "sigmoid" or name in _RATES:
            self._made[id(result)] = name, 0
        elif (name == "log" and id(given) in self._made) or (
            name in _KEEPS and id(given) in self._made and _same_last_axis(given, result)
        ):
            self._made[id(result)] = self._made[id(given)]


def _is_over_samples(name: str, given: Tensor, axis: int | None, rest: Args, kwargs: Kwargs) -> bool:
    """Whether probabilities, (B, C), sum up to 1 over B though one of C is picked per sample, and not its own index."""
    if given.ndim != 2 or axis != -2:
        return False
    if name == "kl_div":
        target = kwargs.get("target", rest[0] if rest else None)
        return isinstance(target, Tensor) and given.shape == target.shape and _are_probabilities(target, -1)
    if name == "getitem":
        index = rest[0] if rest and isinstance(rest[0], tuple) else ()
        places = [one for one in index if isinstance(one, Tensor) and one.ndim == 1 and not one.is_floating_point()]
        return (
            len(places) == 2 == len(index) and _is_count(places[0], len(given)) and not _is_count(places[1], len(given))
        )
    if name == "gather" and kwargs.get("dim", rest[0] if rest else None) not in (1, -1):
        return False
    labels = kwargs.get("index", rest[-1]) if name == "gather" else kwargs.get("target", rest[0] if rest else None)
    # With pairs, as in CLIP, the class of a sample is its own index, and both directions are meant.
    return isinstance(labels, Tensor) and labels.numel() == len(given) and not _is_count(labels.flatten(), len(given))


def _is_count(places: Tensor, count: int) -> bool:
    """Whether these are 0, 1, …, count − 1."""
    return len(places) == count and bool((places == torch.arange(count, device=places.device)).all())


def _same_last_axis(given: Tensor, result: Tensor) -> bool:
    """Whether two tensors have last axes of the same length, or one has no axis."""
    return not given.ndim or not result.ndim or given.shape[-1] == result.shape[-1]


def _classes(name: str, given: Tensor) -> int:
    """The axis of the classes, below 0."""
    return -1 if name == "kl_div" or given.ndim < 2 else 1 - given.ndim


def _axis(name: str, given: Tensor, kwargs: Kwargs, rest: Args = ()) -> int | None:
    """The axis along which a softmax goes, below 0; None if it is not given."""
    if name == "cross_entropy":
        return _classes(name, given)
    axis = kwargs.get("dim", rest[0] if rest else None)
    return axis if axis is None or axis < 0 else axis - given.ndim


def _are_probabilities(given: Tensor, axis: int) -> bool:
    """Whether the numbers along an axis are probabilities: none is below 0, and they sum up to 1."""
    values = given.detach().double()
    if not values.ndim or values.shape[axis] < 2 or not bool((values >= 0).all()):
        return False
    return bool(((values.sum(axis) - 1).abs() < _SUM).all())


def wrong_input(look: Look) -> Finding | None:
    """An operation is given probabilities for logarithms or logits, or targets that it does not support."""
    if not look.known or not bool(look.lattice.finite.any()):
        return None
    points = look.lattice.points[look.lattice.finite]
    chosen = torch.linspace(0.2, 0.8, _POINTS).mul(len(points)).long()
    found: list[list[_Given]] = []
    for point in points[chosen]:
        watch = _Inputs()
        try:
            look.own.run_at(point, look.own.dtype, watch)
        except Exception:
            return None
        found.append(watch.found)
    always = [one for one in found[0] if all(any(_are_alike(one, other) for other in rest) for rest in found)]
    # The logarithm of a probability is never above 0.
    always += [one for rest in found for one in rest if one.of == "logs" and not one.shares]
    if always:
        return _finding(always[0])
    return wrong_target(look) or whole_numbers(look) or one_item(look)


class _OverSamples(FunctionMode):
    """Notes the first softmax, log_softmax or logsumexp of a matrix that goes along dim 0."""

    def __init__(self) -> None:
        super().__init__()
        self.found = ""

    def __torch_function__(self, func: Op, types: object, args: Args = (), kwargs: Kwargs | None = None) -> object:
        name, given = getattr(func, "__name__", ""), args[0] if args else None
        if name in _NORMALISING and isinstance(given, Tensor) and given.ndim == 2 and given.requires_grad:
            self.found = self.found or name * (_axis(name, given, kwargs or {}, args[1:]) == -given.ndim)
        return func(*args, **(kwargs or {}))

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Skip the backward pass: inputs show in the forward pass."""


def over_samples(look: Look) -> str:
    """The action for a loss that does not depend on a parameter, if a softmax goes along the samples; else ""."""
    watch = _OverSamples()
    return _ALONG_SAMPLES.format(watch.found) if look.ran_in(watch) and watch.found else ""


_NORMALISING = ("softmax", "log_softmax", "logsumexp")
_ALONG_SAMPLES = (
    "The {0} in it goes along dim 0: what is added to all rows alike cancels in it. If the rows are samples, and their "
    "classes are meant, take dim=1; if it is meant, it is a flat direction, which stays about where it begins."
)
_TAKES = {"getitem": "an index"}


def _are_alike(one: _Given, other: _Given) -> bool:
    return (one.operation, one.of, one.shares) == (other.operation, other.of, other.shares)


def _finding(given: _Given) -> Finding:
    if given.of == "logs":
        what = "shares, which sum up to 1" if given.shares else f"numbers up to {number(given.largest)}"
        message = f"{given.operation} takes logarithms of shares, which are 0 or less, and is given {what}"
        action = _LOGS
    elif given.of == "rates":
        message = f"{given.operation} takes the rate's logarithm (log_input=True), and is given what {given.made} makes"
        action = _RATE.format(given.made)
    elif given.of == "samples":
        message = (
            f"the {given.made} goes along the samples, dim 0, and {_TAKES.get(given.operation, given.operation)} takes "
            "one of the classes, along dim 1: what must sum up to 1 is each sample's, not each class's"
        )
        action = _CLASSES.format(given.made, 1)
    else:
        itself = "" if given.operation == given.of else f", and makes the {given.of} itself"
        message = f"{given.operation} takes logits{itself}, and is given the shares of a {given.of}: {given.of} twice"
        action = _LOGITS.format(given.of)
    return Finding(
        "wrong_input", "warning", message, {"operation": given.operation, "largest": given.largest}, None, action
    )
