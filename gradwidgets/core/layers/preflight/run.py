"""The checks of a batch, a model and a loss before training."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from gradwidgets.core.layers.axes.along_samples import Along
from gradwidgets.core.layers.causes.drawn import drops, may_draw, random_state
from gradwidgets.core.layers.passes.calls import Calls
from gradwidgets.core.layers.passes.passes import FlowError, Subject, checked, run, without_gradient_hooks
from gradwidgets.core.layers.passes.way_back import failed_at
from gradwidgets.core.layers.preflight.amount import samples
from gradwidgets.core.layers.preflight.batch import batch_findings, reconsidered
from gradwidgets.core.layers.preflight.caught import Warned
from gradwidgets.core.layers.preflight.cures import has_cure, told
from gradwidgets.core.layers.preflight.entry import Entry
from gradwidgets.core.layers.preflight.failure import Raised
from gradwidgets.core.layers.preflight.folded import beside_folded
from gradwidgets.core.layers.preflight.losses.derivatives import INSTEAD, Slopes, slopes_in
from gradwidgets.core.layers.preflight.losses.first import follows
from gradwidgets.core.layers.preflight.losses.padded import padding_of
from gradwidgets.core.layers.preflight.losses.value.constant import OTHERS
from gradwidgets.core.layers.preflight.losses.value.summed import SUMMED, follow_the_batch
from gradwidgets.core.layers.preflight.losses.watched_loss import BACKWARD, ONCE, LossCall
from gradwidgets.core.layers.preflight.reading import left_out, named_tensors
from gradwidgets.core.layers.preflight.untrained import beside_frozen, nothing_to_train
from gradwidgets.core.results.finding import Finding, worst_first
from gradwidgets.core.subject.home import at_home

T = TypeVar("T")


@at_home
def preflight(model: nn.Module, inputs: object, targets: object, loss_fn: Callable[..., Tensor]) -> list[Finding]:
    """Check the inputs of a model and the loss of its outputs.

    This runs one pass forward on a copy, as in `layer_flow`; the model, the batch and the process do not change.

    Args:
        model: Any module.
        inputs: A batch, as for `layer_flow`.
        targets: The targets for the loss.
        loss_fn: The loss, `loss_fn(model's output, targets)`, which returns a tensor of one real number.

    Returns:
        The findings, the most severe first, each with its numbers and their thresholds in `evidence`; empty if nothing
        is wrong. `name` is one of "non_finite_data", "non_finite_weights", "input_scale", "target_scale",
        "batch_of_one", "empty_batch", "constant_inputs", "tokens", "broadcast", "not_logits", "not_log_probabilities",
        "not_probabilities", "labels", "target_range", "out_of_reach", "ctc", "constant_loss", "flat_loss", "loss_met",
        "detached_loss", "swapped", "term_without_gradient", "term_elsewhere", "self_similarity", "first_loss",
        "summed_loss", "padded_targets", "moving_target", "variance", "falls without end", "dropout last",
        "no_gradient" (there is nothing to train), "backward_in_loss" (or in the model's own forward), "torch_warning"
        and "raised" (an error of the model or the loss that no other finding explains).

    Raises:
        TypeError: `model` is not a module, or `loss_fn` is not callable.
        TooLarge: (a ValueError) There is too little memory for the pass.
    """
    return Subject.of(model, inputs, targets, loss_fn).looked_at(_looked)[0]


def _looked(subject: Subject) -> list[Finding]:
    look = Look(subject, *subject.batch())
    with without_gradient_hooks(subject.model):
        try:
            output = look.at_model(lambda: run("the model", subject.model, look.inputs, subject.model))
            loss = look.at_loss(output)
        except FlowError as error:
            return look.findings(None, error)
    return look.findings(loss)


class Glance:
    """A pass without checks, for networks of this package.

    Args:
        subject: The model that runs, and its loss.
        inputs: The inputs.
        targets: The targets.

    Attributes:
        looks: Whether the pass is checked.
    """

    looks = False

    def __init__(self, subject: Subject, inputs: object, targets: object) -> None:
        self.inputs, self.targets, self._subject = inputs, targets, subject

    def at_model(self, call: Callable[[], object]) -> object:
        """Call the model."""
        return call()

    def at_loss(self, output: object) -> Tensor:
        """Call the loss with the model's output.

        Raises:
            FlowError: The loss raised an error, or is no tensor of one real number.
        """
        subject = self._subject
        return checked(run("the loss", lambda: subject.loss_fn(output, self.targets), (), subject.model))

    def at_gradients(self, call: Callable[[], T], calls: Calls) -> T:
        """Run the backward pass.

        Args:
            call: Runs it.
            calls: The calls of the pass forward.
        """
        return call()

    def findings(self, loss: Tensor | None, *, reaches: bool = False) -> list[Finding]:
        """Return no findings."""
        return []

    def taken(self) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Return no shapes."""
        return []


class Look(Glance):
    """The checks of `preflight` in a pass that runs anyway.

    Args:
        subject: The model that runs, and its loss.
        inputs: The tensors that the model is called with.
        targets: The targets.
    """

    looks = True

    def __init__(self, subject: Subject, inputs: object, targets: object) -> None:
        super().__init__(subject, inputs, targets)
        self._before = batch_findings(subject.model, inputs, targets)
        self._entry, self._warned = Entry(subject.model, inputs), Warned()
        self._slopes = slopes_in(subject.model)
        self._told: LossCall | None = None
        self._output: object = None
        self._raised: Finding | None = None
        self._state = random_state()

    def at_model(self, call: Callable[[], object]) -> object:
        """Call the model."""
        with self._warned, self._entry, self._slopes:
            return self._explained(call)

    def at_loss(self, output: object) -> Tensor:
        """Call the loss with the model's output.

        Raises:
            FlowError: The loss raised an error, or is no tensor of one real number.
        """
        model, loss_fn, targets = self._subject.model, self._subject.loss_fn, self.targets
        padding = left_out(padding_of)(model, self.inputs)
        watched = LossCall(output, targets, _names(model), padding)
        self._told, self._output = watched, output

        def call() -> Tensor:
            with watched:
                loss = run("the loss", lambda: loss_fn(output, targets), (), model)
            return checked(loss)

        with self._warned:
            return self._explained(call)

    def at_gradients(self, call: Callable[[], T], calls: Calls) -> T:
        """Run the backward pass.

        Raises:
            FlowError: It raised an error; the message says where, or that the loss has called backward itself.
        """
        if self._told is not None:
            self._told.watch()
        try:
            return call()
        except FlowError as error:
            if self._told is not None and self._told.went_back:
                raise FlowError(f"{BACKWARD}. {ONCE}") from error.__cause__
            if isinstance(self._slopes, Slopes) and self._slopes.went_back:
                raise FlowError(f"{self._slopes.went_back}. {INSTEAD}") from error.__cause__
            raise FlowError(f"{error}{failed_at(error.__cause__ or error, calls)}") from error.__cause__

    def findings(self, loss: Tensor | None, error: FlowError | None = None, *, reaches: bool = False) -> list[Finding]:
        """Return the findings, the most severe first.

        Args:
            loss: The loss; None after an error.
            error: The error.
            reaches: Whether the loss is known to have a gradient by the parameters that is not faint.
        """
        subject = self._subject
        found: list[Finding] = []
        if self._told is not None:
            trained = any(one.requires_grad for one in subject.model.parameters())
            found = self._told.findings(loss, self._again, trained=trained, reaches=reaches)
            if any(one.name == SUMMED for one in found) and not follow_the_batch(subject, self._output):
                found = [one for one in found if one.name != SUMMED]
            found = beside_frozen(subject.model, self.inputs, found)
            found = _with_one_sample(self.inputs, found)
        found += [] if loss is None else left_out(nothing_to_train)(subject.model, self.inputs, loss)
        found += self._slopes.found if isinstance(self._slopes, Slopes) else []
        raised = [] if error is None else [self._raised or self._told_of(error)]
        amount = samples(subject.model, self.inputs, loss, self.targets)
        parts = reconsidered(self._before, loss), self._entry.findings(), amount, [*found, *raised]
        return beside_folded(subject.model, self.inputs, together(*parts, self._warned.findings()))

    def taken(self) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Return shapes of inputs, each with that of the view of it that a layer uses."""
        return self._entry.taken

    def steps_first(self) -> list[Along]:
        """Return the layers that expect steps first, with the shapes of their inputs."""
        return self._entry.steps_first

    def masks(self) -> list[tuple[str, Tensor]]:
        """Return the attention masks that layers got, with the layers' names."""
        return self._entry.masks

    def hiding(self) -> list[tuple[str, Tensor]]:
        """Return the key padding masks that layers got, with the layers' names."""
        return self._entry.hiding

    def drew(self) -> bool:
        """Whether random numbers were drawn since the beginning, other than by dropout as far as the code shows."""
        if not any(not torch.equal(one, other) for one, other in zip(random_state(), self._state, strict=True)):
            return False
        model = self._subject.model
        return not drops(model) or may_draw(model, self._subject.loss_fn)

    def _again(self, targets: object) -> Any:
        return self._subject.loss_fn(self._output, targets)

    def _explained(self, call: Callable[[], T]) -> T:
        """Make a call, and add causes and actions to its errors."""
        try:
            return call()
        except FlowError as error:
            why = [one for one in self.findings(None) if one.severity == "error" and one.name != "torch_warning"]
            self._raised = self._told_of(error)
            if why:
                text = str(error).rstrip(".")
                raise FlowError(f"{text}. {why[0].message}. {why[0].action}") from error
            message, action = self._raised.message, self._raised.action
            text = f"{message}. {action}" if has_cure(self._raised) else message
            raise FlowError(text) from (error.__cause__ or error)

    def _told_of(self, error: FlowError) -> Finding:
        return told(Raised(error, self._subject.model, self.inputs, self.targets, self._output, self._told is not None))


def _with_one_sample(inputs: object, found: list[Finding]) -> list[Finding]:
    """Add to a constant loss that the batch has a single sample, which may be the cause."""
    rows = {one.shape[0] if one.ndim else 0 for _, one in named_tensors(inputs, "inputs")}
    if rows != {1}:
        return found
    words = (
        "; the batch holds one sample, with which a loss that compares samples with each other has nothing to compare"
    )
    action = "Batches of two or more (drop_last=True), if it compares samples with each other."
    return [
        replace(one, message=one.message + words, action=f"{action} {one.action}") if OTHERS in one.evidence else one
        for one in found
    ]


def _names(model: nn.Module) -> dict[int, str]:
    return {id(one): name for name, one in model.named_parameters()}


def together(*parts: list[Finding]) -> list[Finding]:
    """Merge findings, the most severe first: one of each kind and tensor, without errors that another one explains."""
    kept: dict[object, Finding] = {}
    for one in (one for part in parts for one in part):
        key = (one.name, one.message if one.name in ("torch_warning", "raised") else one.evidence.get("tensor"))
        kept.setdefault(key, one)
    found = list(kept.values())
    if any(one.severity == "error" and one.name != "raised" for one in found):
        found = [one for one in found if one.name != "raised"]
    if any(one.name == "input_scale" for one in found):
        found = [one for one in found if not follows(one)]
    return worst_first(found)
