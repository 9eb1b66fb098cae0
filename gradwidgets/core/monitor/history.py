"""The record that a monitor makes of a training."""

import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from gradwidgets.core.monitor.facts import (
    AnswerFacts,
    BadPassFacts,
    InputFacts,
    LeftoverFacts,
    OptimizerFacts,
    OutputFacts,
    PartFacts,
    PullFacts,
    RivalFacts,
    RoundedFacts,
    RuleFacts,
    SettingFacts,
)
from gradwidgets.core.monitor.history_file import read, write
from gradwidgets.core.monitor.history_form import is_whole, packed, unpacked
from gradwidgets.core.monitor.quantities import Recorded
from gradwidgets.core.results.finding import Finding

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class History(Recorded):
    """All sampled steps that are kept; each quantity has shape (S, L).

    Attributes:
        steps: The number of optimizer steps since the start at each sample, from 1, (S,), int64.
        seconds: Time since the start, (S,), float64.
        loss: The loss that `note_loss` was given, (S,), float64; NaN if none.
        batches: The batch that `note_batch` was given, (S,), float64; NaN if none. None in a file without it.
        writes: How often the memory of the gradients was written to since it was made, (S,), float64: it begins at 0
            again at `zero_grad`, unless that fills the old memory with zeros. NaN where that is unknown, None in a file
            without it, as in all that follow.
        written: 1 where anything, such as a backward pass, has written to the gradients since the sample before, else
            0, (S,), float64.
        kept: 1 where the gradients are in the same memory as at the sample before, 0 where it was released and made
            anew, (S,), float64.
        rates: The optimizer's learning rate, the largest of its groups, (S,), float64.
        decays: Its weight decay, likewise.
        evaluating: 1 where all of the model was in evaluation mode at the step, else 0, (S,), float64.
        asked: The class that the gradient of the last layer's bias makes likelier, where it is only one, and -1 where
            there are several, (S,), float64. NaN where the loss is no cross-entropy of three classes or more.
        left: How much of the step was left before the next one, (S,), float64: 1 where nothing but the optimizer has
            written to the weights, 0 where they were put back. NaN where that is unknown, or where what was written has
            nothing to do with the step.
        noted_steps: The steps of all losses that were noted, those without a sample too, ascending, (N,), int64; None
            in a file without them.
        noted_losses: Those losses, (N,), float64.
        noted_batches: Their batches, (N,), float64; NaN where none was noted.
        noted_entropies: The cost of guessing by the frequencies of all targets so far, in that batch, as cross-entropy,
            (N,), float64; NaN where `note_targets` was given no targets, or numbers that are no classes.
        noted_rates: The same as binary cross-entropy, for targets that are 0 or 1 each, (N,), float64.
        noted_variances: The cost of guessing their mean, as mean square, (N,), float64; NaN for labels.
        rate_steps: The steps from which on the learning rate is a new one, ascending, (C,), int64, whether they were
            sampled or not. None in a file without them, and where a rate is a tensor.
        highest_rates: The highest rate of the optimizer's groups from there on, (C,), float64.
        lowest_rates: The lowest rate, likewise.
        unheld: Parameters with a gradient that no watched optimizer holds, and that have not moved.
        missing: Parameters that had no gradient at the first sample that lacked some.
        strays: Tensors of the model that require a gradient and are used in its pass, that its parameters do not list,
            and that have not moved.
        of_loss: What the first loss consists of, as far as its graph shows it, see `first_graph.of_loss`.
        span: How far the largest number of a row of the first output is above the smallest, on average; NaN where
            that is unknown.
        rule: How the optimizer computes a step from a gradient, see `optimizer_settings.rule_of`, and the "shares" of
            layers with a lower learning rate; empty where there are several rules, or none is known.
        outputs: How many numbers the model's last layer gives for a sample; 0 where that is unknown.
        preflight: What is wrong with the inputs of the first pass, and with its targets and its loss.
        looked_at: What of these was looked at, in words.
        unseen: What was not looked at, and why, in a sentence; "" where everything was, or nothing was asked for.
        waiting: How many losses were noted since the last step.
        size: How many samples the largest batch had, in the first pass and in the targets that `note_targets` was
            given; 0 where that is unknown.
        chance: The cost of guesses that never look at the inputs, by the targets that `note_targets` was given. For
            classes, the entropy of their "frequencies"; for zeros and ones, that of their "base rate"; for numbers,
            their "variance". Also the "largest share" of a class, or the "share of ones"; how many different "labels"
            there were, in how many "batches"; the share of "batches of one class", and what that would be "if
            shuffled"; the share of batches "of the same labels" as the first one; how often a label is the same as one
            of the next batch ("alike", in as many pairs of "neighbours") and would be "if drawn" at random; of numbers
            the "mean", and the root mean square "rms".
        outside: Steps before which something other than an optimizer had written to the weights.
        broken: The first step after which weights were seen not to be finite; 0 where none was.
        cut: How the graph ends of layers that are used and get no gradient, by their names: "no_grad" where they run
            without one, "detached" where it is cut after them, "checkpoint" where a reentrant checkpoint runs them
            without one, "aside" where no optimizer holds them.
        turned_off: What evaluation mode turned off where the model was in it, see `modes.turned_off`.
        rivals: Two optimizers that step by the same gradient, see `rivals.Rivals.told`; empty where there are none.
        optimizers: Which optimizers stepped by the model's gradients. The class of the one that was "given" to the
            monitor and the parameters that it "holds"; the "lines" of all that stepped, see `steppers.Line`; the steps
            of others "since" its last one, and the "longest" such stretch before. Whether the monitor was "entered",
            how many losses were "noted", and how many came "late", after the watch had ended. Under "overflow", at how
            many ("of") of the losses without a step gradients were not finite ("lost"), and how many "passes" they were
            a sum of at most. Under "closure", at how many calls ("of") of a closure, after the first of a step,
            gradients were "added" to those of the call before. Whether the monitor was "replaced" by another one, how
            many of this model had "begun", this one included, and why samples "failed". Under "evaluating", at how many
            "steps" all of the model was in evaluation mode, the "first" of them, in how many "stretches", and "since"
            when it still is. Empty in a file without it.
        swings: How often the learning rate went down and up again, see `optimizer_settings.Swings`; empty where it
            never did.
        rate_calls: Of the steps for which several losses were noted and between these the learning rate changed
            ("of"), how many had such a change after the first of these losses ("steps"), and how many "changes" there
            were; empty where there were none.
        thrown: How gradients were cleared or clipped between the losses that were noted for one step, see
            `Thrown.told`; empty where they were added up untouched.
        rounded: For weights of half precision, by their "type", how many numbers with a gradient were "looked at" and
            were the "same" after a sampled step, bit for bit; under "held" the vectors that no step has moved, see
            `RoundedAway.told`; empty where there are none.
        leftover: An optimizer that steps by what another loss has left in its gradients: its "name", the parameters
            that it "held", and at how many "steps" "of" those before which another one stepped; empty where there is
            none.
        setting: What the model was set to at first that may keep it from learning: under "dropout" the shares that
            modules drop, where that is nearly everything; under "frozen" the "share" of its numbers that is frozen, and
            the "layers"; under "batch norms" those in training mode; under "flags" modules with a plain attribute that
            was meant to freeze them; under "norms" how far the running means of frozen batch norms have moved.
        inputs: The "steps" whose inputs were seen, their "sizes" (root mean squares) and "shapes", how many are the
            very "same" as the first, and "small" batches; empty where none was seen.
        rescaled: At how many "steps" "of" those looked at the gradients were multiplied by a number after the step, and
            how often they were "shorter" then, as after a clip that comes too late; empty where they never were.
        pulls: In how many samples ("of") each of the "classes" made up a "share" or more of a batch, as the gradient of
            a mean cross-entropy shows it; empty where none did.
        first_output: The root mean square ("rms") of the model's first output, and where it is large why, see
            `first_output.output_level`; where outputs are far apart, whether the last layer has "learned" before.
            Empty where the output was not seen, or was no single tensor.
        bad_pass: What made the model's outputs not finite at the "step" whose loss was not: the "operation", what
            happened ("why") and what to do ("cure"). Empty where no pass could be looked at again.
        answers: How alike a model's answers to different samples are, see `Answers.told`; empty where they are no
            tables, or were not seen.
        parts: What happens to one part of the model and not to others: under "kept" layers whose gradients are never
            cleared, see `KeptParts.told`; under "groups" those of an optimizer whose rates are a hundred times apart,
            see `GroupRates.told`; under "turns" what comes every few steps only, see `WritesInTurn.told`; under "ahead"
            the lines of a clip before the backward pass, see `clip_ahead`; under "idle" rows that shrink without a
            gradient, see `IdleRows.told`; under "scales" those of a GradScaler, see `Scales.told`; under "no_graph" at
            how many "steps" "of" all the model ran without gradients only.
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
    rule: RuleFacts = field(default_factory=RuleFacts)
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
    rivals: RivalFacts = field(default_factory=RivalFacts)
    optimizers: OptimizerFacts = field(default_factory=OptimizerFacts)
    swings: dict[str, float] = field(default_factory=dict)
    rate_calls: dict[str, int] = field(default_factory=dict)
    thrown: dict[str, int] = field(default_factory=dict)
    rounded: RoundedFacts = field(default_factory=RoundedFacts)
    leftover: LeftoverFacts = field(default_factory=LeftoverFacts)
    setting: SettingFacts = field(default_factory=SettingFacts)
    inputs: InputFacts = field(default_factory=InputFacts)
    rescaled: dict[str, int] = field(default_factory=dict)
    pulls: PullFacts = field(default_factory=PullFacts)
    first_output: OutputFacts = field(default_factory=OutputFacts)
    bad_pass: BadPassFacts = field(default_factory=BadPassFacts)
    answers: AnswerFacts = field(default_factory=AnswerFacts)
    parts: PartFacts = field(default_factory=PartFacts)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Save it to a file that `load` reads: arrays and JSON, without pickles.

        Args:
            path: The file; an older one is replaced, as a whole or not at all.

        Returns:
            The path.
        """
        return write(path, *packed(self))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "History":
        """Read a file that `save` wrote.

        Args:
            path: The file.

        Returns:
            The history, bit for bit.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It was not written by `save`, has a newer version, or is not whole.
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

    def to_frame(self) -> "pd.DataFrame":
        """One row per sampled step and layer.

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
