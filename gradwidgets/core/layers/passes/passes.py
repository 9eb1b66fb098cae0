"""Passes through a user's model: unwrapped, on copies of the inputs, with checks, without hooks on gradients."""

import contextlib
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from gradwidgets.core.losses.loss_call import check_loss
from gradwidgets.core.subject.copied.clone import Clone
from gradwidgets.core.subject.copied.handed import Handed, tensors_of
from gradwidgets.core.subject.held.certificate import Certificate
from gradwidgets.core.subject.held.held import Held
from gradwidgets.core.subject.held.process import eager, put_stance, stance
from gradwidgets.core.subject.home import abroad
from gradwidgets.core.subject.memory import check_room, kept_bytes
from gradwidgets.core.subject.settings import Settings, Way
from gradwidgets.core.subject.untouched import Untouched

T = TypeVar("T")

# Work on fewer numbers than this is faster with one thread than with several.
SMALL = 2_000_000
_SMALLER = "look at a smaller model, or on a larger machine"
_GRADIENT_HOOKS = ("_backward_hooks", "_backward_pre_hooks")


class FlowError(ValueError):
    """The model or the loss failed, or the loss is not a real number; the message says which."""


@dataclass(eq=False)
class Subject:
    """A user's model with a batch and a loss.

    Attributes:
        model: The module that does the work, taken out of any wrapper.
        inputs: The inputs of the batch.
        targets: The targets of the batch.
        loss_fn: The loss, `loss_fn(model's output, targets)`.
        notes: Remarks about how the model is measured; they are extended while it is.
        lazy: Whether the model has lazy parameters, whose sizes are not known yet.
        small: Whether model and batch take little memory.
        light: Whether the work is fastest with one thread.
        ours: For a copy, the ids of the objects in it, which nothing outside refers to.
        handed: For a copy, the parts of the batch that the model or the loss holds as well.
    """

    model: nn.Module
    inputs: object
    targets: object
    loss_fn: Callable[..., Any]
    notes: list[str]
    lazy: bool
    small: bool
    light: bool = True
    ours: frozenset[int] = frozenset()
    handed: Handed = field(default_factory=Handed)

    @classmethod
    def of(cls, model: object, inputs: object, targets: object, loss_fn: object) -> "Subject":
        """Check the arguments and unwrap the model.

        Raises:
            TypeError: `model` is not a module, or `loss_fn` is not callable.
        """
        if not isinstance(model, nn.Module):
            raise TypeError(f"model must be a torch.nn.Module; got {_described(model)}")
        loss = check_loss(loss_fn, "loss_fn")
        notes: list[str] = []
        subject = inside(model, notes)
        if isinstance(inputs, Mapping):
            inputs = dict(inputs)  # pytrees do not look into every kind of mapping
        numbers, lazy = size_of(subject)
        size = _size(inputs)
        light = size + numbers * _positions(inputs) < SMALL
        return cls(subject, inputs, targets, loss, notes, lazy, size + numbers < SMALL, light)

    @property
    def roots(self) -> tuple[nn.Module, Callable[..., Any]]:
        """The objects that must stay unchanged."""
        return self.model, self.loss_fn

    def looked_at(self, work: Callable[["Subject"], T], *, own: bool = False) -> tuple[T, Certificate]:
        """Work on a copy of the model and the loss; the model itself stays unchanged whatever happens.

        Args:
            work: The function of the copy, which may run, be differentiated and take hooks.
            own: Whether the model was made by this package for this one use: then it is not copied, and only the state
                of the process is restored.

        Returns:
            The function's result, and the proof that the model is unchanged.
        """
        if not own and not self.small:
            check_room(3 * bytes_of(self.model), "the weights, their copy and their gradients", _SMALLER)
        block = Untouched() if own else Untouched(*self.roots)
        with block, block.again(), quietly(self.light), torch.inference_mode(False), torch.enable_grad():
            copied = self
            if not own:
                clone = Clone(batch=tensors_of((self.inputs, self.targets)))
                copied = self.copied(clone)
                block.watch(clone)
                copied.check_room()
            result = work(copied)
        return result, block.certificate

    def check_room(self) -> None:
        """Refuse a pass that would not fit into memory, estimated from a pass of a few samples.

        Raises:
            TooLarge: (a ValueError) There is too little memory.
        """
        if self.small or self.lazy:
            return
        # A pass does not change parameters, or (if forward clips them, for example) already did so before this one.
        parameters = {id(one) for one in self.model.parameters()}
        held = Held(self.model, self.loss_fn, outside=False, but=parameters)
        try:
            batch, weights = (self.inputs, self.targets), [*self.model.parameters(), *self.model.buffers()]
            kept = kept_bytes(batch, lambda some, its: self.loss_fn(run_plain(self.model, some), its), weights)
        finally:
            held.restore()
        if not math.isnan(kept):
            check_room(kept + bytes_of(self.model), "activations and gradients of this batch", "take a smaller batch")

    def copied(self, clone: Clone | None = None) -> "Subject":
        """Return a copy of model, batch and loss that shares nothing that a call could change."""
        clone = clone or Clone(batch=tensors_of((self.inputs, self.targets)))
        model, loss_fn = clone.of(self.model), clone.of(self.loss_fn)
        handed = Handed.among(clone, self.inputs, self.targets)
        parts = model, clone.of(self.inputs), clone.of(self.targets), loss_fn
        if self.lazy:
            self.notes.append("lazy layers: measured on a copy, whose first call gave them their sizes and weights")
        return Subject(*parts, self.notes, self.lazy, self.small, self.light, clone.made(), handed)

    def batch(self) -> list[object]:
        """Return copies of inputs and targets for one pass, which may change them in place."""
        return self.handed.copied(self.inputs, self.targets)

    def loss(self) -> Tensor:
        """Compute the loss of the batch, on copies of inputs and targets.

        Raises:
            FlowError: The model or the loss raised, or the loss is not a tensor of one real number.
        """
        return self.loss_of(*self.batch())

    def loss_of(self, inputs: object, targets: object) -> Tensor:
        """Compute the loss of these inputs and targets, without copying them; errors as for `loss`."""
        output = run("the model", self.model, inputs, self.model)
        return checked(run("the loss", lambda: self.loss_fn(output, targets), (), self.model))


