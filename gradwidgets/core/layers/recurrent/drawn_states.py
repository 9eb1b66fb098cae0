"""Recurrent layers that begin each pass at a state of random numbers, drawn anew in forward."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.causes.routes import Step
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number
from gradwidgets.core.subject.user_code import place_of_call

DRAWN = "drawn state"
# Functions that give random numbers made of nothing else.
FROM_NOTHING = frozenset(("randn", "rand", "randn_like", "rand_like", "normal", "normal_", "uniform_"))
_CELLS = ("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell")
_LAYERS = ("lstm", "gru", "rnn_tanh", "rnn_relu")
_ACTION = (
    "Begin at zeros: leave the state out, rnn(x), or make it by torch.zeros; or learn it, an nn.Parameter that is "
    "expanded to the batch. Nothing, if the noise is meant, as in a generator."
)


class _State(NamedTuple):
    """A state of random numbers that a layer begins with.

    Attributes:
        layer: The layer's name.
        function: What drew it.
        place: File and line where it was drawn.
        size: The root mean square of its numbers.
    """

    layer: str
    function: str
    place: str
    size: float


class DrawnStates:
    """Follows random numbers through a pass, up to the states that recurrent layers begin with.

    Args:
        names: The layers' names by the ids of their weights.
    """

    def __init__(self, names: Mapping[int, str]) -> None:
        self._names = names
        self._noise: dict[int, tuple[str, str]] = {}  # function and place, by the id of a tensor that a step keeps
        self._states: list[_State] = []

    def took(self, step: Step) -> None:
        """A call was made, and all its tensors are kept."""
        if step.name in FROM_NOTHING:
            drawn: tuple[str, str] | None = (step.name, place_of_call())
        elif step.name in _CELLS or step.name in _LAYERS:
            drawn = None
            self._begin(step)
        else:
            drawn = self._passed(step.given)
        for one in step.gave:
            if drawn is not None and not one.requires_grad:
                self._noise[id(one)] = drawn
            else:
                self._noise.pop(id(one), None)

    def _passed(self, given: Sequence[Tensor]) -> tuple[str, str] | None:
        """Return where the numbers that a call was given were drawn, if they all were."""
        sources = [self._noise.get(id(one)) for one in given]
        return sources[0] if sources and all(sources) else None

    def _begin(self, step: Step) -> None:
        """Note the states that a recurrent layer is given."""
        # Of a packed batch the second argument is the number of samples at each step.
        states = step.arguments[1] if step.name in _CELLS or not _is_whole(step.arguments[1]) else step.arguments[2]
        drawn = [(one, told) for one in _tensors(states) if (told := self._noise.get(id(one))) is not None]
        layer = next((self._names[id(one)] for one in step.given if id(one) in self._names), "")
        self._states += [_State(layer, *told, float(one.detach().square().mean().sqrt())) for one, told in drawn]

    def told(self) -> list[Finding]:
        """Report the first layer that begins so."""
        return [_told(one, {state.layer for state in self._states}) for one in self._states if one.size > 0][:1]


def _is_whole(one: object) -> bool:
    return isinstance(one, Tensor) and not one.is_floating_point()


def _tensors(values: object) -> Iterable[Tensor]:
    return [one for one in pytree.tree_leaves(values) if isinstance(one, Tensor)]


def _told(one: _State, layers: set[str]) -> Finding:
    more = f" (and {len(layers) - 1} more)" if len(layers) > 1 else ""
    where = f" ({one.place})" if one.place else ""
    message = (
        f"{one.layer or 'a recurrent layer'}{more} begins each pass at a state of random numbers, {one.function}"
        f"{where} of a size of {number(one.size, 2)}, which is drawn again in every forward: what the model gives "
        "for a batch differs each time, also once it is trained if forward does the same then"
    )
    evidence = {"layer": one.layer, "function": one.function, "size": one.size, "threshold": 0}
    return Finding(DRAWN, "info", message, evidence, action=_ACTION)
