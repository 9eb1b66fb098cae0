"""A model's loss as a function of its parameters, computed on a copy of the model."""

import contextlib
import io
import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import tree_map

from gradwidgets.core.losses.loss_call import check_loss
from gradwidgets.core.spectra.checked_model import batch_normalized, call_model, checked_model
from gradwidgets.core.subject.copied.clone import Clone
from gradwidgets.core.subject.copied.handed import tensors_of
from gradwidgets.core.subject.copied.slots import slots_of
from gradwidgets.core.subject.held.held import Held
from gradwidgets.core.subject.held.kinds import UNKNOWN
from gradwidgets.core.subject.home import abroad
from gradwidgets.core.subject.memory import check_room, kept_bytes
from gradwidgets.core.subject.undisturbed import SEED, random_numbers
from gradwidgets.core.subject.untouched import Untouched

T = TypeVar("T")

_SMALL = 8_000_000  # bytes of weights and data below which memory is not checked
_HALF = (torch.float16, torch.bfloat16)


class ModelLoss:
    """loss_fn(model(inputs), targets) on private copies of the model and the loss.

    Every call starts from the same random state and the copy's initial state, so dropout has one mask and
    BatchNorm's running statistics stay the same.

    Args:
        model: The model; it is unwrapped from torch.compile and DataParallel.
        loss_fn: The loss function: (output, targets) → one number.
        dtype: The dtype to convert floating point parameters, buffers, inputs and targets to; None keeps their own.
        data: The data of later batches, as far as known; tensors that model or loss hold too stay shared with them.

    Raises:
        TypeError: `model` is not a module, or `loss_fn` is not callable.
        ValueError: The model has no usable parameters: none at all, none trainable, or uninitialized, complex ones.

    Attributes:
        original: The model itself, unwrapped.
        model: The copy of the model.
        loss_fn: The copy of the loss, which refers to the model's copy wherever it reads the model.
        names: The names of the trainable parameters; shared ones appear once.
        parameters: The trainable parameters of the copy, leaves of the graph.
        notes: Remarks on the numbers, one sentence each, by subject.
    """

    def __init__(
        self,
        model: nn.Module,
        loss_fn: Callable[..., object],
        dtype: torch.dtype | None = None,
        data: object = (),
    ) -> None:
        self.original = checked_model(model)
        check_loss(loss_fn, "loss_fn")
        self.dtype = dtype
        # Classes may define how they are copied, which may have side effects.
        with Untouched(self.original, loss_fn) as block, block.again(), torch.inference_mode(False):
            clone = Clone(dtype, tensors_of(data))
            self.model, self.loss_fn = clone.of(self.original), clone.of(loss_fn)
        pairs = [(one, clone.copy_of(one)) for one in clone.batch.values()]
        self._handed = [(one, made) for one, made in pairs if made is not UNKNOWN]
        for module in self.model.modules():
            if getattr(module, "sparse", False) is True:
                # Sparse gradients have no second derivative.
                module.sparse = False  # type: ignore[assignment]  # a flag, of whatever class has it
        trainable = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        self.names = tuple(trainable)
        self.parameters: tuple[Tensor, ...] = tuple(trainable.values())
        self.device = self.parameters[0].device
        self._buffers = {id(buffer): buffer for buffer in self.model.buffers()}.values()
        self._slots = slots_of((self.model, self.loss_fn), (*self.parameters, *self._buffers))
        self._own = Held(self.model, self.loss_fn, outside=False)
        self._outside = Held(self.model, self.loss_fn, but=clone.made())
        self.notes: dict[str, str] = {}
        own = {p.dtype for p in self.original.parameters() if p.requires_grad}
        if own & set(_HALF) and dtype is not None:
            low, high = ", ".join(sorted(_name(d) for d in own & set(_HALF))), _name(dtype)
            self.notes["dtype"] = f"the model is in {low}; computed in {high} on a copy"

    def batch(self, inputs: object, targets: object) -> tuple[object, object]:
        """Convert inputs and targets to the dtype of the calls.

        Args:
            inputs: A tensor, or tuples, lists and dicts of tensors and other things.
            targets: Likewise.
        """
        clone = Clone(self.dtype)
        for one, made in self._handed:
            clone.keep(one, made)
        return clone.of(inputs), clone.of(targets)

    @contextlib.contextmanager
    def _settings(self, seed: int) -> Iterator[None]:
        """A context in which second derivatives are available, and random numbers start from a seed."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.enable_grad())
            stack.enter_context(torch.autograd.set_detect_anomaly(False))
            # Fused attention and cuDNN's RNNs have no second derivative; their plain implementations do.
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
            if any(isinstance(module, nn.RNNBase) for module in self.model.modules()):
                stack.enter_context(torch.backends.cudnn.flags(enabled=False))
            stack.enter_context(random_numbers(seed, sorted({p.device for p in self.parameters}, key=str)))
            stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")  # about operations that are slow under vmap, and the model's own
            yield

    def quiet(self, work: Callable[[], T], seed: int = SEED) -> T:
        """Run work that may call user code: everything that it can change is restored at the end.

        Args:
            work: The work to run.
            seed: The random seed.
        """
        with Untouched(held=self._outside) as block, block.again(), self._settings(seed):
            try:
                return work()
            finally:
                self._own.restore()

    def at(self, parameters: Iterable[Tensor], work: Callable[[], T]) -> T:
        """Run work while the copy has these parameters; to be called within `quiet`.

        Args:
            parameters: One tensor for each of `names`.
            work: The work to run.
        """
        wanted = {id(old): new for old, new in zip(self.parameters, parameters, strict=True) if old is not new}
        wanted |= {id(buffer): buffer.clone() for buffer in self._buffers}
        changed = [(slot, old) for slot, old in self._slots if id(old) in wanted]
        try:
            for slot, old in changed:
                slot(wanted[id(old)])
            return work()
        finally:
            for slot, old in changed:
                slot(old)

    def value(self, inputs: object, targets: object) -> Tensor:
        """Compute the loss, a scalar; to be called within `at`.

        Args:
            inputs: Inputs from `batch`.
            targets: Targets from `batch`.

        Raises:
            ValueError: The loss is not one real number.
        """
        inputs, targets = _cloned((inputs, targets), {id(made): made for _, made in self._handed})
        loss = self.output_and_loss(inputs, targets)
        if not isinstance(loss, Tensor):
            raise ValueError(
                f"loss_fn must return a tensor with one number; it returned {type(loss).__name__} {loss!r:.40}"
            )
        if loss.numel() != 1:
            raise ValueError(
                f"loss_fn must return one number; it returned shape {tuple(loss.shape)}: take its mean, for example"
            )
        if not loss.is_floating_point():
            raise ValueError(f"loss_fn must return a real number; it returned dtype {_name(loss.dtype)}")
        return loss.reshape(())

    def output_and_loss(self, inputs: object, targets: object) -> object:
        """Call the model and the loss, and return whatever the loss returns; all errors here come from user code."""
        with abroad():
            return self.loss_fn(call_model(self.model, inputs), targets)

    def gradients(
        self, inputs: object, targets: object, parameters: tuple[Tensor, ...] | None = None, *, graph: bool = False
    ) -> tuple[Tensor, tuple[Tensor | None, ...]]:
        """Compute the loss and its gradient; to be called within `quiet`.

        Args:
            inputs: Inputs from `batch`.
            targets: Targets from `batch`.
            parameters: Leaves to use instead of the model's own.
            graph: Whether the gradient can be differentiated again.

        Returns:
            The loss, and for each parameter its gradient or None where the loss does not depend on it.

        Raises:
            ValueError: The loss is not one real number, or depends on no parameter.
        """
        parameters = self.parameters if parameters is None else parameters

        def work() -> tuple[Tensor, tuple[Tensor | None, ...]]:
            loss = self.value(inputs, targets)
            if not loss.requires_grad:
                raise ValueError(
                    "the loss has no gradient: no graph leads from it to the trainable parameters (look for detach, "
                    "no_grad, item and numpy on the way)"
                )
            trained = [p for p in parameters if p.requires_grad]  # a forward pass may freeze some
            slopes = torch.autograd.grad(loss, trained, create_graph=graph, allow_unused=True)
            found = dict(zip(map(id, trained), slopes, strict=True))
            return loss.detach(), tuple([found.get(id(p)) for p in parameters])

        return self.at(parameters, work)

    def check_room(self, inputs: object, targets: object, passes: int) -> None:
        """Reject what would not fit into memory, estimated from a pass of a few samples.

        Args:
            inputs: Inputs from `batch`.
            targets: Targets from `batch`.
            passes: The memory that will be kept, as a multiple of one pass.

        Raises:
            TooLarge: (a ValueError) There is not enough memory.
        """
        weights = (*self.model.parameters(), *self.model.buffers())
        held = sum(_bytes_of(tensor) for tensor in weights if not tensor.is_meta)
        if held + sum(map(_bytes_of, tensors_of((inputs, targets)))) < _SMALL:
            return
        kept = self.quiet(lambda: kept_bytes((inputs, targets), self.value, weights))
        if not math.isnan(kept):
            what = "activations, gradients and their graph"
            check_room(passes * kept + 2 * held, what, "take a smaller batch or a smaller model")

    def observe(self, inputs: object, targets: object) -> Tensor:
        """Compute the loss once, and note randomness and BatchNorm.

        Args:
            inputs: Inputs from `batch`.
            targets: Targets from `batch`.

        Raises:
            ValueError: As in `gradients`.
        """

        def once() -> Tensor:
            before = self._random_state()
            loss, _ = self.gradients(inputs, targets)
            if not all(map(torch.equal, before, self._random_state())):
                self.notes["random"] = "the model draws random numbers (as in dropout): one draw, the same throughout"
            return loss

        loss = self.quiet(once)
        if batch_normalized(self.model):
            self.notes["batch norm"] = "BatchNorm uses this batch's own mean and variance, which couple its samples"
        return loss

    def _random_state(self) -> list[Tensor]:
        cards = {p.device.index for p in self.parameters if p.device.type == "cuda"}
        return [torch.get_rng_state(), *(torch.cuda.get_rng_state(card) for card in sorted(cards))]


def model_loss(
    model: nn.Module,
    inputs: object,
    targets: object,
    loss_fn: Callable[..., object],
    dtypes: tuple[torch.dtype | None, ...],
    *,
    passes: int = 1,
) -> tuple[ModelLoss, object, object, Tensor]:
    """A model's loss in the first dtype that the model supports.

    Args:
        model: As in `ModelLoss`.
        inputs: The model's inputs; a tuple is its positional arguments, a dict its keyword arguments.
        targets: The loss function's targets.
        loss_fn: As in `ModelLoss`.
        dtypes: The dtypes to try; None for the model's own.
        passes: The memory that will be kept, as a multiple of one pass.

    Returns:
        The function, inputs and targets in its dtype, and the loss.

    Raises:
        TypeError: As in `ModelLoss`.
        ValueError: As in `ModelLoss` and `ModelLoss.gradients`. Errors of the model itself are passed on: see `saying`.
    """
    refused: Exception | None = None
    for dtype in dtypes:
        function = ModelLoss(model, loss_fn, dtype, (inputs, targets))
        if dtype == torch.float64 and function.device.type == "mps":
            continue  # the device has no float64
        batch = function.batch(inputs, targets)
        function.check_room(*batch, passes)
        try:
            loss = function.observe(*batch)
        except (RuntimeError, TypeError) as error:
            refused = error
            continue
        if refused is not None:
            own = _name(function.parameters[0].dtype)
            function.notes["dtype"] = (
                f"computed in {own}, as the model does not support {_name(dtypes[0])}: rounding is coarser"
            )
        return function, *batch, loss
    raise refused or ValueError(f"the device of {model.__class__.__name__} supports none of the dtypes to try")


def _bytes_of(tensor: Tensor) -> int:
    if tensor.layout is torch.strided:
        return tensor.nbytes
    return tensor._nnz() * (tensor.itemsize + 8 * tensor.ndim)  # sparse: values and indices, roughly


def _cloned(tree: T, made: dict[int, Tensor]) -> T:
    # A model may change its inputs in place. Shared tensors stay shared, and what the loss holds is not cloned.
    def clone(leaf: object) -> object:
        if isinstance(leaf, Tensor) and id(leaf) not in made:
            made[id(leaf)] = leaf.clone()
        return made.get(id(leaf), leaf)

    return tree_map(clone, tree)


def _name(dtype: torch.dtype | None) -> str:
    return str(dtype).removeprefix("torch.")
