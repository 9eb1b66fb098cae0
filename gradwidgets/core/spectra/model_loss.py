"""A model's loss as a function of its parameters, computed on copies: the model itself is left as it was."""

import contextlib
import copy
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import tree_map

from gradwidgets.core.loss_call import check_loss
from gradwidgets.core.spectra.checked_model import batch_normalized, call_model, checked_model
from gradwidgets.core.undisturbed import SEED, Undisturbed

T = TypeVar("T")

_HALF = (torch.float16, torch.bfloat16)


class ModelLoss:
    """loss_fn(model(inputs), targets) at copies of the model's parameters and buffers.

    Every call begins with the same random numbers and the same buffers, so that dropout has one mask and BatchNorm's
    running statistics stay where they are.

    Args:
        model: The model; one that torch.compile or DataParallel wraps is taken out of the wrapping.
        loss_fn: Takes the model's output and the targets, returns one number.
        dtype: What floating point parameters, buffers, inputs and targets are converted to; None keeps their own.

    Raises:
        TypeError: `model` is no module, or `loss_fn` not callable.
        ValueError: There is nothing to differentiate by: no parameters, none trainable, without values yet, complex.

    Attributes:
        names: Names of the trainable parameters, shared ones once.
        parameters: Their copies, leaves of the graph.
        notes: What has to be known about the numbers, a sentence each, by subject.
    """

    def __init__(self, model: nn.Module, loss_fn: Callable, dtype: torch.dtype | None = None) -> None:
        self.model = checked_model(model)
        check_loss(loss_fn, "loss_fn")
        self.dtype = dtype
        self.loss_fn = loss_fn
        if dtype is not None and isinstance(loss_fn, nn.Module):
            self.loss_fn = copy.deepcopy(loss_fn).to(dtype)
        trainable = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        self.names = tuple(trainable)
        self.parameters = tuple(self._copy(p).requires_grad_() for p in trainable.values())
        self.device = self.parameters[0].device
        self._frozen = {n: self._copy(p) for n, p in self.model.named_parameters() if not p.requires_grad}
        self._buffers = {name: self._copy(buffer) for name, buffer in self.model.named_buffers()}
        self._call = _Call(self.model)
        self._undisturbed = Undisturbed(functools.partial(loss_fn, self.model))
        self.notes: dict[str, str] = {}
        own = {p.dtype for p in trainable.values()}
        if own & set(_HALF) and dtype is not None:
            low, high = ", ".join(sorted(_name(d) for d in own & set(_HALF))), _name(dtype)
            self.notes["dtype"] = f"the model is in {low}; computed in {high} on a copy"

    def _copy(self, tensor: Tensor) -> Tensor:
        tensor = tensor.detach().clone()
        return tensor.to(self.dtype) if self.dtype is not None and tensor.is_floating_point() else tensor

    def batch(self, tree: object) -> object:
        """Inputs or targets in the dtype of the calls.

        Args:
            tree: A tensor, or tuples, lists and dicts of tensors and other things.
        """
        return tree_map(lambda leaf: self._copy(leaf) if isinstance(leaf, Tensor) else leaf, tree)

    @contextlib.contextmanager
    def quiet(self, seed: int = SEED) -> Iterator[None]:
        """Within this, somebody's code may run: all that it can change is put back at the end.

        Args:
            seed: Of the random numbers.
        """
        self._undisturbed.seed = seed
        cards = sorted({p.device.index for p in self.parameters if p.device.type == "cuda"})
        with contextlib.ExitStack() as stack:
            if cards:
                stack.enter_context(torch.random.fork_rng(cards))
                for card in cards:
                    torch.cuda.default_generators[card].manual_seed(seed)
            stack.enter_context(self._undisturbed())
            stack.enter_context(_attributes_kept(self._undisturbed.models))
            # Fused attention and cuDNN's recurrent nets have no second derivative; their plain forms have.
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
            for module in self.model.modules():
                if isinstance(module, nn.RNNBase):
                    stack.enter_context(torch.backends.cudnn.flags(enabled=False))
                if getattr(module, "sparse", False) is True:
                    module.sparse = False  # put back with the other attributes
            yield

    def at(self, parameters: Iterable[Tensor], work: Callable[[], T]) -> T:
        """Do something while the model has these parameters; to be called within `quiet`.

        Args:
            parameters: One for each name.
            work: What to do.
        """
        # Through a module of our own, so that a loss which reads the model's parameters (weight decay) sees these.
        state = {**dict(zip(self.names, parameters, strict=True)), **self._frozen}
        state |= {name: buffer.clone() for name, buffer in self._buffers.items()}
        return functional_call(self._call, {f"model.{name}": tensor for name, tensor in state.items()}, (work,))

    def value(self, inputs: object, targets: object) -> Tensor:
        """The loss, a scalar; to be called within `at`.

        Args:
            inputs: From `batch`.
            targets: From `batch`.

        Raises:
            ValueError: The loss is not one real number.
        """
        loss = self.loss_fn(call_model(self.model, _cloned(inputs)), _cloned(targets))
        if not isinstance(loss, Tensor):
            raise ValueError(
                f"loss_fn must return a tensor with one number; it returned {type(loss).__name__} {loss!r:.40}"
            )
        if loss.numel() != 1:
            raise ValueError(
                f"loss_fn must return one number; it returned shape {tuple(loss.shape)}: take its mean, say"
            )
        if not loss.is_floating_point():
            raise ValueError(f"loss_fn must return a real number; it returned dtype {_name(loss.dtype)}")
        return loss.reshape(())

    def gradients(
        self, inputs: object, targets: object, parameters: tuple[Tensor, ...] | None = None, *, graph: bool = False
    ) -> tuple[Tensor, tuple[Tensor | None, ...]]:
        """The loss and its gradient; to be called within `quiet`.

        Args:
            inputs: From `batch`.
            targets: From `batch`.
            parameters: Leaves to take in place of the model's own.
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
                    "the loss has no gradient: nothing leads from it to the trainable parameters (look for detach, "
                    "no_grad, item and numpy on its way)"
                )
            return loss.detach(), torch.autograd.grad(loss, parameters, create_graph=graph, allow_unused=True)

        return self.at(parameters, work)

    def observe(self, inputs: object, targets: object) -> Tensor:
        """The loss, once, and notes about randomness and BatchNorm.

        Args:
            inputs: From `batch`.
            targets: From `batch`.

        Raises:
            ValueError: As `gradients`.
        """
        with self.quiet():
            before = self._random_state()
            loss, _ = self.gradients(inputs, targets)
            if not all(map(torch.equal, before, self._random_state())):
                self.notes["random"] = "the model draws random numbers (dropout, say): one draw, the same throughout"
        if batch_normalized(self.model):
            self.notes["batch norm"] = (
                "BatchNorm takes this batch's own mean and variance, which tie its samples together"
            )
        return loss

    def _random_state(self) -> list[Tensor]:
        cards = {p.device.index for p in self.parameters if p.device.type == "cuda"}
        return [torch.get_rng_state(), *(torch.cuda.get_rng_state(card) for card in sorted(cards))]


def model_loss(
    model: nn.Module, inputs: object, targets: object, loss_fn: Callable, dtypes: tuple[torch.dtype | None, ...]
) -> tuple[ModelLoss, object, object, Tensor]:
    """A model's loss in the first dtype that the model takes.

    Args:
        model: As in `ModelLoss`.
        inputs: The model's; a tuple is taken as its positional arguments, a dict as its keyword arguments.
        targets: The loss function's.
        loss_fn: As in `ModelLoss`.
        dtypes: To try; None for the model's own.

    Returns:
        The function, inputs and targets in its dtype, and the loss.

    Raises:
        TypeError: As `ModelLoss`.
        ValueError: As `ModelLoss` and `ModelLoss.gradients`. What the model itself raises comes through.
    """
    refused: Exception | None = None
    for dtype in dtypes:
        function = ModelLoss(model, loss_fn, dtype)
        if dtype == torch.float64 and function.device.type == "mps":
            continue  # has no float64
        batch = function.batch(inputs), function.batch(targets)
        try:
            loss = function.observe(*batch)
        except (RuntimeError, TypeError) as error:
            refused = error
            continue
        if refused is not None:
            own = _name(function.parameters[0].dtype)
            function.notes["dtype"] = (
                f"computed in {own}, for the model takes no {_name(dtypes[0])}: rounding is coarser"
            )
        return function, *batch, loss
    raise refused


class _Call(nn.Module):
    """Holds the model and does as it is told, so that `functional_call` covers the loss function too."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, work: Callable[[], T]) -> T:
        return work()


@contextlib.contextmanager
def _attributes_kept(models: Iterable[nn.Module]) -> Iterator[None]:
    """Put back which objects the modules' attributes are: modes, counters, weights that hooks compute anew."""
    modules = [m for model in models for m in model.modules() if not isinstance(m, torch.jit.ScriptModule)]
    before = [(module, dict(vars(module))) for module in modules]
    try:
        yield
    finally:
        for module, attributes in before:
            vars(module).clear()
            vars(module).update(attributes)


def _cloned(tree: object) -> object:
    # A model may change its inputs in place.
    return tree_map(lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, tree)


def _name(dtype: torch.dtype | None) -> str:
    return str(dtype).removeprefix("torch.")
