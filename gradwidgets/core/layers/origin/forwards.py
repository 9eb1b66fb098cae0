"""A pass forward in which every tensor that is not finite carries along where that began."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.origin.causes import LOSING, REDUCING, Call, Cause, cause_of, makes_a_mask, of_determinants
from gradwidgets.core.layers.origin.data import Datum
from gradwidgets.core.layers.origin.epsilons import keeps, lost_epsilon, shows, with_epsilon
from gradwidgets.core.layers.origin.places import Place, Places, has_numbers, is_finite
from gradwidgets.core.operations.remedies import ACTIONS
from gradwidgets.core.operations.watching import Watching

# What torch calls an operation inside, where a person calls it otherwise.
_CALLED = {"linalg_vector_norm": "norm", "to_copy": "cast", "nll_loss2d": "nll_loss", "true_divide": "div"}
# Of a 0 they are given, they may give one on.
_KEEPING = (
    "sum", "add", "mean", "mul", "div", "unsqueeze", "squeeze", "expand", "clone", "view", "transpose", "permute",
    "bmm", "mm", "mv", "addmm", "select", "slice", "gather", "index", "t", "prod", "cumprod",
)  # fmt: skip
_SUMS = ("sum", "add", "cumsum", "unsqueeze", "expand", "clone", "view")


@dataclass(eq=False)
class Source:
    """Where something not finite began.

    Attributes:
        operation: The operation that made it, or wrote it down.
        place: Where that ran; None for data.
        cause: Why; None for data and for what is written down.
        datum: The data that held it; None for an operation's.
        meant: Whether it may be meant: −inf of a mask, or written down as such.
        then: The operation that first made NaN of this infinity, with its place; None for none.
    """

    operation: str
    place: Place | None
    cause: Cause | None = None
    datum: Datum | None = None
    meant: bool = False
    then: tuple[str, Place] | None = None


@dataclass(frozen=True)
class Record:
    """An operation that autograd follows.

    Attributes:
        name: torch's name for it.
        place: Where it ran.
        source: Where what it gave began not to be finite; None where it is finite.
        epsilon: The number that was to keep what it is given from 0 and is 0 itself, in a clause; "" for none.
    """

    name: str
    place: Place
    source: Source | None
    epsilon: str = ""


class _Made(NamedTuple):
    """What made a tensor: the operation; whether of exponentials of what is masked; an eps that was lost, or "".

    And what of it has been rounded to 0, of finite numbers: by which operation; "" for none.
    """

    operation: str = ""
    masked: bool = False
    epsilon: str = ""
    lost_by: str = ""


class Forwards(Watching):
    """Follows every operation of a pass; see `Source`.

    Args:
        places: Follows the modules meanwhile.
        data: What is not finite to begin with.
        record: Whether to keep a `Record` of every operation.
        samples: How many samples the batch has; 0 where that is not known.

    Attributes:
        records: By autograd's number of the operation.
    """

    keeps = False

    def __init__(self, places: Places, data: Iterable[Datum], *, record: bool = False, samples: int = 0) -> None:
        super().__init__()
        self._places, self._record, self._samples = places, record, samples
        self.records: dict[int, Record] = {}
        self._made: dict[int, _Made] = {}  # by memory
        self._determinants: Cause | None = None  # of the operation before this
        self._sources: dict[int, Source] = {}  # by memory
        for datum in data:
            self._sources.setdefault(_memory(datum.tensor), Source("data", None, datum=datum, meant=datum.masks))

    def source_of(self, tensor: Tensor) -> Source | None:
        """Where a tensor began not to be finite; None of one that is finite, or unknown."""
        return None if is_finite(tensor) else self._sources.get(_memory(tensor))

    def run(self, name: str, func, args: tuple, kwargs: dict) -> object:
        """See `Watching.run`."""
        name = _plain(name)
        before = _as_it_is(args) if func._schema.is_mutable else args
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
            number = torch.autograd._get_sequence_nr() - 1
            if number not in self.records:
                self.records[number] = Record(
                    name, source.place if source and source.place else self._places.here(), source, epsilon
                )
        return result

    def _note(self, now: _Made, made: list[Tensor], spoilt: set[int], lies: set[int], source: Source | None) -> None:
        for tensor in made:
            where = _memory(tensor)
            if id(tensor) in spoilt:
                self._sources[where] = source
            elif where not in lies:
                self._sources.pop(where, None)
            if where not in lies:
                self._made[where] = now

    def _lost_by(self, name: str, given: list[Tensor], made: list[Tensor]) -> str:
        if name in LOSING:
            gone = bool(made) and all(is_finite(t) for t in given) and bool((made[0] == 0).any())
            return name if gone else ""
        known = next((self._of(t).lost_by for t in given if self._of(t).lost_by), "") if name in _KEEPING else ""
        if known and any(not self._of(t).lost_by and bool((t == 0).any()) for t in given):
            return ""  # a mask may have made it 0
        return known if known and made and bool((made[0] == 0).any()) else ""

    def _is_masked(self, name: str, given: list[Tensor], bad: list[tuple]) -> bool:
        if name == "exp":
            return any(bool((t == -math.inf).any()) for t, _ in bad)
        return name in _SUMS and any(self._of(t).masked for t in given)

    def _source(self, name: str, args: tuple, kwargs: dict, bad: list[tuple], made: Tensor) -> Source:
        if not bad and name == "scalar_tensor" and self._determinants is not None:  # as logdet does it
            return Source("logdet", self._places.here(), self._determinants)
        if not bad:
            return self._begun(name, args, made, written=_is_written((args, kwargs), made))
        known = [(t, source or _unknown(t)) for t, source in bad]
        nan = [source for t, source in known if bool(t.isnan().any())]
        if nan:
            return nan[0]
        source = next((one for _, one in known if not one.meant), known[0][1])
        if not bool(made.isnan().any()):
            return self._reduced(name, args, made, source) if source.meant and name in REDUCING else source
        return self._spoilt(name, args, made, source)

    def _reduced(self, name: str, args: tuple, made: Tensor, source: Source) -> Source:
        """Of −inf that may be meant, what is left where all is masked; a softmax may still take it away again."""
        begun = self._begun(name, args, made)
        begun.meant = True
        return begun if begun.cause is not None and begun.cause.masked else source

    def _spoilt(self, name: str, args: tuple, made: Tensor, source: Source) -> Source:
        """Who is to blame for NaN made of infinity."""
        begun = self._begun(name, args, made) if source.meant else None
        if begun is not None and begun.cause.masked:
            return begun
        if begun is None or (source.cause is not None and source.cause.masked):
            source.then = source.then or (name, self._places.here())
            return source
        if source.datum is not None:
            return source
        clause = f"{begun.cause.clause}; {source.operation} put the infinity there"
        return replace(begun, cause=replace(begun.cause, clause=clause))

    def _begun(self, name: str, args: tuple, made: Tensor, *, written: bool = False) -> Source:
        place = self._places.here()
        self._places.remember(place)
        if written:
            return Source(name, place, meant=True)
        maker, masked = (lambda t: self._of(t).operation), (lambda t: self._of(t).masked)
        call = Call(name, args, made, maker, masked, self._samples, lambda t: self._of(t).lost_by)
        cause, epsilon = cause_of(call), self._epsilon(_numbers(args))
        cause = with_epsilon(cause, epsilon, made.dtype) if epsilon and not cause.masked else cause
        return Source(name, place, cause, meant=makes_a_mask(call))

    def _of(self, tensor: Tensor) -> _Made:
        return self._made.get(_memory(tensor), _Made())

    def _epsilon(self, given: Iterable[Tensor]) -> str:
        """The eps that was lost of what an operation is given and is 0 somewhere; "" for none."""
        return next((e for t in given if (e := self._of(t).epsilon) and shows(e, t)), "")


def _is_written(arguments: tuple, made: Tensor) -> bool:
    """Whether an operation puts there what stands in its arguments as a number."""
    numbers = [v for v in pytree.tree_leaves(arguments) if isinstance(v, float) and not math.isfinite(v)]
    return bool(numbers) and (any(map(math.isnan, numbers)) or not bool(made.isnan().any()))


def _unknown(tensor: Tensor) -> Source:
    """Of a tensor that was there before, and that nobody is known to hold."""
    shape = f"a tensor of shape {tuple(tensor.shape)}" if tensor.ndim else "a number"
    datum = Datum(tensor, "(unknown)", shape, "", "no operation of this pass made it", ACTIONS["data"])
    return Source("data", None, datum=datum, meant=datum.masks)


def _plain(name: str) -> str:
    name = name.removeprefix("native_").removesuffix("_forward")
    if "scaled_dot_product" in name:
        return "scaled_dot_product_attention"
    return _CALLED.get(name, name)


def _numbers(tree: object) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(tree) if isinstance(leaf, Tensor) and has_numbers(leaf)]


def _pairs(before: tuple, args: tuple, kwargs: dict) -> list[tuple[Tensor, Tensor]]:
    return list(zip(_numbers((before, kwargs)), _numbers((args, kwargs)), strict=True))


def _as_it_is(args: tuple) -> tuple:
    """The same with copies of the tensors, one of which the operation writes to."""
    return pytree.tree_map_only(Tensor, lambda t: t.detach().clone() if has_numbers(t) else t, args)


def _memory(tensor: Tensor) -> int:
    try:
        return tensor.untyped_storage().data_ptr() or id(tensor)
    except (RuntimeError, NotImplementedError):
        return id(tensor)
