"""What a monitor has recorded, in bounded memory."""

import math
import os
from array import array
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from gradwidgets.core.monitor.history_file import read, write
from gradwidgets.core.results.finding import SEVERITIES, Finding
from gradwidgets.core.results.result import Result

MOST_BYTES = 64 * 2**20
_FIRST_ROOM = 64  # samples
_HEAD = 12  # numbers of a sample as a whole: step, seconds, loss, and those of _HEADS
_WORDS = ("layers", "kinds", "parameters", "notes")
_MORE_WORDS = ("unheld", "missing", "strays", "of_loss")  # files of earlier versions have none
_HEADS = ("batches", "writes", "written", "kept", "rates", "decays", "evaluating", "asked", "left")
_TOLD = (
    "cut", "turned_off", "rivals", "optimizers", "swings", "thrown", "rounded", "leftover", "setting", "inputs",
    "rescaled", "pulls", "first_output", "bad_pass", "answers", "parts",
)  # fmt: skip
_NOTED = ("noted_steps", "noted_losses", "noted_batches", "noted_entropies", "noted_rates", "noted_variances")


@dataclass(frozen=True)
class Quantity:
    """Something that is recorded for each layer.

    Attributes:
        about: What it is.
        needs: The argument of `GradientMonitor` that it takes; "" if it is always recorded.
    """

    about: str
    needs: str = ""


QUANTITIES: dict[str, Quantity] = {
    "norm": Quantity("Euclidean norm of the gradients of all the layer's own parameters that have one"),
    "rms": Quantity("that norm divided by √(number of those parameters): comparable between layers of any size"),
    "largest": Quantity("largest |element| of those gradients"),
    "weight_norm": Quantity("Euclidean norm of all the layer's own parameters, before the step"),
    "non_finite": Quantity("how many elements of the gradients are NaN or infinite"),
    "update_ratio": Quantity("norm of what the step added to the parameters, in their norm before it", "updates"),
    "activation_mean": Quantity("mean of the output of a layer with parameters", "activations"),
    "activation_std": Quantity("standard deviation (divisor n) of that output", "activations"),
    "dead": Quantity("share of an activation's units that put out zero for the whole batch", "activations"),
}


@dataclass(frozen=True, eq=False, repr=False)
class _Recorded(Result):
    """What a sample and a history hold in common; S is missing from a sample's shapes.

    Attributes:
        layers: Dotted names, L of them, in the model's order; layers that were added later come last.
        kinds: Their classes' names.
        parameters: How many numbers each owns; 0 for an activation module.
        notes: What could not be recorded, and whatever else is to be known, in sentences.
        norm: See `QUANTITIES`, as the others: (S, L), float64. NaN where a layer had no gradient.
        rms: (S, L).
        largest: (S, L).
        weight_norm: (S, L).
        non_finite: (S, L).
        update_ratio: (S, L); None unless `updates` was asked for.
        activation_mean: (S, L); None unless `activations` was asked for.
        activation_std: (S, L), the same.
        dead: (S, L), the same.
    """

    layers: tuple[str, ...]
    kinds: tuple[str, ...]
    parameters: tuple[int, ...]
    notes: tuple[str, ...]
    norm: Tensor
    rms: Tensor
    largest: Tensor
    weight_norm: Tensor
    non_finite: Tensor
    update_ratio: Tensor | None
    activation_mean: Tensor | None
    activation_std: Tensor | None
    dead: Tensor | None

    @property
    def quantities(self) -> dict[str, Tensor]:
        """The recorded ones of `QUANTITIES` by name."""
        return {name: getattr(self, name) for name in QUANTITIES if getattr(self, name) is not None}


