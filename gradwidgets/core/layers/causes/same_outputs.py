"""A model whose output is the same for all samples, and where its samples become the same."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.axes.mixing import batch_of
from gradwidgets.core.layers.causes.drawn import draws_itself, drops
from gradwidgets.core.layers.passes.passes import FlowError, Subject, copied, run
from gradwidgets.core.layers.passes.rows import is_fresh
from gradwidgets.core.operations.watching import Args
from gradwidgets.core.results.result import Result

# Relative difference up to which samples are the same. No sound model is below 1e-3 at initialization.
SAME = 1e-5
_RECURRENT = ("RNN", "LSTM", "GRU")
_EXACT = (torch.float32, torch.float64)
# Weights as small as this, or as small relative to the bias, are meant to begin near 0.
_NEAR_ZERO = 1e-3


@dataclass(frozen=True, eq=False, repr=False)
class Same(Result):
    """Where the samples of a batch become the same. All differences are relative to the largest number.

    Attributes:
        count: The number of samples.
        share: The difference of the model's output between samples.
        layer: The first layer from which on samples are the same; "" if they become so after all layers.
        kind: The layer's class.
        given: The difference of the layer's input.
        before: The layer that ran before it; "" for none.
        before_kind: The class of the layer before.
        before_gave: The difference of the output of the layer before.
        ends: The number of last steps at which the inputs are the same; 0 without a recurrent layer.
        unseen: The number of BatchNorms that have seen no batch, if with the batch's own mean and variance the outputs
            would differ; otherwise 0.
    """

    count: int
    share: float
    layer: str = ""
    kind: str = ""
    given: float = 0.0
    before: str = ""
    before_kind: str = ""
    before_gave: float = 0.0
    ends: int = 0
    unseen: int = 0

    @property
    def is_between(self) -> bool:
        """Whether the layer's inputs are already the same."""
        return self.given <= SAME

    @property
    def is_padding(self) -> bool:
        """Whether the output of a recurrent layer is read after steps that are the same for all samples."""
        return self.ends > 0 and self.before_kind in _RECURRENT and self.is_between


def same_in(subject: Subject, output: object, waiting: Iterable[str]) -> Same | None:
    """Find where the samples of a batch become the same; None if the outputs differ.

    Args:
        subject: A copy of the model. It runs forward once more, only if the output is the same for all samples, or a
            dropout may hide that.
        output: The model's output.
        waiting: The names of weights that begin at 0, and explain equal outputs until the next step.
    """
    batch = batch_of(subject.inputs, output)
    if batch is None or any("bias" not in name for name in waiting):
        return None
    axis, count = batch
    ends = _ends(subject, axis, count)
    if not (_is_same(output, count) or (ends and drops(subject.model))):
        return None
    if not _differ(_tensors(subject.inputs), axis, count):
        return None
    try:
        return _where(subject, count, ends)
    except FlowError:
        return None


def apart(values: Tensor, axis: int = 0) -> float:
    """Return the difference between samples, relative to the largest number; 0 if all are 0."""
    largest = _largest(values)
    return _largest(values - values.narrow(axis, 0, 1)) / largest if largest else 0.0


def _largest(values: Tensor) -> float:
    low, high = torch.aminmax(values)
    return max(-float(low), float(high))


def _is_same(output: object, count: int) -> bool:
    given = _given(output, count)
    # Comparing the first two samples of a large output is usually enough.
    if not given or any(one.dtype not in _EXACT or not apart(one[:2]) <= SAME for one in given):
        return False
    return all(apart(one) <= SAME for one in given)


def _given(output: object, count: int) -> list[Tensor]:
    """Return the outputs of a model that have a row for each sample; a loss among them is left out."""
    numbers = [one.detach() for one in _tensors(output) if one.is_floating_point() and one.ndim and one.numel()]
    return [one for one in numbers if one.shape[0] == count]


def _differ(inputs: Sequence[Tensor], axis: int, count: int) -> bool:
    some = [one for one in inputs if one.ndim > axis and one.shape[axis] == count and one.numel()]
    return any(apart(one.detach().double(), axis) > 10 * SAME for one in some if not one.is_complex())


def _ends(subject: Subject, axis: int, count: int) -> int:
    """Count the last steps at which all sequences are the same, if the model has a recurrent layer."""
    given = _tensors(subject.inputs)
    if axis or not given or given[0].ndim < 2 or given[0].shape[0] != count:
        return 0
    if not any(isinstance(one, nn.RNNBase) for one in subject.model.modules()):
        return 0
    same = (given[0] == given[0][:1]).flatten(2).all(-1) if given[0].ndim > 2 else given[0] == given[0][:1]
    return int(same.all(0).flip(0).long().cumprod(0).sum())


