"""Draws that cut what they are drawn from off the data: `sample` where `rsample` was meant.

No gradient passes a draw. What it is drawn from may be trained all the same: by the chance of what was drawn times what
came of it, by the chance of data, straight through. Where it is not, all that reaches it are terms in which no data has
a say, a divergence from a prior or an entropy; and that is followed through all functions of a pass.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn.modules.dropout import _DropoutNd
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.causes.following import place_of_call
from gradwidgets.core.layers.causes.mentioned import mentions
from gradwidgets.core.layers.causes.routes import Routes, Step
from gradwidgets.core.layers.passes.passes import FlowError, Subject
from gradwidgets.core.operations.watching import Args, Kwargs, Op
from gradwidgets.core.results.result import Result

# Give numbers at random, each by the parameters that it is given.
DRAWS = ("normal", "bernoulli", "multinomial", "poisson", "binomial")
_OF_CLASSES = ("bernoulli", "multinomial", "poisson", "binomial")
_MENTIONS = frozenset((*DRAWS, "sample", "sample_n", "bernoulli_"))


@dataclass(frozen=True, eq=False, repr=False)
class Drawn(Result):
    """A draw that cuts off what it is drawn from.

    Attributes:
        operation: "sample", or the function in torch's words.
        place: File and line.
        layers: Those that make what it is drawn from.
        discrete: Whether it is of whole numbers, which no `rsample` draws.
        reached: Whether other terms of the loss reach them.
    """

    operation: str
    place: str
    layers: tuple[str, ...]
    discrete: bool
    reached: bool


def drawn_in(subject: Subject) -> Drawn | None:
    """Run the model and its loss forward once more; the first draw that cuts off what it is drawn from, or None.

    Args:
        subject: A copy that may run.
    """
    seen = _Seen(subject.model)
    try:
        with seen:
            loss = subject.loss()
    except FlowError:
        return None
    routes = Routes(seen.steps, seen.constant)
    for draw in seen.draws:
        told = routes.told(draw.step, draw.sources, loss)
        if told is not None:
            layers = tuple(dict.fromkeys(seen.names[one] for one in told.parameters if one in seen.names))
            return Drawn(draw.operation, draw.place, layers, draw.discrete, told.reached)
    return None


def random_state() -> list[Tensor]:
    """Where torch's generators stand."""
    found = [torch.get_rng_state()]
    return found + torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else found


def drops(model: nn.Module) -> bool:
    """Whether a layer of a model draws by itself: dropout, or what has it inside."""
    return any(one.training and draws_itself(one) for one in model.modules())


def draws_itself(module: nn.Module) -> bool:
    """Whether a layer is a dropout, or has one inside."""
    share = module.p if isinstance(module, _DropoutNd) else getattr(module, "dropout", 0.0)
    return isinstance(share, float) and share > 0


def may_draw(model: nn.Module, loss_fn: Callable) -> bool:
    """Whether the code of a model or its loss names a draw, where dropout draws as well."""
    return mentions(model, loss_fn, _MENTIONS)


@dataclass(eq=False)
class _Draw:
    operation: str
    place: str
    discrete: bool
    step: Step
    sources: list[Tensor]
    frame: FrameType | None


class _Seen(TorchFunctionMode):
    """Notes all calls of a pass, and among them the draws by what a gradient is asked for."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self.draws: list[_Draw] = []
        named = list(model.named_parameters())
        self.names = {id(one): name.rpartition(".")[0] or name for name, one in named}
        self.constant = {id(one) for one in (*model.buffers(), *(one for _, one in named), *_held(model))}
        self._stems: dict[int, list[Tensor]] = {}  # of what is made without a gradient, what it was made of

    def __torch_function__(self, func: Op, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        """Inspect a call, and make it."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        given, gave = _tensors((args, kwargs)), _tensors(result)
        if not gave:
            return result
        step = Step(getattr(func, "__name__", ""), given, gave, args)
        self.steps.append(step)
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
    """Tensors that hang on a model, a prior's mean say, by themselves or in a distribution."""
    for module in model.modules():
        for one in vars(module).values():
            if isinstance(one, Tensor):
                yield one
            elif isinstance(one, Distribution):
                yield from (part for part in vars(one).values() if isinstance(part, Tensor))


def _whole(step: Step) -> bool:
    return step.name in _OF_CLASSES


def _sampling() -> FrameType | None:
    """The call of a distribution's `sample` that is at work, the outermost."""
    frame, found = sys._getframe(1), None
    while frame is not None:
        if frame.f_code.co_name == "sample" and "distributions" in frame.f_code.co_filename:
            found = frame
        frame = frame.f_back
    return found


def _tensors(values: object) -> list[Tensor]:
    return [one for one in pytree.tree_leaves(values) if isinstance(one, Tensor)]