@dataclass(frozen=True, eq=False, repr=False)
class Sample(_Recorded):
    """One sampled step; each quantity has shape (L,).

    Attributes:
        step: The optimizer's steps since the start, this one included.
        seconds: Time since the start.
        loss: What `note_loss` was told for this step; NaN if nothing.
    """

    step: int
    seconds: float
    loss: float

    def to_frame(self):
        """One row a layer.

        Returns:
            A pandas DataFrame.
        """
        import pandas as pd

        columns = {name: values.tolist() for name, values in self.quantities.items()}
        return pd.DataFrame({"layer": self.layers, "kind": self.kinds, "parameters": self.parameters, **columns})


@dataclass(frozen=True, eq=False, repr=False)
class History(_Recorded):
    """All sampled steps that are kept; each quantity has shape (S, L).

    Attributes:
        steps: The optimizer's steps since the start, from 1, (S,), int64.
        seconds: Time since the start, (S,), float64.
        loss: What `note_loss` was told, (S,), float64; NaN if nothing.
        batches: What `note_batch` was told, (S,), float64; NaN where nothing, None in a file that has none.
        writes: How often the memory of the gradients was written to since it was made, (S,), float64: it starts anew
            at `zero_grad`, unless that fills the old memory with zeros. NaN and None as in `batches`.
        written: 0 where no pass backward, and nothing else, has written to the gradients since the sample before, 1
            where something has, (S,), float64. NaN and None as in `batches`.
        kept: 1 where the gradients are in the memory that they were in at the sample before, 0 where it was let go and
            made anew, (S,), float64. NaN and None as in `batches`.
        rates: The optimizer's learning rate, the largest of its groups, (S,), float64. NaN and None as in `batches`.
        decays: Its weight decay, likewise.
        evaluating: 1 where all of the model was in evaluation mode at the step, else 0, (S,), float64. NaN and None as
            in `batches`.
        asked: Which class the gradient of the last layer's bias asks for, where it asks for one alone, and -1 where for
            several, (S,), float64. NaN where the loss is no cross-entropy of three classes or more, None as in
            `batches`.
        left: How much of the step was left before the next one, (S,), float64: 1 where nothing but the optimizer has
            written to the weights, 0 where they were put back. NaN where that is unknown, or what was written has
            nothing to do with the step.
        noted_steps: The steps of all losses that were noted, those of no sample too, ascending, (N,), int64; None in a
            file that has none.
        noted_losses: Those losses, (N,), float64.
        noted_batches: Their batches, (N,), float64; NaN where none was noted.
        noted_entropies: What guessing by the frequencies of all targets so far costs in that batch, as cross-entropy,
            (N,), float64; NaN where `note_targets` was told nothing of it, or numbers that are no classes.
        noted_rates: The same of targets that are 0 or 1, each for itself, as binary cross-entropy, (N,), float64.
        noted_variances: What guessing their mean costs there as mean square, (N,), float64; NaN for labels.
        unheld: Parameters with a gradient that no watched optimizer holds, and that nobody has moved.
        strays: Tensors of the model that take part and ask for a gradient, that its parameters do not list, and that
            nobody has moved.
        of_loss: What the first loss is made of, as far as its graph was noted: "classes", "shares" or "numbers" for one
            of torch's losses, "sum" over a batch, "negated", with a "penalty" of most weights; of others "softmax"
            where something of classes is a part of it, "logarithm" where something could be, else "no classes";
            "directions" where outputs are divided by their lengths;
            and "another network" where outputs go on through weights that are none of the model's.
        span: How far the largest number of a row of the first output is above the smallest, on the average; NaN where
            that is unknown.
        rule: How the optimizer makes a step of a gradient: its "name", whether steps are "scaled" to the learning rate,
            its "momentum" and so on; empty where several differ or none is known.
        missing: Parameters that had no gradient at the first sample that lacked some.
        outputs: How many numbers the model's last layer gives for a sample; 0 where that is unknown.
        preflight: What is wrong with what went into the first pass, and with what the loss makes of it.
        looked_at: What of that was looked at, in words.
        unseen: What was not, and why, in a sentence; "" where all was, or nothing was asked.
        waiting: How many losses were noted since the last step.
        size: How many samples the largest batch had, of the first pass's and of those that `note_targets` was told; 0
            where that is unknown.
        chance: What a guess costs that never looks at the inputs, by what `note_targets` was told: for classes the
            entropy of their "frequencies", for zeros and ones that of their "base rate", for numbers their "variance";
            the "largest share" of a class, or the "share of ones"; how many "labels" there were of whole numbers, in
            how many "batches"; the share of "batches of one class", and what it would be "if shuffled", and of those
            "of the same labels" as the first; of numbers the
            "mean", and the root mean square "rms".
        outside: Steps before which something else than an optimizer had written to the weights.
        broken: The first step after which weights were not finite, where that was seen; 0 where it was not.
        cut: How the graph of layers ends that are used and get no gradient, by their names: "no_grad" where they run
            without one, "detached" where it is cut behind them, "checkpoint" where a reentrant checkpoint
            runs them so, "aside" where no optimizer holds them.
        turned_off: What evaluation mode turned off where the model was in it, as `monitor_mode.turned_off` says it.
        rivals: Two optimizers that step by the same gradient, by their "names", the parameters "shared", at how many
            "steps" and how many of them by a gradient used "again"; empty where there are none.
        optimizers: Who stepped by the model's gradients: the class of the one that was "given" to the monitor and what
            it "holds" of the model; the "lines" of all that stepped, as in `monitor_steppers.Line`; the steps of others
            "since" the last one of that, and the "longest" such stretch before; whether the monitor was "entered", and
            how many losses were "noted", and how many came "late", after the watch had ended; under
            "overflow" at how many ("of") of those without a step gradients were not finite ("lost"), and how many
            "passes" they were a sum of at most; under "closure" at how many calls ("of") of one, behind the first of a
            step, gradients were "added" to those of the call before; whether it was "replaced" by another monitor, and
            how many of this model had "begun", this one included. Empty in a file that has none.
        swings: How often the learning rate went down and up again, as in `monitor_optimizer.Swings`; empty where it
            never did.
        thrown: At how many "steps" "of" the first ones gradients were thrown away between the losses noted for it, and
            how many "gradients"; empty where none were.
        rounded: Of weights of half precision, by their "type", how many numbers with a gradient were "looked at" and
            were the "same" after a sampled step, bit for bit; empty where there are none.
        leftover: Of an optimizer that steps by what another loss has left in its gradients, its "name", what it has
            "held", and at how many "steps" "of" those before which another one stepped; empty where there is none.
        setting: What the model was set to at first, where that may keep it from learning, under "dropout" the
            shares of modules that drop nearly everything, under "frozen" the "share" of its numbers that is, and where.
        inputs: The "steps" whose inputs were seen, their "sizes" (root mean squares) and "shapes", and how many are the
            very "same" as the first; empty where none was.
        rescaled: At how many "steps" "of" those looked at the gradients were multiplied by a number after the step,
            and how often they were "shorter" then, as by a clip that comes too late; empty where they never were.
        pulls: Of how many samples ("of") how often each of the "classes" made up a "share" or more of a batch, as the
            gradient of a mean cross-entropy shows it; empty where none did.
        first_output: The root mean square ("rms") of what the model gave at its first pass; where that is large, the
            "layers" that make much of what they are given, by how many times, and the recurrent ones that "grow" at
            each time step, likewise; where outputs are far apart, whether the last layer
            has "learned" before, by its form. Empty where it was not seen, or was no single tensor.
        bad_pass: What made the model's outputs not finite at the "step" whose loss was not: the "operation", what
            happened ("why") and what to do ("cure"). Empty where no pass could be looked at again.
        answers: How alike a model's answers to different samples are, as `Answers.told` says it; empty where they are
            no tables, or were not seen.
        parts: What happens to one part of the model and not to others: by layers' names whose gradients' memory is
            "kept" from sample to sample, as `KeptParts.told` says it, and the "groups" of an optimizer whose rates are
            a hundred times apart, as `GroupRates.told` does.
    """

    steps: Tensor
    seconds: Tensor
    loss: Tensor
    batches: Tensor | None = None
    writes: Tensor | None = None
    written: Tensor | None = None
    kept: Tensor | None = None
    rates: Tensor | None = None
    decays: Tensor | None = None
    evaluating: Tensor | None = None
    asked: Tensor | None = None
    left: Tensor | None = None
    noted_steps: Tensor | None = None
    noted_losses: Tensor | None = None
    noted_batches: Tensor | None = None
    noted_entropies: Tensor | None = None
    noted_rates: Tensor | None = None
    noted_variances: Tensor | None = None
    unheld: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()
    of_loss: tuple[str, ...] = ()
    span: float = math.nan
    rule: dict[str, object] = field(default_factory=dict)
    outputs: int = 0
    preflight: tuple[Finding, ...] = ()
    looked_at: tuple[str, ...] = ()
    unseen: str = ""
    waiting: int = 0
    size: int = 0
    chance: dict[str, float] = field(default_factory=dict)
    outside: tuple[int, ...] = ()
    broken: int = 0
    cut: dict[str, str] = field(default_factory=dict)
    turned_off: dict[str, int] = field(default_factory=dict)
    rivals: dict[str, object] = field(default_factory=dict)
    optimizers: dict[str, object] = field(default_factory=dict)
    swings: dict[str, float] = field(default_factory=dict)
    thrown: dict[str, int] = field(default_factory=dict)
    rounded: dict[str, object] = field(default_factory=dict)
    leftover: dict[str, object] = field(default_factory=dict)
    setting: dict[str, object] = field(default_factory=dict)
    inputs: dict[str, object] = field(default_factory=dict)
    rescaled: dict[str, int] = field(default_factory=dict)
    pulls: dict[str, object] = field(default_factory=dict)
    first_output: dict[str, object] = field(default_factory=dict)
    bad_pass: dict[str, object] = field(default_factory=dict)
    answers: dict[str, object] = field(default_factory=dict)
    parts: dict[str, object] = field(default_factory=dict)

    def save(self, path: str | os.PathLike) -> Path:
        """Keep it in a file, which `load` reads again: arrays and JSON, without pickles.

        Args:
            path: Where to; what is there is replaced, by all of it or not at all.

        Returns:
            The path.
        """
        tensors = {"steps": self.steps, "seconds": self.seconds, "loss": self.loss, **self.quantities}
        tensors |= {name: value for name in (*_HEADS, *_NOTED) if (value := getattr(self, name)) is not None}
        about = {name: list(getattr(self, name)) for name in (*_WORDS, *_MORE_WORDS)}
        about |= {"outputs": self.outputs, "looked_at": list(self.looked_at), "unseen": self.unseen}
        about |= {"waiting": self.waiting, "size": self.size, "chance": self.chance}
        about |= {"broken": self.broken, "span": self.span if math.isfinite(self.span) else None, "rule": self.rule}
        about |= {"outside": list(self.outside)} | {name: getattr(self, name) for name in _TOLD}
        about["preflight"] = [one.to_dict() for one in self.preflight]
        return write(path, about, tensors)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "History":
        """Read what `save` kept.

        Args:
            path: The file.

        Returns:
            The history, bit for bit.

        Raises:
            FileNotFoundError: There is none.
            ValueError: It is none of ours, of a newer version, or not whole.
        """
        about, tensors = read(path)
        names = ("steps", "seconds", "loss", *_HEADS, *_NOTED, *QUANTITIES)
        try:
            words = {name: tuple(about[name]) for name in _WORDS}
            words |= {name: tuple(about.get(name, ())) for name in _MORE_WORDS}
            words |= {"looked_at": tuple(about.get("looked_at", ())), "unseen": str(about.get("unseen", ""))}
            words |= {"preflight": tuple(map(_finding, about.get("preflight", ())))}
            words |= {name: int(about.get(name, 0)) for name in ("waiting", "size", "broken")}
            words["chance"] = {str(name): float(value) for name, value in dict(about.get("chance", {})).items()}
            words["outside"] = tuple(map(int, about.get("outside", ())))
            words |= {name: dict(about.get(name, {})) for name in _TOLD}
            words |= {"span": _number(about.get("span")), "rule": dict(about.get("rule", {}))}
            found = cls(**words, outputs=int(about.get("outputs", 0)), **{name: tensors.get(name) for name in names})
            needed = {name for name, one in QUANTITIES.items() if not one.needs} <= set(tensors)
            whole = needed and {tuple(one.shape) for one in found.quantities.values()} == {
                (len(found.steps), len(found.layers))
            }
            whole = whole and _agree(found.steps, found.seconds, found.loss, *(getattr(found, one) for one in _HEADS))
            whole = whole and _agree(*(getattr(found, one) for one in _NOTED))
        except (AttributeError, KeyError, TypeError, ValueError):
            whole = False
        if not whole:
            raise ValueError(f"{os.fspath(path)} is no whole record of a training: parts of it are missing")
        return found

    def to_frame(self):
        """One row a sampled step and layer.

        Returns:
            A pandas DataFrame.
        """
        import pandas as pd

        samples, layers = len(self.steps), len(self.layers)
        return pd.DataFrame(
            {
                "step": self.steps.repeat_interleave(layers).tolist(),
                "layer": list(self.layers) * samples,
                "kind": list(self.kinds) * samples,
                "loss": self.loss.repeat_interleave(layers).tolist(),
                **{name: values.flatten().tolist() for name, values in self.quantities.items()},
            }
        )