def _where(subject: Subject, count: int, ends: int) -> Same | None:
    seen = _Seen(count)
    with without_dropout(subject.model), torch.no_grad(), seen.watching(subject.model):
        output = run("the model", subject.model, copied(subject.inputs), subject.model)
    if not _is_same(output, count):
        return None
    share = max(apart(one) for one in _given(output, count))
    told = partial(Same, count, share, ends=ends, unseen=_unseen(subject, count))
    first = len(seen.calls)
    while first and seen.calls[first - 1].gave <= SAME:
        first -= 1
    if not seen.calls or first == len(seen.calls):
        if share or not seen.calls:  # for example a mean that is added to the output
            return None
        last = seen.calls[-1]
        return told(before=last.name, before_kind=last.kind, before_gave=last.gave)
    if any(_is_by_its_bias(one.module) for one in seen.calls[first:]):
        return None
    here, before = seen.calls[first], seen.calls[first - 1] if first else None
    told = partial(told, here.name, here.kind, here.given)
    return told(before.name, before.kind, before.gave) if before else told()


def _unseen(subject: Subject, count: int) -> int:
    fresh = [one for one in subject.model.modules() if is_fresh(one)]
    if not fresh:
        return 0
    try:
        with _by_the_batch(fresh), without_dropout(subject.model), torch.no_grad():
            output = run("the model", subject.model, copied(subject.inputs), subject.model)
    except FlowError:  # a single value per channel has no variance
        return 0
    return 0 if _is_same(output, count) else len(fresh)


@contextlib.contextmanager
def _by_the_batch(norms: Sequence[_NormBase]) -> Iterator[None]:
    """Make BatchNorms normalise by the batch's own mean and variance inside, without updating their statistics."""
    for one in norms:
        one.training, one.track_running_stats = True, False
    try:
        yield
    finally:
        for one in norms:
            one.training, one.track_running_stats = False, True


@dataclass
class _Call:
    """One call of a layer, with the differences between samples before and after it."""

    name: str
    module: nn.Module
    given: float
    gave: float

    @property
    def kind(self) -> str:
        return type(self.module).__name__


class _Seen:
    """Records the difference between samples before and after each layer."""

    def __init__(self, count: int) -> None:
        self.calls: list[_Call] = []
        self._count = count

    @contextlib.contextmanager
    def watching(self, model: nn.Module) -> Iterator[None]:
        """Record calls of layers inside."""
        leaves = [(name, one) for name, one in model.named_modules() if not any(one.children())]
        leaves = [(name, one) for name, one in leaves if not isinstance(one, (_DropoutNd, nn.Identity))]
        handles = [one.register_forward_hook(partial(self._ran, name)) for name, one in leaves]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _ran(self, name: str, module: nn.Module, given: Args, gave: object) -> None:
        before, after = self._apart(given, module), self._apart(gave, module)
        if after is not None:
            self.calls.append(_Call(name, module, after if before is None else before, after))

    def _apart(self, values: object, module: nn.Module) -> float | None:
        """Return the difference between samples; None if their axis is not known."""
        first = next((one for one in _tensors(values) if one.ndim and one.numel() and not one.is_complex()), None)
        if first is None:
            return None
        first = first.detach().double()
        if isinstance(module, nn.RNNBase) and not module.batch_first and first.ndim > 2:
            first = first.transpose(0, 1)
        if first.shape[0] % self._count:
            return None
        return apart(first.unflatten(0, (self._count, -1)))


def _is_by_its_bias(module: nn.Module) -> bool:
    """Whether a layer's output is nearly its bias: its weights begin near 0, or its bias is a large mean."""
    weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
    if not isinstance(weight, Tensor) or weight.ndim < 2 or isinstance(module, nn.Embedding):
        return False
    size = float(weight.detach().flatten(1).norm(dim=1).max())
    return size < _NEAR_ZERO or (isinstance(bias, Tensor) and float(bias.detach().abs().max()) > size / _NEAR_ZERO)


@contextlib.contextmanager
def without_dropout(model: nn.Module) -> Iterator[None]:
    """Run a block without dropout."""
    dropping = [one for one in model.modules() if one.training and draws_itself(one)]
    try:
        for one in dropping:
            one.training = False
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        for one in dropping:
            one.training = True


def _tensors(values: object) -> list[Tensor]:
    return [one for one in pytree.tree_leaves(values) if isinstance(one, Tensor) and not one.is_nested]