def subject_roots(given: Mapping[str, object]) -> tuple[object, ...]:
    """Return the objects that must stay unchanged, from a function's arguments by name."""
    return Subject.of(*(given[name] for name in ("model", "inputs", "targets", "loss_fn"))).roots


def size_of(model: nn.Module) -> tuple[int, bool]:
    """Return the number of elements of parameters and buffers, and whether there are lazy ones, which do not count."""
    own = [t for m in model.modules() for t in (*m._parameters.values(), *m._buffers.values()) if t is not None]
    return sum([0 if nn.parameter.is_lazy(one) else one.numel() for one in own]), any(map(nn.parameter.is_lazy, own))


def _described(model: object) -> str:
    """Describe an argument that is not a module, with what to pass instead where that is clear."""
    if isinstance(model, torch.optim.Optimizer):
        return f"the optimizer {type(model).__name__}: hand over the module whose parameters it trains"
    if isinstance(model, type) and issubclass(model, nn.Module):
        return f"the class {model.__name__}, which only makes modules: write {model.__name__}(…)"
    return f"{type(model).__name__} {model!r:.60}"


def bytes_of(model: nn.Module) -> int:
    """Return the number of bytes of a model's parameters and buffers."""
    own = {id(t): t for m in model.modules() for t in (*m._parameters.values(), *m._buffers.values()) if t is not None}
    return sum([0 if nn.parameter.is_lazy(one) else one.nbytes for one in own.values()])


def _size(values: object) -> int:
    """Return the number of elements of the tensors in a pytree."""
    leaves = [values] if isinstance(values, Tensor) else pytree.tree_leaves(values)
    return sum(leaf.numel() for leaf in leaves if isinstance(leaf, Tensor))


def _positions(values: object) -> int:
    """Return the number of positions in one sample: pixels of an image, steps of a sequence; 1 for plain features."""
    for one in pytree.tree_leaves(values):
        if isinstance(one, Tensor) and not one.is_nested and one.layout is torch.strided:
            if one.ndim > 3:
                return math.prod(one.shape[2:])
            if one.ndim == 3 or (one.ndim == 2 and not one.is_floating_point()):
                return one.shape[1]
    return 1


# The attributes in which torch's wrappers hold the module.
_INSIDE = {"OptimizedModule": "_orig_mod", "DataParallel": "module", "DistributedDataParallel": "module"}


def inside(model: nn.Module, notes: list[str]) -> nn.Module:
    """Return the module inside wrappers of torch's, and add a remark on each wrapper to `notes`."""
    while True:
        kind = type(model).__name__
        inner = getattr(model, _INSIDE[kind], None) if kind in _INSIDE else None
        if not isinstance(inner, nn.Module):
            return model
        model = inner
        if kind == "OptimizedModule":
            notes.append("compiled: measured as the module that was compiled, since compiled code shows no layers")
        else:
            notes.append(f"{kind}: measured as the one module inside, on its own device")


def copied(values: object) -> object:
    """Return a copy of a pytree with copied tensors, which a model may change in place."""
    return Clone().of(values)


