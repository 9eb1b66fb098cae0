"""A pass through somebody's model: taken out of its wrapping, on copies of its inputs, checked, without its hooks."""

import contextlib
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

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
from gradwidgets.core.subject.settings import Settings
from gradwidgets.core.subject.untouched import Untouched

T = TypeVar("T")

# Work of fewer numbers than this is done sooner by one thread than by several.
SMALL = 2_000_000
_SMALLER = "look at a smaller model, or on a larger machine"
_GRADIENT_HOOKS = ("_backward_hooks", "_backward_pre_hooks")


class FlowError(ValueError):
    """The model or the loss failed, or the loss is none; the message says which, and the model is as it was."""


@dataclass(eq=False)
class Subject:
    """Somebody's model with a batch and a loss.

    Attributes:
        model: The module that does the work, out of any wrapping; of one with lazy layers a copy, once it has run.
        inputs: A batch.
        targets: What it should give.
        loss_fn: As everywhere.
        notes: What has to be known about what is measured.
        lazy: Whether the model has parameters without sizes.
        small: Whether it takes little memory.
        light: Whether one thread does the work soonest.
        ours: Of a copy, the ids of what is in it, which belongs to nobody else.
        handed: Of a copy, what of the batch the model or the loss holds as well.
    """

    model: nn.Module
    inputs: object
    targets: object
    loss_fn: Callable
    notes: list[str]
    lazy: bool
    small: bool
    light: bool = True
    ours: frozenset[int] = frozenset()
    handed: Handed = field(default_factory=Handed)

    @classmethod
    def of(cls, model: object, inputs: object, targets: object, loss_fn: object) -> "Subject":
        """Check them.

        Raises:
            TypeError: `model` is no module, or `loss_fn` cannot be called.
        """
        if not isinstance(model, nn.Module):
            raise TypeError(f"model must be a torch.nn.Module; got {_described(model)}")
        check_loss(loss_fn, "loss_fn")
        notes: list[str] = []
        subject = inside(model, notes)
        if isinstance(inputs, Mapping):
            inputs = dict(inputs)  # whatever its kind, its tensors are to be found
        numbers, lazy = size_of(subject)
        size = _size(inputs)
        light = size + numbers * _places(inputs) < SMALL
        return cls(subject, inputs, targets, loss_fn, notes, lazy, size + numbers < SMALL, light)

    @property
    def roots(self) -> tuple:
        """What must stay as it is."""
        return self.model, self.loss_fn

    def looked_at(self, work: Callable[["Subject"], T], *, own: bool = False) -> tuple[T, Certificate]:
        """Do something with a copy of the model and the loss; the model itself is left as it is, whatever happens.

        Args:
            work: What to do with the copy, which may run, be differentiated and take hooks.
            own: Whether the model is nobody's but ours, made for this and thrown away: then it runs itself, and only
                the process is held.

        Returns:
            What came of it, and the proof that the model is as it was.
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
        """Refuse a pass that would not fit, told from a pass of a few samples.

        Raises:
            TooLarge: (a ValueError) There is too little memory.
        """
        if self.small or self.lazy:
            return
        # Weights stay what they are in a pass, but in one that clips them, say, and that has done so then before it.
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
        """The same with copies of everything, which share nothing with it that a call could change."""
        clone = clone or Clone(batch=tensors_of((self.inputs, self.targets)))
        model, loss_fn = clone.of(self.model), clone.of(self.loss_fn)
        handed = Handed.among(clone, self.inputs, self.targets)
        parts = model, clone.of(self.inputs), clone.of(self.targets), loss_fn
        if self.lazy:
            self.notes.append("lazy layers: measured on a copy, whose first call gave them their sizes and weights")
        return Subject(*parts, self.notes, self.lazy, self.small, self.light, clone.made(), handed)

    def batch(self) -> list[object]:
        """Copies of inputs and targets for one pass, which may change in place what it is given."""
        return self.handed.copied(self.inputs, self.targets)

    def loss(self) -> Tensor:
        """The loss of the batch, on copies of inputs and targets.

        Raises:
            FlowError: The model or the loss raised, or the loss is no real number in a tensor.
        """
        return self.loss_of(*self.batch())

    def loss_of(self, inputs: object, targets: object) -> Tensor:
        """The loss of these very inputs and targets, as there."""
        output = run("the model", self.model, inputs, self.model)
        return checked(run("the loss", lambda: self.loss_fn(output, targets), (), self.model))


def subject_roots(given: Mapping[str, object]) -> tuple[object, ...]:
    """What must be as it was after something was done to a model, from its arguments by name."""
    return Subject.of(*(given[name] for name in ("model", "inputs", "targets", "loss_fn"))).roots


def size_of(model: nn.Module) -> tuple[int, bool]:
    """How many numbers a model holds, and whether it has lazy parameters, which are not counted."""
    own = [t for m in model.modules() for t in (*m._parameters.values(), *m._buffers.values()) if t is not None]
    return sum([0 if nn.parameter.is_lazy(one) else one.numel() for one in own]), any(map(nn.parameter.is_lazy, own))


def _described(model: object) -> str:
    """What stands in a model's place, and what to hand over instead where that is plain."""
    if isinstance(model, torch.optim.Optimizer):
        return f"the optimizer {type(model).__name__}: hand over the module whose parameters it trains"
    if isinstance(model, type) and issubclass(model, nn.Module):
        return f"the class {model.__name__}, which only makes modules: write {model.__name__}(…)"
    return f"{type(model).__name__} {model!r:.60}"