GradientHistory = History  # its public name


def _number(held: object) -> float:
    return math.nan if held is None else float(held)


def _finding(held: dict[str, object]) -> Finding:
    """A finding out of a file."""
    where, severity = held.get("where"), held.get("severity")
    if severity not in SEVERITIES or not all(isinstance(held.get(one), str) for one in ("name", "message", "action")):
        raise TypeError("not a finding")
    return Finding(**{**held, "where": None if where is None else tuple(where)})


def _agree(*columns: Tensor | None) -> bool:
    """Whether those that are there are of one length."""
    return len({tuple(one.shape) for one in columns if one is not None}) < 2


def evenly(steps: Tensor, count: int) -> Tensor:
    """Indices of at most so many steps, as evenly spaced as they are; the first and the last are among them.

    Args:
        steps: Ascending, (S,).
        count: ≥ 1; of 1 the first alone.
    """
    wanted = torch.linspace(float(steps[0]), float(steps[-1] if count > 1 else steps[0]), count, dtype=torch.float64)
    return torch.searchsorted(steps.double().contiguous(), wanted).clamp(max=len(steps) - 1).unique()


class Record:
    """Rows of numbers in bounded memory.

    When it is full it is thinned to half, evenly over the steps: the first sample and the newest stay, and however long
    the training, no part of it is lost. Earlier rows are never written again, so that a history can share their memory.

    Args:
        quantities: What is recorded.
        layers: How many columns there are.
        keep: The most rows; fewer where that would take more than `MOST_BYTES`.
    """

    def __init__(self, quantities: tuple[str, ...], layers: int, keep: int) -> None:
        self._quantities, self._keep, self._count = quantities, keep, 0
        self._allot(0, layers)

    def __len__(self) -> int:
        """How many samples are kept."""
        return self._count

    def most(self, layers: int) -> int:
        """How many samples of so many layers are kept at most."""
        return max(2, min(self._keep, MOST_BYTES // (8 * max(1, len(self._quantities) * layers))))

    def add(
        self, step: int, seconds: float, loss: float, numbers: dict[str, list[float]], layers: int, *more: float
    ) -> None:
        """Append a sample; what `numbers` lacks, lists or their ends, is NaN. `more` are the last of its head."""
        self._make_room(layers)
        row = array("d")
        for name in self._quantities:
            values = numbers.get(name, [])
            row.extend(values)
            row.extend([math.nan] * (layers - len(values)))
        begin = self._count * len(row)
        self._row_memory[begin : begin + len(row)] = row
        begin = self._count * _HEAD
        self._head_memory[begin : begin + _HEAD] = array(
            "d", (step, seconds, loss, *more, *[math.nan] * (_HEAD - 3 - len(more)))
        )
        self._count += 1

    def amend(self, name: str, numbers: list[float]) -> None:
        """Fill in a quantity of the newest sample that is known only after the step."""
        place = self._quantities.index(name)
        self._rows[self._count - 1, place, : len(numbers)] = torch.tensor(numbers, dtype=torch.float64)

    def amend_loss(self, loss: float) -> None:
        """Fill in the newest sample's loss."""
        self._heads[self._count - 1, 2] = loss

    def amend_last(self, value: float) -> None:
        """Fill in the last number of the newest sample's head."""
        self._heads[self._count - 1, _HEAD - 1] = value

    def history(self, layers: tuple, kinds: tuple, parameters: tuple, notes: tuple, **more: object) -> History:
        """All of it as a result."""
        tensors = self._tensors(slice(self._count), len(layers))
        steps, seconds, loss, *others = self._heads[: self._count].clone().unbind(1)
        heads = {"steps": steps.to(torch.int64), "seconds": seconds, "loss": loss}
        heads |= dict(zip(_HEADS, others, strict=True))
        return History(layers, kinds, parameters, notes, **tensors, **heads, **more)

    def latest(self, layers: tuple, kinds: tuple, parameters: tuple, notes: tuple) -> Sample | None:
        """The newest sample as a result."""
        if not self._count:
            return None
        step, seconds, loss, *_ = self._heads[self._count - 1].tolist()
        tensors = self._tensors(self._count - 1, len(layers))
        return Sample(layers, kinds, parameters, notes, **tensors, step=int(step), seconds=seconds, loss=loss)

    def _make_room(self, layers: int) -> None:
        room, _, width = self._rows.shape
        if self._count < room and layers == width:
            return
        rows, heads, most = self._rows[: self._count], self._heads[: self._count], self.most(layers)
        if len(rows) >= most:
            kept = evenly(heads[:, 0], max(1, most // 2))
            rows, heads = rows[kept], heads[kept]
        self._count = len(rows)
        self._allot(min(most, max(_FIRST_ROOM, 2 * self._count)), layers)
        self._rows[: self._count, :, :width] = rows
        self._heads[: self._count] = heads

    def _allot(self, room: int, layers: int) -> None:
        # Always new memory: a history that was given out keeps the old as it is. A row is written as Python's own
        # array, in a tenth of the time that a tensor takes, into memory that tensors share.
        self._row_memory = array("d", [math.nan]) * (room * len(self._quantities) * layers)
        self._head_memory = array("d", [math.nan]) * (room * _HEAD)
        self._rows = _shared(self._row_memory).reshape(room, len(self._quantities), layers)
        self._heads = _shared(self._head_memory).reshape(room, _HEAD)

    def _tensors(self, which: int | slice, layers: int) -> dict[str, Tensor | None]:
        rows = self._rows
        if layers > rows.shape[2]:  # of layers that were added since the last sample nothing is known
            rows = torch.nn.functional.pad(rows, (0, layers - rows.shape[2]), value=math.nan)
        places = {name: place for place, name in enumerate(self._quantities)}
        return {name: rows[which, places[name]] if name in places else None for name in QUANTITIES}


def _shared(memory: array) -> Tensor:
    return torch.frombuffer(memory, dtype=torch.float64) if memory else torch.empty(0, dtype=torch.float64)