_ANOMALY: Way = (
    lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
    lambda held: torch.set_anomaly_enabled(*held),
)
_REWRITING = torch._C._get_graph_executor_optimize, torch._C._set_graph_executor_optimize
_FUSED = torch.backends.mha.get_fastpath_enabled, torch.backends.mha.set_fastpath_enabled


def quietly(light: bool) -> Settings:
    """Make a block in which every module really runs: no compiled code, no fused attention, one thread for light work.

    Enter it together with its `again`, as an `Untouched`.
    """
    # Anomaly mode would raise at numbers that are not finite; the graph executor would fuse scripted operations.
    wanted: dict[Way, object] = {_ANOMALY: (False, True), _REWRITING: False, _FUSED: False}
    if (compiled := eager()) is not None:
        wanted[stance, put_stance] = compiled
    if light:
        wanted[torch.get_num_threads, torch.set_num_threads] = 1
    return Settings(wanted)


def hooks_in_words(model: nn.Module) -> list[str]:
    """Describe which of a model's own hooks ran on the copy, and which did not."""
    tensors = {id(p) for m in model.modules() for p in m._parameters.values() if p is not None and p._backward_hooks}
    modules = [key for m in model.modules() for key in _GRADIENT_HOOKS if vars(m).get(key)]
    count, notes = len(tensors) + len(modules), []
    if count:
        notes.append(f"{count} hooks on gradients were not run: the gradients are those before the hooks")
    calls = [vars(m).get(key) or {} for m in model.modules() for key in ("_forward_hooks", "_forward_pre_hooks")]
    # torch's own hooks (of weight norm, of lazy layers) change nothing outside the module.
    if any(not is_torchs(hook) for held in calls for hook in held.values()):
        notes.append("the model's own forward hooks ran once, on the copy; what they changed outside it was restored")
    return notes


@contextlib.contextmanager
def without_gradient_hooks(model: nn.Module) -> Iterator[None]:
    """Remove hooks on gradients within a block: they would log or change a pass that is not part of the training."""
    tensors: dict[int, tuple[Tensor, Any]] = {}
    modules = []
    for module in model.modules():
        held = vars(module)
        for one in module._parameters.values():
            if one is not None and one._backward_hooks:
                tensors[id(one)] = one, one._backward_hooks
        modules += [(held, key, held[key]) for key in _GRADIENT_HOOKS if held.get(key)]
    try:
        for tensor, _ in tensors.values():
            tensor._backward_hooks = None
        for held, key, _ in modules:
            held[key] = OrderedDict()
        yield
    finally:
        for tensor, hooks in tensors.values():
            tensor._backward_hooks = hooks
        for held, key, hooks in modules:
            held[key] = hooks


def is_torchs(hook: object) -> bool:
    """Whether a hook is torch's own (of weight norm, of lazy layers)."""
    return str(getattr(hook, "__module__", None) or type(hook).__module__).startswith("torch.")


def run_plain(call: Callable[..., object], inputs: object) -> object:
    """Call a function on inputs: a tuple holds positional arguments, a dict keyword arguments."""
    if isinstance(inputs, dict):
        return call(**inputs)
    return call(*inputs) if isinstance(inputs, tuple) and not hasattr(inputs, "_fields") else call(inputs)


def run(what: str, call: Callable[..., object], inputs: object, model: nn.Module) -> object:
    """Call a user's function on inputs; an exception becomes a `FlowError` whose message begins with `what`."""
    try:
        with abroad():
            return run_plain(call, inputs)
    except (Exception, SystemExit) as error:  # the function may call sys.exit; KeyboardInterrupt passes through
        where = {str(one.device) for one in model.parameters()} or {"cpu"}
        given = {str(t.device) for t in pytree.tree_leaves(inputs) if isinstance(t, Tensor)}
        hint = f" (the model is on {', '.join(sorted(where))}, its inputs on {', '.join(sorted(given))})"
        raise FlowError(
            f"{what} raised {type(error).__name__}: {error}{hint if given and where != given else ''}"
        ) from error


def checked(loss: object) -> Tensor:
    """Return the loss if it is a tensor of one real number; raise a `FlowError` otherwise."""
    if not isinstance(loss, Tensor):
        raise FlowError(
            f"loss_fn must return a tensor; it returned {type(loss).__name__} {loss!r:.60}, which has no gradient"
        )
    if loss.numel() != 1:
        raise FlowError(f"loss_fn must return one number; it returned shape {tuple(loss.shape)}: take its mean or sum")
    if not loss.is_floating_point():
        raise FlowError(f"loss_fn must return a real number of floating point; it returned dtype {loss.dtype}")
    if loss.is_meta:
        raise FlowError("the model is on the meta device, where tensors have shapes and no numbers")
    return loss
