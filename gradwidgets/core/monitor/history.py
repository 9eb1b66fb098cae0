"""What a monitor has recorded of a training."""

import math
import os
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from gradwidgets.core.monitor.history_file import read, write
from gradwidgets.core.monitor.history_form import is_whole, packed, unpacked
from gradwidgets.core.monitor.quantities import Recorded
from gradwidgets.core.results.finding import Finding


@dataclass(frozen=True, eq=False, repr=False)
class History(Recorded):
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
        rate_steps: The steps from which on the learning rate is another one, ascending, (C,), int64: every step is
            known. None in a file that has none, and where a rate is a tensor.
        highest_rates: The highest rate of the optimizer's groups from there on, (C,), float64.
        lowest_rates: The lowest.
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
            "of the same labels" as the first, and how often a label is the same as one of the next batch ("alike", in
            so many pairs of "neighbours") and would be "if drawn" at random; of numbers the
            "mean", and the root mean square "rms".
        outside: Steps before which something else than an optimizer had written to the weights.
        broken: The first step after which weights were not finite, where that was seen; 0 where it was not.
        cut: How the graph of layers ends that are used and get no gradient, by their names: "no_grad" where they run
            without one, "detached" where it is cut behind them, "checkpoint" where a reentrant checkpoint
            runs them so, "aside" where no optimizer holds them.
        turned_off: What evaluation mode turned off where the model was in it, as `monitor_mode.turned_off` says it.
        rivals: Two optimizers that step by the same gradient, by their "names", the parameters "shared", at how many
            "steps" and how many of them by a gradient used "again", as in `rivals.Rivals.told`; empty where there are
            none.
        optimizers: Who stepped by the model's gradients: the class of the one that was "given" to the monitor and what
            it "holds" of the model; the "lines" of all that stepped, as in `monitor_steppers.Line`; the steps of others
            "since" the last one of that, and the "longest" such stretch before; whether the monitor was "entered", and
            how many losses were "noted", and how many came "late", after the watch had ended; under
            "overflow" at how many ("of") of those without a step gradients were not finite ("lost"), and how many
            "passes" they were a sum of at most; under "closure" at how many calls ("of") of one, behind the first of a
            step, gradients were "added" to those of the call before; whether it was "replaced" by another monitor, and
            how many of this model had "begun", this one included; under "evaluating" at how many "steps" all of the
            model was in evaluation mode, the "first" of them, in how many "stretches", and "since" when it still is.
            Empty in a file that has none.
        swings: How often the learning rate went down and up again, as in `monitor_optimizer.Swings`; empty where it
            never did.
        rate_calls: At how many "steps" "of" those for which several losses were noted the learning rate changed between
            these, and how often ("changes"); empty where it never did.
        thrown: What became of gradients between the losses that were noted for one step, as `Thrown.told` says it;
            empty where they were added up untouched.
        rounded: Of weights of half precision, by their "type", how many numbers with a gradient were "looked at" and
            were the "same" after a sampled step, bit for bit; under "held" the vectors that no step has moved, as
            `RoundedAway.told` says it; empty where there are none.
        leftover: Of an optimizer that steps by what another loss has left in its gradients, its "name", what it has
            "held", and at how many "steps" "of" those before which another one stepped; empty where there is none.
        setting: What the model was set to at first, where that may keep it from learning, under "dropout" the
            shares of modules that drop nearly everything, under "frozen" the "share" of its numbers that is, and where;
            under "flags" modules with a plain attribute that was to freeze them, under "norms" how far the running
            means of frozen batch norms have moved.
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
            a hundred times apart, as `GroupRates.told` does, and what comes
            every few steps alone, under "turns", as `WritesInTurn.told` says it; under "idle" rows that shrink without a
            gradient, as `IdleRows.told` does, and under "no_graph" at how many "steps" "of" all the model ran without a
            graph alone.
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
    rate_steps: Tensor | None = None
    highest_rates: Tensor | None = None
    lowest_rates: Tensor | None = None
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
    rate_calls: dict[str, int] = field(default_factory=dict)
    thrown: dict[str, object] = field(default_factory=dict)
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
        return write(path, *packed(self))

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
        try:
            found = cls(**unpacked(about, tensors))
            whole = is_whole(found, tensors)
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