def bytes_of(model: nn.Module) -> int:
    """How many bytes a model's weights and buffers take."""
    own = {id(t): t for m in model.modules() for t in (*m._parameters.values(), *m._buffers.values()) if t is not None}
    return sum([0 if nn.parameter.is_lazy(one) else one.nbytes for one in own.values()])


def _size(values: object) -> int:
    leaves = [values] if isinstance(values, Tensor) else pytree.tree_leaves(values)
    return sum(leaf.numel() for leaf in leaves if isinstance(leaf, Tensor))


def _places(values: object) -> int:
    """At how many places of one sample a layer works: pixels of a picture, steps of a sequence."""
    for one in pytree.tree_leaves(values):
        if isinstance(one, Tensor) and not one.is_nested and one.layout is torch.strided:
            if one.ndim > 3:
                return math.prod(one.shape[2:])
            if one.ndim == 3 or (one.ndim == 2 and not one.is_floating_point()):
                return one.shape[1]
    return 1


def inside(model: nn.Module, notes: list[str]) -> nn.Module:
    """The module that does the work."""
    while True:
        kind = type(model).__name__
        if kind == "OptimizedModule" and hasattr(model, "_orig_mod"):
            model = model._orig_mod
            notes.append("compiled: measured as the module that was compiled, since compiled code shows no layers")
        elif kind in ("DataParallel", "DistributedDataParallel") and hasattr(model, "module"):
            model = model.module
            notes.append(f"{kind}: measured as the one module inside, on its own device")
        else:
            return model


def copied(values: object) -> object:
    """The same with copied tensors: the model may change in place what it is given."""
    return Clone().of(values)


_ANOMALY = (
    lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
    lambda held: torch.set_anomaly_enabled(*held),
)
_REWRITING = torch._C._get_graph_executor_optimize, torch._C._set_graph_executor_optimize
_FUSED = torch.backends.mha.get_fastpath_enabled, torch.backends.mha.set_fastpath_enabled


def quietly(light: bool) -> Settings:
    """Inside, every module really runs: no compiled code, no fused attention; light work takes one thread.

    With `again`, as an `Untouched`.
    """
    # What is not finite is a result here; what is scripted is rewritten as it is run again, into one operation.
    wanted = {_ANOMALY: (False, True), _REWRITING: False, _FUSED: False}
    if (compiled := eager()) is not None:
        wanted[stance, put_stance] = compiled
    if light:
        wanted[torch.get_num_threads, torch.set_num_threads] = 1
    return Settings(wanted)


def hooks_in_words(model: nn.Module) -> list[str]:
    """What becomes of a model's own hooks when a copy of it is looked at."""
    tensors = {id(p) for m in model.modules() for p in m._parameters.values() if p is not None and p._backward_hooks}
    modules = [key for m in model.modules() for key in _GRADIENT_HOOKS if vars(m).get(key)]
    count, notes = len(tensors) + len(modules), []
    if count:
        notes.append(f"{count} hooks on gradients were not run: gradients are as they come to them")
    calls = [vars(m).get(key) or {} for m in model.modules() for key in ("_forward_hooks", "_forward_pre_hooks")]
    # torch's own (of weight norm, of lazy layers) keep nothing outside.
    if any(not is_torchs(hook) for held in calls for hook in held.values()):
        notes.append("the model's own forward hooks ran once, on the copy; what they keep outside it was put back")
    return notes


@contextlib.contextmanager
def without_gradient_hooks(model: nn.Module) -> Iterator[None]:
    """Take away, for a while, hooks on gradients: they would log or change a pass that is not training's."""
    tensors: dict[int, tuple[Tensor, object]] = {}
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


def is_torchs(hook: Callable) -> bool:
    """Whether a hook is torch's own (of weight norm, of lazy layers)."""
    return str(getattr(hook, "__module__", None) or type(hook).__module__).startswith("torch.")


def run_plain(call: Callable, inputs: object) -> object:
    """Call something on inputs: a tuple is its positional arguments, a dict its keyword arguments."""
    if isinstance(inputs, dict):
        return call(**inputs)
    return call(*inputs) if isinstance(inputs, tuple) and not hasattr(inputs, "_fields") else call(inputs)


def run(what: str, call: Callable, inputs: object, model: nn.Module) -> object:
    """Call something of the user's on inputs; what it raises becomes a `FlowError` that says what was called."""
    try:
        with abroad():
            return run_plain(call, inputs)
    except (Exception, SystemExit) as error:  # what ends the process is theirs; an interrupt is the person's
        where = {str(one.device) for one in model.parameters()} or {"cpu"}
        given = {str(t.device) for t in pytree.tree_leaves(inputs) if isinstance(t, Tensor)}
        hint = f" (the model is on {', '.join(sorted(where))}, its inputs on {', '.join(sorted(given))})"
        raise FlowError(
            f"{what} raised {type(error).__name__}: {error}{hint if given and where != given else ''}"
        ) from error


def checked(loss: object) -> Tensor:
    """The loss, if it is one real number in a tensor; a `FlowError` otherwise."""
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
