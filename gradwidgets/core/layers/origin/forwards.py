"""A forward pass that keeps, for every tensor that is not finite, where that began."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

from torch import Tensor
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.origin.causes import LOSING, REDUCING, Call, Cause, cause_of, makes_a_mask, of_determinants
from gradwidgets.core.layers.origin.data import Datum
from gradwidgets.core.layers.origin.epsilons import keeps, lost_epsilon, shows, with_epsilon
from gradwidgets.core.layers.origin.places import Place, Places, has_numbers, is_finite
from gradwidgets.core.layers.passes.calls import next_number
from gradwidgets.core.operations.remedies import ACTIONS
from gradwidgets.core.operations.watching import Args, Kwargs, Watching

# torch's internal names of operations, and the names that users know.
_KNOWN_AS = {"linalg_vector_norm": "norm", "to_copy": "cast", "nll_loss2d": "nll_loss", "true_divide": "div"}
# Operations that may pass on a 0 of their input.
_KEEPING = (
    "sum", "add", "mean", "mul", "div", "unsqueeze", "squeeze", "expand", "clone", "view", "transpose", "permute",
    "bmm", "mm", "mv", "addmm", "select", "slice", "gather", "index", "t", "prod", "cumprod",
)  # fmt: skip
_SUMS = ("sum", "add", "cumsum", "unsqueeze", "expand", "clone", "view")


@dataclass(eq=False, kw_only=True)
class _Source:
    """Where something not finite began.

    Attributes:
        meant: Whether it may be intended: −inf of a mask, or a number written in the code.
        then: The operation that first made NaN of this infinity, with its place; None for none.
    """

    meant: bool = False
    then: tuple[str, Place] | None = None

    @property
    def is_masked(self) -> bool:
        """Whether the cause is a completely masked row."""
        return False


@dataclass(eq=False)
class DataSource(_Source):
    """Data that was not finite before the pass.

    Attributes:
        datum: The data.
    """

    datum: Datum


@dataclass(eq=False)
class WrittenSource(_Source):
    """A number in an operation's arguments, such as the −inf of masked_fill.

    Attributes:
        operation: The operation's name.
        place: Where the operation ran.
    """

    operation: str
    place: Place
    meant: bool = field(default=True, kw_only=True)


@dataclass(eq=False)
class MadeSource(_Source):
    """An operation whose result is not finite though its inputs are, or may be intended.

    Attributes:
        operation: The operation's name.
        place: Where the operation ran.
        cause: Why its result is not finite.
    """

    operation: str
    place: Place
    cause: Cause

    @property
    def is_masked(self) -> bool:
        """Whether the cause is a completely masked row."""
        return self.cause.masked


Source: TypeAlias = DataSource | WrittenSource | MadeSource
_Bad: TypeAlias = tuple[Tensor, Source | None]  # an input that is not finite, and its source if that is known


@dataclass(frozen=True)
class Record:
    """An operation that autograd recorded.

    Attributes:
        name: torch's name of the operation.
        place: Where the operation ran.
        source: Where its result began not to be finite; None if it is finite.
        epsilon: A clause on the eps that should have kept its input from 0 and is 0 itself; "" for none.
    """

    name: str
    place: Place
    source: Source | None
    epsilon: str = ""


class _Made(NamedTuple):
    """How a tensor was computed.

    Attributes:
        operation: The operation's name; "" if it is not known.
        masked: Whether it was computed from exponentials of masked scores.
        epsilon: A clause on an eps that was lost; "" for none.
        lost_by: The operation that underflowed to 0 in a part of it; "" for none.
    """

    operation: str = ""
    masked: bool = False
    epsilon: str = ""
    lost_by: str = ""


class Forwards(Watching):
    """Follows every operation of a forward pass within a `with` block, and keeps the sources of what is not finite.

    Args:
        places: Follows the modules at the same time.
        data: The data that are not finite before the pass.
        record: Whether to keep a `Record` of every operation.
        samples: The number of samples in the batch; 0 if it is not known.

    Attributes:
        records: The records, by autograd's numbers of the operations.
    """

    keeps = False

    def __init__(self, places: Places, data: Iterable[Datum], *, record: bool = False, samples: int = 0) -> None:
        super().__init__()
        self._places, self._record, self._samples = places, record, samples
        self.records: dict[int, Record] = {}
        self._made: dict[int, _Made] = {}  # by address
        self._determinants: Cause | None = None  # of the last slogdet, by which torch computes logdet
        self._sources: dict[int, Source] = {}  # by address
        for datum in data:
            self._sources.setdefault(_memory(datum.tensor), DataSource(datum, meant=datum.masks))

    def source_of(self, tensor: Tensor) -> Source | None:
        """Return where a tensor began not to be finite; None if it is finite, or if the source is not known."""
        return None if is_finite(tensor) else self._sources.get(_memory(tensor))

    def run(self, name: str, func: Any, args: Args, kwargs: Kwargs) -> object:
        """Run an operation and record its results; see `Watching.run`."""
        name = _plain(name)
        before = _copied(args) if func._schema.is_mutable else args
        given = _numbers((before, kwargs))
        lies = {_memory(t) for t in _numbers((args, kwargs))}
        bad = [(t, self._sources.get(_memory(one))) for t, one in _pairs(before, args, kwargs) if not is_finite(t)]
        masked, epsilon = self._is_masked(name, given, bad), self._epsilon(given)
        result = func(*args, **kwargs)
        made = _numbers(result)
        now = _Made(
            name,
            masked,
            lost_epsilon(name, args, made) or (epsilon if keeps(name, epsilon) else ""),
            self._lost_by(name, given, made),
        )
        self._determinants = of_determinants(made[0]) if "slogdet" in name and made else self._determinants
        spoilt = [] if "empty" in name else [t for t in made if not is_finite(t)]
        source = self._source(name, before, kwargs, bad, spoilt[0]) if spoilt else None
        self._note(now, made, {id(t) for t in spoilt}, lies, source)
        if self._record:
            number = next_number() - 1
            if number not in self.records:
                place = self._places.here() if source is None or isinstance(source, DataSource) else source.place
                self.records[number] = Record(name, place, source, epsilon)
        return result

    def _note(self, now: _Made, made: list[Tensor], spoilt: set[int], lies: set[int], source: Source | None) -> None:
        for tensor in made:
            where = _memory(tensor)
            if source is not None and id(tensor) in spoilt:
                self._sources[where] = source
            elif where not in lies:
                self._sources.pop(where, None)
            if where not in lies:
                self._made[where] = now

    def _lost_by(self, name: str, given: list[Tensor], made: list[Tensor]) -> str:
        """Return the operation that underflowed to 0 in a part of the result; "" for none."""
        if name in LOSING:
            gone = bool(made) and all(is_finite(t) for t in given) and bool((made[0] == 0).any())
            return name if gone else ""
        known = next((self._known(t).lost_by for t in given if self._known(t).lost_by), "") if name in _KEEPING else ""
        if known and any(not self._known(t).lost_by and bool((t == 0).any()) for t in given):
            return ""  # a mask may have made it 0
        return known if known and made and bool((made[0] == 0).any()) else ""

    def _is_masked(self, name: str, given: list[Tensor], bad: list[_Bad]) -> bool:
        """Whether the result is computed from exponentials of masked scores."""
        if name == "exp":
            return any(bool((t == -math.inf).any()) for t, _ in bad)
        return name in _SUMS and any(self._known(t).masked for t in given)

    def _source(self, name: str, args: Args, kwargs: Kwargs, bad: list[_Bad], made: Tensor) -> Source:
        if not bad and name == "scalar_tensor" and self._determinants is not None:  # the end of logdet
            return MadeSource("logdet", self._places.here(), self._determinants)
        if not bad and _is_written((args, kwargs), made):
            return WrittenSource(name, self._remembered_place())
        if not bad:
            return self._made_by(name, args, made)
        known = [(t, source if source is not None else _unknown(t)) for t, source in bad]
        nan = [source for t, source in known if bool(t.isnan().any())]
        if nan:
            return nan[0]
        source = next((one for _, one in known if not one.meant), known[0][1])
        if not bool(made.isnan().any()):
            return self._of_reduction(name, args, made, source) if source.meant and name in REDUCING else source
        return self._of_nan(name, args, made, source)

    def _of_reduction(self, name: str, args: Args, made: Tensor, source: Source) -> Source:
        """Return the source of −inf from a reduction of masked scores; a later softmax may make it finite again."""
        begun = self._made_by(name, args, made)
        begun.meant = True
        return begun if begun.is_masked else source

    def _of_nan(self, name: str, args: Args, made: Tensor, source: Source) -> Source:
        """Return the source of NaN that an operation made of infinity."""
        begun = self._made_by(name, args, made) if source.meant else None
        if begun is not None and begun.is_masked:
            return begun
        if begun is None or source.is_masked:
            source.then = source.then or (name, self._places.here())
            return source
        if isinstance(source, DataSource):
            return source
        clause = f"{begun.cause.clause}; {source.operation} put the infinity there"
        return replace(begun, cause=replace(begun.cause, clause=clause))

    def _remembered_place(self) -> Place:
        """Return the current place, which will learn which module gets the result."""
        place = self._places.here()
        self._places.remember(place)
        return place

    def _made_by(self, name: str, args: Args, made: Tensor) -> MadeSource:
        """Return the operation as the source of its result, with the cause."""
        place = self._remembered_place()
        maker, masked = (lambda t: self._known(t).operation), (lambda t: self._known(t).masked)
        call = Call(name, args, made, maker, masked, self._samples, lambda t: self._known(t).lost_by)
        cause, epsilon = cause_of(call), self._epsilon(_numbers(args))
        cause = with_epsilon(cause, epsilon, made.dtype) if epsilon and not cause.masked else cause
        return MadeSource(name, place, cause, meant=makes_a_mask(call))

    def _known(self, tensor: Tensor) -> _Made:
        """Return how a tensor was computed, as far as it is known."""
        return self._made.get(_memory(tensor), _Made())

    def _epsilon(self, given: Iterable[Tensor]) -> str:
        """Return the clause on an eps that was lost for one of the inputs and shows in its numbers; "" for none."""
        return next((e for t in given if (e := self._known(t).epsilon) and shows(e, t)), "")


def _is_written(arguments: tuple[Args, Kwargs], made: Tensor) -> bool:
    """Whether the result contains a number from the arguments that is not finite."""
    numbers = [v for v in pytree.tree_leaves(arguments) if isinstance(v, float) and not math.isfinite(v)]
    return bool(numbers) and (any(map(math.isnan, numbers)) or not bool(made.isnan().any()))


def _unknown(tensor: Tensor) -> DataSource:
    """Return the source for a tensor that existed before the pass and was not found in model, batch or loss."""
    shape = f"a tensor of shape {tuple(tensor.shape)}" if tensor.ndim else "a number"
    datum = Datum(tensor, "(unknown)", shape, "", "no operation of this pass made it", ACTIONS["data"])
    return DataSource(datum, meant=datum.masks)


def _plain(name: str) -> str:
    """Return the name of an operation that users know."""
    name = name.removeprefix("native_").removesuffix("_forward")
    if "scaled_dot_product" in name:
        return "scaled_dot_product_attention"
    return _KNOWN_AS.get(name, name)


def _numbers(tree: object) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(tree) if isinstance(leaf, Tensor) and has_numbers(leaf)]


def _pairs(before: Args, args: Args, kwargs: Kwargs) -> list[tuple[Tensor, Tensor]]:
    """Return the tensors before the operation with those that it was called with."""
    return list(zip(_numbers((before, kwargs)), _numbers((args, kwargs)), strict=True))


def _copied(args: Args) -> Args:
    """Copy the arguments of an operation that changes one of them in place."""
    copied: Args = pytree.tree_map_only(Tensor, lambda t: t.detach().clone() if has_numbers(t) else t, args)
    return copied


def _memory(tensor: Tensor) -> int:
    """Return the address of a tensor's storage, or its id if it has none."""
    try:
        return tensor.untyped_storage().data_ptr() or id(tensor)
    except (RuntimeError, NotImplementedError):
        return id(tensor)
