"""Checks of the first pass of a training: of inputs and weights, and where possible of targets and loss."""

import contextlib
import inspect
import json
import math
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.passes.passes import FlowError, Subject, run, without_gradient_hooks
from gradwidgets.core.layers.preflight import Entry, Look, batch_findings
from gradwidgets.core.layers.preflight.amount import samples
from gradwidgets.core.layers.preflight.losses.given import in_graph
from gradwidgets.core.layers.preflight.reading import left_out, named_tensors
from gradwidgets.core.monitor.facts import OutputFacts
from gradwidgets.core.monitor.taps import Hook, Removable, take_away
from gradwidgets.core.monitor.training.first_graph import Strays, of_loss, pairs_of, span_of
from gradwidgets.core.monitor.training.given.first_output import is_learned, output_level
from gradwidgets.core.monitor.training.given.rows_as_steps import RowsAsSteps
from gradwidgets.core.results.finding import Finding, worst_first
from gradwidgets.core.results.wording import number
from gradwidgets.core.subject.home import at_home

_KEPT = 3  # batches that are expected, besides the first one
_NEAR = 1e-2  # relative: how far the loop's loss may be from the one that was checked
_WITHOUT_LOSS = (
    "non_finite_data", "non_finite_weights", "input_scale", "batch_of_one", "constant_inputs", "rows_as_steps",
)  # fmt: skip
_SURE = 3.0  # spread of the outputs, above which it is checked whether they were learned
_UNTOLD = "targets and loss were not looked at: the loop does not tell them"
_OF_ITS_GRAPH = "targets were not looked at, and of the loss only what its graph shows: the loop does not tell them"


_Around = Callable[[], contextlib.AbstractContextManager[None]]


@dataclass(frozen=True, eq=False)
class _Expected:
    """A batch that may come, and the function of its loss."""

    inputs: object
    targets: object
    loss_fn: Callable[..., object]


class _FirstHook(Hook):
    """A hook that leaves torch function modes on: the user's loss is called in the modes that the user has entered."""

    __slots__ = ()

    def __call__(self, *args: Any) -> Any:
        """Return the method's result; None once its owner is gone."""
        method = self._method()
        return None if method is None else method(*args)


