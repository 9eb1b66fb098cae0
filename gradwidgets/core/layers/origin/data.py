"""Numbers that were not finite before any operation ran: in the batch, the model, or data that the loss holds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from gradwidgets.core.layers.origin.found import Origin, Which
from gradwidgets.core.layers.origin.places import LOSS, has_numbers, is_finite
from gradwidgets.core.layers.passes.passes import Subject
from gradwidgets.core.layers.passes.rows import ROOT
from gradwidgets.core.losses.loss_data import first_index, held_tensors
from gradwidgets.core.operations.remedies import ACTIONS

_RESTORE = "Go back to weights that are sound; then lower the learning rate, or clip the gradient."
_RESET = "Reset it (reset_running_stats), and look at the batches."
_BATCH = "it is in the batch itself"


@dataclass(frozen=True, eq=False)
class Datum:
    """A tensor that existed before the pass.

    Attributes:
        tensor: The tensor.
        where: What holds the tensor: "inputs", "targets", a module's name, or the loss function.
        name: The tensor's name in a sentence; "the inputs" also for one of several.
        part: Which of several tensors it is, "inputs[1]" for example; "" for a single one.
        verdict: What it means that the tensor is not finite.
        action: What to do about it.
        kept: Whether the tensor is a parameter or buffer.
    """

    tensor: Tensor
    where: str
    name: str
    part: str
    verdict: str
    action: str
    kept: bool = False

    @property
    def masks(self) -> bool:
        """Whether the numbers may be intended: −inf and finite numbers, as in a mask."""
        return not bool((self.tensor.isnan() | (self.tensor == float("inf"))).any())

    def origin(self, which: Which) -> Origin:
        """Return the origin that names this tensor."""
        bad = ~self.tensor.detach().isfinite()
        index = first_index(bad) if bool(bad.any()) else []
        nan, infinite = bool(self.tensor.isnan().any()), bool(self.tensor.isinf().any())
        what = " or ".join(kind for kind, met in (("NaN", nan), ("infinity", infinite)) if met)
        verb = "hold" if self.where in ("inputs", "targets") else "holds"
        what = what if verb == "hold" or self.where == LOSS else "NaN or infinity"
        many = f"{int(bad.sum()):,} of {bad.numel():,} numbers" + (f" of {self.part}" if self.part else "")
        first = f", first at {index}" if index else ""
        sentence = f"{self.name} {verb} {what}: {many}{first}; {self.verdict}"
        return Origin(sentence, self.action, "data", self.where, "", which, held=self.name if self.kept else "")


def data_of(subject: Subject, inputs: object, targets: object) -> Iterator[Datum]:
    """Yield all tensors that are not finite before the pass.

    Args:
        subject: Model and loss.
        inputs: The model's inputs.
        targets: The loss's targets.
    """
    for datum in _candidates(subject, inputs, targets):
        if has_numbers(datum.tensor) and not is_finite(datum.tensor):
            yield datum


def _candidates(subject: Subject, inputs: object, targets: object) -> Iterator[Datum]:
    for where, values in (("inputs", inputs), ("targets", targets)):
        clean = f"Clean the data: torch.isfinite({where}) says where."
        for part, tensor in _parts(where, values):
            yield Datum(tensor, where, f"the {where}", part if part != where else "", _BATCH, clean)
    model = subject.model
    for name, tensor in model.named_parameters():
        if not nn.parameter.is_lazy(tensor):
            verdict = "the weights themselves are spoilt, by an earlier step perhaps"
            yield Datum(tensor, _owner(name), name, "", verdict, _RESTORE, kept=True)
    for name, tensor in model.named_buffers():
        if not nn.parameter.is_lazy(tensor):
            verdict = "the buffer itself is spoilt, by an earlier batch perhaps"
            yield Datum(tensor, _owner(name), name, "", verdict, _RESET, kept=True)
    for owner, module in model.named_modules():
        for key, value in list(vars(module).items()):
            for part, tensor in _parts(f"{owner}.{key}" if owner else key, value) if key[:1] != "_" else ():
                yield Datum(tensor, owner or ROOT, part, "", "the model reads it as it is", ACTIONS["data"])
    for name, tensor in held_tensors(subject.loss_fn):
        yield Datum(tensor, LOSS, name, "", "the loss function reads it as it is", ACTIONS["data"])


def _parts(name: str, values: object) -> Iterator[tuple[str, Tensor]]:
    if isinstance(values, Tensor):
        yield name, values
    elif isinstance(values, Mapping):
        for key, value in values.items():
            yield from _parts(f"{name}[{key!r}]", value)
    elif isinstance(values, (tuple, list)):
        for place, value in enumerate(values):
            yield from _parts(f"{name}[{place}]", value)


def _owner(name: str) -> str:
    return name.rpartition(".")[0].split(".parametrizations")[0] or ROOT
