"""Random draws that cut their parameters off from the data: `sample` where `rsample` was meant.

No gradient passes a draw. Its parameters may still be trained: by the log-probability of the draw times its reward, by
the likelihood of data, or straight through. If they are not, they get a gradient only from terms that do not depend on
data, such as a divergence from a prior or an entropy; this is followed through all functions of a pass.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn.modules.dropout import _DropoutNd
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.causes.mentioned import mentions
from gradwidgets.core.layers.causes.routes import Routes, Step
from gradwidgets.core.layers.passes.passes import FlowError, Subject
from gradwidgets.core.layers.recurrent.drawn_states import FROM_NOTHING, DrawnStates
from gradwidgets.core.operations.watching import Args, Kwargs, Op
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.result import Result
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.subject.user_code import place_of_call

# Functions that draw random numbers by the parameters that they are given.
DRAWS = ("normal", "bernoulli", "multinomial", "poisson", "binomial")
# Functions that may drop.
DROPS = (
    "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout",
    "scaled_dot_product_attention",
)  # fmt: skip
_OF_CLASSES = ("bernoulli", "multinomial", "poisson", "binomial")
_MENTIONS = frozenset((*DRAWS, "sample", "sample_n", "bernoulli_"))


@dataclass(frozen=True, eq=False, repr=False)
class Drawn(Result):
    """A draw that cuts off the layers that compute its parameters.

    Attributes:
        operation: "sample", or torch's name of the function.
        place: File and line.
        layers: The layers that compute its parameters.
        discrete: Whether it draws whole numbers, for which there is no `rsample`.
        reached: Whether these layers get a gradient from other terms of the loss.
    """

    operation: str
    place: str
    layers: tuple[str, ...]
    discrete: bool
    reached: bool


class Draws(NamedTuple):
    """The random draws of a pass.

    Attributes:
        cutting: The first that cuts off its parameters, or None.
        drops: Whether a function of dropout is called.
        states: What to say of recurrent layers that begin at random numbers, in training mode.
    """

    cutting: Drawn | None = None
    drops: bool = False
    states: tuple[Finding, ...] = ()


def drawn_in(subject: Subject) -> Draws:
    """Run the model and its loss forward once more, and return what they draw.

    Args:
        subject: A copy of the model, which runs.
    """
    seen = _Seen(subject.model)
    try:
        with seen:
            loss = subject.loss()
    except FlowError:
        return Draws()
    drops, states = any(one.name in DROPS for one in seen.steps), seen.states.told() if seen.states else ()
    return Draws(_cutting(seen, loss), drops, tuple(states))


def _cutting(seen: "_Seen", loss: Tensor) -> Drawn | None:
    routes = Routes(seen.steps, seen.constant)
    for draw in seen.draws:
        told = routes.told(draw.step, draw.sources, loss)
        if told is not None:
            layers = tuple(dict.fromkeys(seen.names[one] for one in told.parameters if one in seen.names))
            return Drawn(draw.operation, draw.place, layers, draw.discrete, told.reached)
    return None


def random_state() -> list[Tensor]:
    """Return the states of torch's random generators."""
    found = [torch.get_rng_state()]
    return found + torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else found


def drops(model: nn.Module) -> bool:
    """Whether a layer of a model draws random numbers by itself: a dropout, or a layer with one inside."""
    return any(one.training and draws_itself(one) for one in model.modules())


def draws_itself(module: nn.Module) -> bool:
    """Whether a layer is a dropout, or has one inside."""
    share = module.p if isinstance(module, _DropoutNd) else getattr(module, "dropout", 0.0)
    return isinstance(share, float) and share > 0


def may_draw(model: nn.Module, loss_fn: Callable[..., object]) -> bool:
    """Whether the code of a model or its loss contains the name of a draw; needed only if dropout draws as well."""
    if mentions(model, loss_fn, _MENTIONS):
        return True
    # What is drawn in place is too often a draw of weights, in a method that no pass calls.
    return _recurs(model) and mentions(model, None, FROM_NOTHING - {"normal_", "uniform_"}, ("__init__",))


def _recurs(model: nn.Module) -> bool:
    return any(isinstance(one, (nn.RNNBase, nn.RNNCellBase)) for one in model.modules())


@dataclass(eq=False)
class _Draw:
    """A draw in a pass: see `Drawn`, with the call, the tensors that it is drawn from, and the frame of `sample`."""

    operation: str
    place: str
    discrete: bool
    step: Step
    sources: list[Tensor]
    frame: FrameType | None


class _Seen(FunctionMode):
    """Records all calls of a pass, and among them the draws whose parameters require a gradient."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self.draws: list[_Draw] = []
        named = list(model.named_parameters())
        self.names = {id(one): name.rpartition(".")[0] or name for name, one in named}
        self.constant = {id(one) for one in (*model.buffers(), *(one for _, one in named), *_held(model))}
        self.states = DrawnStates(self.names) if model.training and _recurs(model) else None
        self._stems: dict[int, list[Tensor]] = {}  # by the id of a tensor without a gradient: its inputs with one

    def __torch_function__(self, func: Op, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        """Inspect a call, and make it."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        given, gave = _tensors((args, kwargs)), _tensors(result)
        if not gave:
            return result
        step = Step(getattr(func, "__name__", ""), given, gave, args)
        self.steps.append(step)
        if self.states is not None:
            self.states.took(step)
        stems = [stem for one in given for stem in ([one] if one.requires_grad else self._stems.get(id(one), ()))]
        if (stems and not torch.is_grad_enabled()) or (stems and step.name in DRAWS):
            self._drawn(step, stems)
        return result

    def _drawn(self, step: Step, stems: list[Tensor]) -> None:
        frame = _sampling()
        if frame is not None and self.draws and self.draws[-1].frame is frame:
            last = self.draws[-1]
            last.step, last.sources, last.discrete = step, [*last.sources, *stems], last.discrete or _whole(step)
        elif frame is not None or step.name in DRAWS:
            operation = step.name if frame is None else "sample"
            self.draws.append(_Draw(operation, place_of_call(), _whole(step), step, stems, frame))
        for one in step.gave:
            self._stems[id(one)] = stems


def _held(model: nn.Module) -> Iterator[Tensor]:
    """Yield the tensors that attributes of a model hold, themselves or in a distribution, such as a prior's mean."""
    for module in model.modules():
        for one in vars(module).values():
            if isinstance(one, Tensor):
                yield one
            elif isinstance(one, Distribution):
                yield from (part for part in vars(one).values() if isinstance(part, Tensor))


def _whole(step: Step) -> bool:
    return step.name in _OF_CLASSES


def _sampling() -> FrameType | None:
    """Return the frame of the outermost `sample` of a distribution that runs; None if none does."""
    frame: FrameType | None = sys._getframe(1)
    found = None
    while frame is not None:
        if frame.f_code.co_name == "sample" and "distributions" in frame.f_code.co_filename:
            found = frame
        frame = frame.f_back
    return found


def _tensors(values: object) -> list[Tensor]:
    return [one for one in pytree.tree_leaves(values) if isinstance(one, Tensor)]