class FirstLook:
    """Checks the first pass with gradients: inputs and weights always, targets and loss where they are given.

    Where they are given, a copy of the model makes one more pass, before the model's own. Where they are not, hooks
    look at the inputs and outputs of the model's own pass, and of that pass only. Where anything fails, `unseen` says
    what was not checked.

    Attributes:
        findings: What is wrong, the most severe first.
        seen: What was checked, in words.
        unseen: What was not checked, and why; "" where everything was.
        seconds: The seconds that this has cost.
        size: The largest first dimension of the inputs, so 1 for a single sample; 0 where there is none.
        made: The parts of the loss, as `of_loss` returns them.
        span: The spread of the first output, as `span_of` returns it.
        output: The size of the first output, as `output_level` returns it.
        strays: The tensors that take part and that the model does not list; None before the first pass.
        handles: The handles of the hooks.
    """

    def __init__(self) -> None:
        self.findings: tuple[Finding, ...] = ()
        self.seen: tuple[str, ...] = ()
        self.unseen = ""
        self.seconds = 0.0
        self.size = 0
        self.made: tuple[str, ...] = ()
        self.span = math.nan
        self.output: OutputFacts = {}
        self.strays: Strays | None = None
        self._alike: list[Finding] = []  # a fault only where targets differ
        self._expected: list[_Expected] = []
        self.handles: list[Removable] = []
        self._done = False
        self._loss: float | None = None  # of the copy
        self._outputs: list[Node] = []  # the outputs' nodes in autograd's graph
        self._around: weakref.WeakMethod[_Around] | None = None
        self._model: weakref.ref[nn.Module] | None = None

    @property
    def done(self) -> bool:
        """Whether the pass has come."""
        return self._done

    def expect(self, inputs: object, targets: object, loss_fn: Callable[..., object]) -> None:
        """Take a batch that the model may be given, and its loss."""
        if not self._done:
            self._expected.append(_Expected(inputs, targets, loss_fn))
            del self._expected[1:-_KEPT]  # the batches of a loop that never trains are not all kept in memory

    def arm(self, model: nn.Module, opaque: str, around: _Around) -> None:
        """Wait for the first pass.

        Args:
            model: The model.
            opaque: "compiled" or "scripted" if hooks do not run there; else "".
            around: A method that returns a block in which a copy of the model may run; its object is not kept alive.
        """
        if self._done or self.handles:
            return
        if opaque:
            self._end(f"inputs, targets and loss were not looked at: hooks do not run in a {opaque} module")
            return
        self._around, self._model = weakref.WeakMethod(around), weakref.ref(model)
        hook = _FirstHook(self._before)
        self.handles.append(model.register_forward_pre_hook(hook, with_kwargs=True))

    def disarm(self) -> None:
        """Remove the hooks, and let go of the batches."""
        take_away(self.handles)
        self._expected.clear()
        self._outputs = []

    def told_of(self, chance: dict[str, float]) -> tuple[Finding, ...]:
        """The findings, with those that are faults only where targets differ, if `chance` shows that they do."""
        differ = any(chance.get(name, 0.0) > 0 for name in ("frequencies", "base rate", "variance"))
        return tuple(worst_first([*self.findings, *(map(_plain, self._alike) if differ else ())]))

    def add(self, found: list[Finding]) -> None:
        """Add findings of a later pass, unless the first pass has shown the same."""
        if not any(one.name == known.name for one in found for known in self.findings):
            self._add(found)

    def strayed(self) -> dict[str, Tensor]:
        """The tensors that take part and that the model does not list, by the paths of their attributes."""
        return {} if self.strays is None else self.strays.tensors

    def forget(self, *_: object) -> None:
        """Let go of the first pass when the next pass or step comes, or its graph would stay in memory."""
        if self._done and (self._outputs or self._expected or self.handles):
            self.disarm()

    @at_home
    def note_loss(self, loss: object) -> None:
        """Compare the copy's loss with the loss that the loop has computed, and look at the graph of that."""
        if not self._done or not isinstance(loss, Tensor | float | int):
            return
        looked, self._loss = self._loss, None
        if isinstance(loss, Tensor) and loss.grad_fn is not None and not self.made:
            model = None if self._model is None else self._model()
            self.made = tuple(of_loss(loss, model, self._outputs))
        with contextlib.suppress(Exception):
            noted = float(loss.detach() if isinstance(loss, Tensor) else loss) if looked is not None else 0.0
            if looked is not None and not _near(looked, noted):
                self._forget_loss(looked, noted)
                looked = None
            if looked is None and self._outputs and isinstance(loss, Tensor):
                self._add([*_of_graph(loss, self._outputs), *pairs_of(loss, self._outputs)])
                self.unseen = _OF_ITS_GRAPH if self.unseen == _UNTOLD else self.unseen
        self.forget()

    def _before(self, model: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        if self._done or not torch.is_grad_enabled():
            return
        began = time.perf_counter()
        take_away(self.handles)
        try:
            self._look(model, arguments, keywords)
        except Exception as error:
            words = f"{type(error).__name__}: {error}"
            self._end(f"inputs, targets and loss were not looked at: {words:.200}")
        self.seconds += time.perf_counter() - began

    def _look(self, model: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        inputs = _as_inputs(model, arguments, keywords)
        self.size = max((one.shape[0] for _, one in named_tensors(inputs, "inputs") if one.ndim), default=0)
        expected = next((one for one in reversed(self._expected) if _same(one.inputs, inputs)), None)
        several = torch.distributed.is_available() and torch.distributed.is_initialized()
        self._end("")
        if expected is None or several:
            self._look_by_hooks(model, inputs, arguments, keywords)
            self.unseen = (
                "targets and loss were not looked at: several processes train together" if several else _UNTOLD
            )
        else:
            with self._block():
                self._look_at_copy(model, inputs, expected)
        self.handles.append(RowsAsSteps(model, self.size))
        self._watch_output(model)  # not before: the copy has the model's hooks

    def _block(self) -> contextlib.AbstractContextManager[None]:
        """The block of the method that `arm` was given."""
        around = None if self._around is None else self._around()
        return contextlib.nullcontext() if around is None else around()

    @at_home
    def _look_at_copy(self, model: nn.Module, inputs: object, expected: _Expected) -> None:
        targets = _at_device(expected.targets, inputs)
        found, self._loss = Subject.of(model, inputs, targets, expected.loss_fn).looked_at(_looked)[0]
        self._add(found)
        self.seen = ("inputs", "weights", "targets", "loss")

    def _look_by_hooks(
        self, model: nn.Module, inputs: object, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> None:
        self._add(batch_findings(model, inputs, ()))
        self._alike = samples(model, inputs, None)
        entry, stood = Entry(model, inputs), set(model._forward_pre_hooks)
        entry.__enter__()
        for key, hook in list(model._forward_pre_hooks.items()):
            if key not in stood:  # torch calls only the hooks that were there when the call began
                hook(model, arguments, keywords)
        self.handles.append(_Exit(entry))
        self.seen = ("inputs", "weights")

    def _watch_output(self, model: nn.Module) -> None:
        hook = _FirstHook(self._after)
        self.handles.append(model.register_forward_hook(hook, always_call=True))

    def _after(self, model: nn.Module, arguments: tuple[Any, ...], output: object) -> None:
        began = time.perf_counter()
        held = self.handles[:]
        self.handles.clear()
        with contextlib.suppress(Exception):
            self._outputs = [t.grad_fn for _, t in named_tensors(output, "output") if t.grad_fn is not None]
            self.span = span_of(output)
            self.output = output_level(model, output)
            if self.span > _SURE and self.output:
                self.output["learned"] = is_learned(model)
            self.strays = Strays(model, self._outputs, arguments)
        for one in held:
            one.remove()
            if isinstance(one, _Exit):
                self._add(one.findings())
            elif isinstance(one, RowsAsSteps):
                self._add(one.findings(output))
        if self._outputs:
            self.handles.append(model.register_forward_pre_hook(_FirstHook(self.forget)))
        self.seconds += time.perf_counter() - began

    def _end(self, unseen: str) -> None:
        self._done, self.unseen = True, unseen

    def _add(self, found: list[Finding]) -> None:
        known = {(one.name, one.message) for one in self.findings}
        new = [_plain(one) for one in found if (one.name, one.message) not in known]
        self.findings = tuple(worst_first([*self.findings, *new]))

    def _forget_loss(self, looked: float, noted: float) -> None:
        self.findings = tuple(one for one in self.findings if one.name in _WITHOUT_LOSS)
        self.seen = ("inputs", "weights")
        self.unseen = (
            f"targets and loss were not looked at: the loop's first loss is {number(noted)}, with the loss that "
            f"was told it would be {number(looked)}"
        )


class _Exit:
    """The hooks that watch where inputs enter the model, to be removed like a handle."""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    def remove(self) -> None:
        """Take the hooks away."""
        self._entry.__exit__(None, None, None)

    def findings(self) -> list[Finding]:
        """The findings of these hooks."""
        return self._entry.findings()


def _looked(subject: Subject) -> tuple[list[Finding], float]:
    look = Look(subject, *subject.batch())
    with without_gradient_hooks(subject.model):
        try:
            output = look.at_model(lambda: run("the model", subject.model, look.inputs, subject.model))
            loss = look.at_loss(output)
        except FlowError as error:
            return look.findings(None, error), math.nan
    return look.findings(loss), float(loss.detach())


@left_out
def _of_graph(loss: Tensor, outputs: list[Node]) -> list[Finding]:
    """Find in the graph of the loop's loss probabilities where it expects logits."""
    return [] if loss.grad_fn is None or loss.grad_fn in outputs else in_graph(loss, outputs)


def _as_inputs(model: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> object:
    """The arguments of a model's call as a batch: one value, a tuple of positional or a dict of named arguments."""
    if not keywords:
        return arguments[0] if len(arguments) == 1 and not isinstance(arguments[0], (tuple, dict)) else arguments
    if not arguments:
        return keywords
    return dict(inspect.signature(model.forward).bind(*arguments, **keywords).arguments)


def _same(expected: object, inputs: object) -> bool:
    """Whether a model was given the expected inputs: the same tensors, or equal ones of another device or dtype."""
    if isinstance(inputs, tuple) and len(inputs) == 1 and not isinstance(expected, tuple):
        inputs = inputs[0]
    theirs, ours = pytree.tree_leaves(expected), pytree.tree_leaves(inputs)
    return bool(ours) and len(theirs) == len(ours) and all(map(_equal, theirs, ours))


def _equal(a: object, b: object) -> bool:
    if a is b or not (isinstance(a, Tensor) and isinstance(b, Tensor)):
        return a is b or (type(a) is type(b) and not isinstance(a, Tensor) and bool(a == b))
    with torch.no_grad():
        return a.shape == b.shape and bool(torch.isclose(a.detach().to(b), b.detach(), equal_nan=True).all())


def _at_device(targets: object, inputs: object) -> object:
    places = [one.device for one in pytree.tree_leaves(inputs) if isinstance(one, Tensor)]
    if not places:
        return targets
    return pytree.tree_map(lambda one: one.to(places[0]) if isinstance(one, Tensor) else one, targets)


def _near(a: float, b: float) -> bool:
    if not (math.isfinite(a) and math.isfinite(b)):
        return True  # a loss that raised or is NaN is not compared
    return abs(a - b) <= _NEAR * max(abs(a), abs(b)) + 1e-6


def _plain(finding: Finding) -> Finding:
    """A finding with evidence as it would be read from a file."""
    evidence = json.loads(json.dumps(finding.to_dict()["evidence"], default=str))
    where = None if finding.where is None else tuple(float(one) for one in finding.where)
    return replace(finding, evidence=evidence, where=where)
