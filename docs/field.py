"""Make field.md: losses, models and trainings from the field, what is right to say of them, and what is said.

    python docs/field.py [losses] [models] [records]

runs `check_loss` on all losses, in the four views of `tests/core/surfaces/field/judge.py`, `diagnose` on all models of
`tests/core/layers/field`, and all trainings there; or the parts that are named, and leaves the others as they stand.
"""

# ruff: noqa: E501, for tables

import re
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import torch

from gradwidgets.core.results.finding import Finding
from tests.core.layers.field import judge as of_models
from tests.core.layers.field import sick, sound
from tests.core.layers.field.library import LIBRARY, MORE
from tests.core.layers.preflight import sick as before
from tests.core.layers.preflight import sound as unblamed
from tests.core.layers.preflight.more import MORE_SICK, MORE_SOUND
from tests.core.monitor.field import test_trainings, training, trainings_clean, trainings_other, trainings_sick
from tests.core.monitor.field import trainings_alike as alike
from tests.core.monitor.field import trainings_batches as batches
from tests.core.monitor.field import trainings_begun as begun
from tests.core.monitor.field import trainings_causes as causes
from tests.core.monitor.field import trainings_ended as ended
from tests.core.monitor.field import trainings_further as further
from tests.core.monitor.field import trainings_gone as gone
from tests.core.monitor.field import trainings_last as last
from tests.core.monitor.field import trainings_later as later
from tests.core.monitor.field import trainings_leapt as leapt
from tests.core.monitor.field import trainings_level as level
from tests.core.monitor.field import trainings_parts as parts
from tests.core.monitor.field import trainings_recent as recent
from tests.core.monitor.field import trainings_second as second
from tests.core.monitor.field import trainings_seldom as seldom
from tests.core.monitor.field import trainings_sound as sound_trainings
from tests.core.monitor.field import trainings_sound_more as more_trainings
from tests.core.monitor.field import trainings_spoilt as spoilt
from tests.core.monitor.field import trainings_steps as steps
from tests.core.monitor.field import trainings_unbounded as unbounded
from tests.core.monitor.field import trainings_unseen as unseen
from tests.core.surfaces.field.case import Case
from tests.core.surfaces.field.gone_wrong import GONE_WRONG
from tests.core.surfaces.field.judge import VIEWS, said, shortfall
from tests.core.surfaces.field.sound import SOUND

_LOSSES = """# Losses from the field

Made by `python docs/field.py`; nothing here is written by hand. Each loss was met in somebody's project or is a
published one, rebuilt small as a function of one or two numbers ([the code](../tests/core/surfaces/field)). What is right
to say of it was written down before `check_loss` was asked; at that first try 94 of the 98 were named right and none of
the 96 blamed. Two names were accepted afterwards: a minimum beside the target may be called that or `off_target`.
Eleven sick ones (tips of distances, clamps, a mask) and three sound ones came later, from a reader's trials: at their
first try none of the eleven was named as it should be, and none of the three blamed.

More kinds came after another reader's trials: what half precision loses first, points at which a loss is 0 by 0, a
likelihood that falls without end beside a sample, vectors of equal eigenvalues, masks of minus infinity, causes that no
eps cures, points that a loss refuses. Of 39 losses of these kinds 7 were named right at the first try, their cause and
cure included, and none of 17 sound ones that look like them was blamed. After the checks were mended on those, of 32 others
30 were named right and 1 of 15 sound ones was blamed, which the checks before had blamed too; of 26 more that were tried last
two were written down wrongly, one could not be called at all, 21 were named right and none of 7 sound ones was blamed.

A reader who had the README alone then tried 24 losses gone wrong and 16 sound ones of his own: 9 were named right, 12 in part (mostly
the operation or the cure was missing), 2 missed, 1 wrongly, and 2 sound ones blamed. After the checks were mended on these kinds, of
others that were written down first 25 of 26 and 18 of 20 (sentences and cures), 12 of 14 (seams, pairs, jumps, wrong inputs, with none
of 9 sound ones blamed), 14 of 15 (edges) and 19 of 22 (poles) were right at the first try. {again}

Each is tried in four views: at 81 and at 41 grid points along each axis, as it stands and moved by an irrational share
of its width, 1.2 % and −2.2 %. A row shows what is said in the first, its last column in how many of the four that is
right.

"""

_MODELS = """# Models from the field

Published architectures and models that went wrong, rebuilt small ([the code](../tests/core/layers/field)), each with one
batch of random numbers. What is right to say was written down before `diagnose` was asked. Who wrote the checks wrote
most of these cases too, and mended the checks on what fell short: "now" is no measurement of models that nobody here has
seen; the first tries come nearer to that.

| | first try | now |
|---|---|---|
| published architectures that are blamed, in training mode | 2 of 49 | {sound_training} |
| … in evaluation mode | – (1 of 49 before the last mends) | {sound_evaluation} |
| models of the library `transformers`, random weights, that are blamed in training mode | 3 of the first 12, 4 of 16 more | {library_training} |
| … in evaluation mode | 4 of 28 | {library_evaluation} |
| … {more} more, after the verdicts were mended on those, in training mode | 4 of {more} | {more_training} |
| … in evaluation mode | 5 of {more} | {more_evaluation} |
| models gone wrong that are named right | 33 of 37 | {sick} |
| batches and losses gone wrong that `preflight` names (cases of the checks' author) | 136 of 139 | all {preflight_sick} of its tests |
| sound batches and losses that it leaves alone | 165 of 166 | all {preflight_sound} of its tests |
| sound networks of an earlier trial, not in this repository, that are blamed | – | 0 of 105 passes |
| sick networks of that trial that are named right | – | 22 of 22 |

Of the four, two were wrong (a cross-attention, a product of gates) and two are true though no fault of the model: a
parameter that XLNet has for another task, and a pooler of FNet that the loss then did not use. Two vision models were
tried again with larger pictures, since one patch alone leaves attention nothing to choose from, and three of 41 were left
out: one that was configured wrongly here, one that cannot be differentiated in evaluation mode, and EfficientNet, whose
draw there is so small that its norms' ε hides it: 32 decades are lost, as is said.

Thirteen models gone wrong and twelve sound ones that came later are tests as well
([the code](../tests/core/layers/field/more.py)). At the first try, of twelve and twelve, 10 of 12 were named right and 1 of 24
views of sound ones was blamed; one of the two that were missed asked for what cannot be seen, since of a cross-entropy exactly
nothing came back through a head of copies.

Two models gone wrong and about two sound ones of each of eight kinds (samples that are mixed, products with 0, clamps, logits,
scores of attention, zeros as a draw, a first loss, two causes at once) came later still
([the code](../tests/core/layers/field/kinds.py)): before the checks were mended on them, 1 of 17 was named right and none of 30
views of sound ones blamed. As many more, written with them and not looked at until then
([the code](../tests/core/layers/field/kinds_later.py)): 3 of 17 before, 16 of 17 after, and none of 28 views blamed.

After a reader's trials came other kinds: draws that cut off what they are drawn from, layers and softmaxes that run along the
samples, views that change axes over, contrasts of a sample with itself, norms over one number, decisions within a loss, half
precision, loose ends of blocks ([the code](../tests/core/layers/field/kinds_drawn.py)). Before the checks were mended on them, 4 of
29 were named right and 2 of 22 sound models blamed; of others, not looked at until then
([the code](../tests/core/layers/field/kinds_drawn_later.py)), 12 of 15 were named at their first try and none of 11 blamed. Models
rebuilt from public reports of still other mechanisms: at the first try 3 of 14 were named and none of 12 sound ones blamed
([the code](../tests/core/layers/field/reports.py)), then, of others, 3 of 12 and 1 of 12
([the code](../tests/core/layers/field/reports_later.py)): a draw at a temperature near 0 and a state with the graph of the batch
before are still missed, and left out here. More of these kinds, not looked at while they were mended: 10 of 11 and none of 6
([the code](../tests/core/layers/field/reports_unseen.py)). A reader then tried sixteen
models gone wrong of his own and twelve sound ones: 6 were named right, 1 in part, 1 wrongly, and 2 sound ones blamed. Losses that
hold the inputs, leaves whose gradient is asked for, choices by index ([the code](../tests/core/layers/field/held.py)), views in the
loss and outputs that are all the same ([the code](../tests/core/layers/field/kinds_same.py)) were mended after him.

Another reader tried twenty and fourteen: 10 were named right, 5 in part, 4 missed, 1 wrongly, and no sound one was blamed. Of kinds that
were mended then, others were right at the first try so: masks of padding 7 of 7 (8 of 9 sound ones left alone), second derivatives 15 of
15, nodes that become alike 4 of 4 (5 of 6), masks and views and codes of places and flat losses 40 of 44 in all, sentences and causes
21 of 26 ([the](../tests/core/layers/field/kinds_masks.py) [code](../tests/core/layers/field/kinds_told.py)). {again}

Known to be missed or said too softly: a branch of four sigmoid layers, and two before a branch of three (each for itself is
within what sound models lose); a gate that is detached and has a trained twin, which looks like a teacher; whatever a
BatchNorm that has seen no batch hides in evaluation mode, of which only a note is made.

"""

_RECORDS = """# Records of trainings from the field

Small trainings, most of them on 8 × 8 digits, watched by a `GradientMonitor`: with one planted fault, or clean
([the code](../tests/core/layers/field)). What is right to say of each record was written down before it was asked for.
The first were written beside the checks by their author; others of different kinds later, and the checks mended by kind;
eight and eight more after that. Then came kinds that the checks did not know: sums from the middle on, guessing by
frequencies, steps that never come or are undone; and, once these were mended, others of them. The last ask for the cause
before all that it leads to: whose weights the optimizer holds, a learning rate that moves nothing, weight decay, a turned
sign, a sum, a penalty, a first loss far above guessing, layers that are not registered. Then a reader's own trainings were
answered, most of them of a monitor left to itself, which had hardly sampled: jumps in the first steps, targets of thousands, a
long momentum, evaluation mode, graphs that are cut in forward, weights that something else writes to, two optimizers, one class
in all or in each batch. Of those written after that, one fault was written down wrongly (a first beta of 0.999 trains well) and
stands among the clean ones; of the last eight, three faults were named and five clean ones left alone at once.

A reader's eighteen faults and fourteen clean loops, of a monitor left to itself: 6 were named right, 6 in part, 5 missed, 1 wrongly, none
of the clean ones blamed. The last kinds are his: who steps, what adds up, rates of 0, gradients thrown away, the step that breaks the
weights, terms with a turned sign, batches that are not finite. {again}

| | first try | now |
|---|---|---|
| recall: faults named, the first {first_sick} | 29 of 31, after the checks were fitted to them | {first_named} |
| … {new_sick} of other kinds | 17 of 22 | {new_named} |
| … {newer_sick} more, after the mends | 8 of 8 | {newer_named} |
| … {later_sick} of kinds that were not known | 2 of 13 | {later_named} |
| … {last_sick} more, after those mends | 6 of 9 | {last_named} |
| … {causes_sick} whose cause must be told first | 2 of 23 | {causes_named} |
| … {unseen_sick} more, after those mends | 17 of 18 | {unseen_named} |
| … {after_sick} more, after the mends on those | 14 of 14 | {after_named} |
| … {seldom_sick} of further kinds, most of them by a monitor left to itself | 3 of 25 | {seldom_named} |
| … {recent_sick} more, after the mends | 20 of 23 | {recent_named} |
| … {ended_sick} whose schedule ends, whose loss stays level, or that are clipped while scaled | 6 of 11 | {ended_named} |
| … {steps_sick} of that reader's kinds | 30 of 33 of others, clean ones among them | {steps_named} |
| … {begun_sick} of a third reader's kinds | not counted apart | {begun_named} |
| … {gone_sick} of a fourth reader's kinds, and before them | 35 of 41 of others, clean ones among them | {gone_named} |
| … {parts_sick} of a fifth reader's kinds | 21 of 25 | {parts_named} |
| … {since_sick} of later readers' kinds | about 8 of 10 of others | {since_named} |
| … all | | **{named}** |
| false alarms: clean trainings blamed, the first {first_clean} | 0 of 32, after the checks were fitted to them | {first_blamed} |
| … {new_clean} of other kinds | 4 of 26 | {new_blamed} |
| … {newer_clean} more, after the mends | 1 of 8 | {newer_blamed} |
| … {later_clean} beside the kinds that were not known | 1 of 14 | {later_blamed} |
| … {last_clean} more, after those mends | 0 of 13 | {last_blamed} |
| … {causes_clean} that look like those whose cause must be told first | 2 of 21 | {causes_blamed} |
| … {unseen_clean} more, after those mends | 1 of 19 | {unseen_blamed} |
| … {after_clean} more, after the mends on those | 1 of 12 | {after_blamed} |
| … {seldom_clean} beside those further kinds | 1 of 21 | {seldom_blamed} |
| … {recent_clean} more, after the mends | 2 of 24 | {recent_blamed} |
| … {ended_clean} that look like those that end, stay level or are clipped | 0 of 11 | {ended_blamed} |
| … {steps_clean} that look like those of that reader's kinds | 0 of 11 of others | {steps_blamed} |
| … {begun_clean} beside a third reader's kinds | not counted apart | {begun_blamed} |
| … {gone_clean} beside a fourth reader's kinds, and before them | with the faults above | {gone_blamed} |
| … {parts_clean} beside a fifth reader's kinds | 0 of 21; then a GAN and a bandit | {parts_blamed} |
| … {since_clean} beside later readers' kinds | about 1 of 10 of others | {since_blamed} |
| … all | | **{blamed}** |

What falls short now: {short}. "Wild memory" was written down wrongly: that recurrence trains no worse than to guess, which
is what is said; it is counted as missed. Four more were written down wrongly and put right: "on the sphere" blamed at first
try did no more than to guess, with weights too small, and "words by lot" missed at first try had few enough words to be
learned by heart; so it was with whole numbers drawn by lot, which are now asked of black pictures, and of "a Gaussian's
logarithm by hand" four units of five died at the learning rate that was chosen first. Whether there is more in the inputs to know than the frequencies say no record can tell: a floor of noise
is called guessing too. Where `note_targets` is told nothing, nothing is said of frequencies.

With two other draws of all random numbers 5 of 186 clean trainings were blamed: "slow" twice, "solved", "three turns in place" and
"ink, slowly" once each, of which the last alone is said by the newer checks; and 4 of the 44 newer faults were missed, all of them
guesses by frequencies that two standard errors did not tell from a beginning of knowledge.

"""


# A second reader's scores, on the code after those mends.
AGAIN = {
    "losses": (
        "A second reader then tried\n45 losses gone wrong and 30 sound ones: 34 right, 11 in part, none missed, none blamed; and 4 of 7 "
        "further correct ones were blamed,\nof which one parameter only rounds. The checks were mended on those once more, and on 24 losses rebuilt "
        "from reports, of which 10\nwere right at the first try. A third reader tried 24 and 16: 14 right, 8 in part (mostly a cure that does "
        "not cure), 1 missed, 1 wrong, 1\nsound one blamed. A fourth, who looked for the unusual, tried 71 and 46: 43 right, 20 in part, 6 missed, 2 wrong, "
        "6 sound\nones blamed. A fifth, like the fourth, tried 65 and 59: 45 right, 15 in part, 3 missed, 2 wrong, 7 sound ones blamed; what each "
        "found was\nmended. A sixth took 16 reports of faults and 10 losses in use as a search gave them: 15 right, one without an answer for "
        "want of memory (mended),\nnone blamed; of 18 and 10 more that were chosen to be hard, 9 right, 4 in part, 4 missed, 1 wrong, 2 blamed, not "
        "mended. A seventh, like\nthe sixth, took 16 and 10: 11 right, 3 in part, 2 missed, 3 blamed (one for a kink that slow descents stopped at "
        "and one for a saddle of a slice,\nboth mended; one for a saddle that is there); and 15 and 9 more: 11 right, 3 in part, 1 wrong, none blamed. "
        "An eighth took 16 and\n10: 12 right, 3 in part, 1 missed, none blamed; and 16 and 12 more: 9 right, 4 in part, 1 missed, 2 wrong, 1 "
        "blamed. Most of it\nwas mended."
    ),
    "models": (
        "A second reader then tried\ntwenty and fourteen: 13 right, 5 in part, 2 missed, none blamed; those were mended once more "
        "([the code](../tests/core/layers/field/kinds_second.py)),\nand of others of their kinds 20 of 20 were right at the first try, "
        "none of 24 sound ones blamed. A third reader tried 24 and 14: 20 right, 3 in part,\n1 missed, none blamed. A fourth, who\nlooked for the unusual, tried 57 and 32: 33 right, 8 in part, 15 missed, 1 wrong, none "
        "blamed. A fifth, like the fourth, tried 26 and 30: 20 right, 4 in part, 2 wrong, 2 blamed; what each found was mended. "
        "A sixth took 16 reports and 10 models\nas a search gave them: 14 right, 1 in part, 1 wrong, none blamed; and 39 and 20 more: 32 right, 3 in "
        "part, 3 missed, 1 wrong, 4 blamed, of which two were\nmended. A seventh took 16 and 10: 14 right, 1 in part, 1 wrong (both mended), none "
        "blamed; and 25 and 61 more: 16 right, 3 in part, 6 missed,\n7 blamed, of which five were mended. "
        "An eighth took 16 and 12: 13 right, 1 in part, 2 missed, none blamed; and 34 and 26 more: 24 right, 3 in part,\n7 missed, 1 blamed. "
        "Most of it was mended."
    ),
    "records": (
        "A second reader then\ntried eighteen faults and fifteen clean loops: 13 right, 2 in part, 3 missed, none blamed; those were mended "
        "once more, and of others of\ntheir kinds 7 of 9 were right at the first try, none of 16 clean ones blamed. Of twenty mechanisms that were rebuilt then, 2 were "
        "right,\n11 in part. A third reader tried eighteen and fourteen: 13 right, 3 in part, 1 missed, 1 wrong, none blamed, but 2 further "
        "clean loops. A\nfourth, who looked for the unusual, tried 24 and 21: 9 right, 7 in part, 6 missed, 2 wrong, 2 clean ones blamed. A fifth, like the "
        "fourth, tried 18 and 14: 9 right,\n5 in part, 3 missed, 1 wrong, 1 blamed; what each found was mended. A sixth took 12 "
        "reports and 8 loops as a search gave them: 9 right, 1 in part,\n2 missed, none blamed; and 16 and 7 more: 9 right, 2 in part, 5 missed, 3 blamed "
        "for one reason, mended. A seventh took\n12 and 8: 9 right, 3 in part, none blamed; and 9 and 9 more: 4 right, 1 in part, 3 missed, 1 wrong, 1 "
        "blamed; most of it mended. An eighth took 12 and 8:\n10 right, 2 missed, 1 blamed; and 8 and 11 more: 3 right, 1 in part, 4 missed, "
        "1 blamed; most of it mended."
    ),
}


def cell(text: str) -> str:
    """Text that stays in its cell of a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def told(findings: Iterable[Finding]) -> str:
    """What is said, in short."""
    return "<br>".join(f"**{one.name}**: {cell(one.message)}" for one in findings)


def rows(cases: Iterable[Case]) -> tuple[list[str], int, int]:
    """The rows of a table, how many views there were, and in how many what is said is right."""
    lines, right, tried = [], 0, 0
    for case in cases:
        found = [said(case, *view) for view in VIEWS]
        good = sum(not shortfall(case, one) for one in found)
        right, tried = right + good, tried + len(found)
        lines.append(f"| {cell(case.name)} | {cell(case.source)} | {cell(case.right)} | {told(found[0])} | {good}/4 |")
        print(f"{good}/4 {case.name}", flush=True)
    return lines, tried, right


def losses() -> str:
    """The part on losses."""
    head = "| loss | met in | right | said | right in |\n|---|---|---|---|---|\n"
    wrong, healthy = rows(GONE_WRONG), rows(SOUND)
    text = _LOSSES.format(again=AGAIN["losses"])
    text += f"Named right: {wrong[2]} of {wrong[1]} views of {len(GONE_WRONG)} losses gone wrong. "
    text += f"Not blamed: {healthy[2]} of {healthy[1]} views of {len(SOUND)} sound ones.\n\n"
    return text + f"## Gone wrong\n\n{head}" + "\n".join(wrong[0]) + f"\n\n## Sound\n\n{head}" + "\n".join(healthy[0])


def of_mode(cases: Iterable, *, training: bool) -> tuple[list[list[Finding]], int]:
    """What is said of models in a mode, and of how many it is right."""
    found = [of_models.said(case, training=training) for case in cases]
    return found, sum(not of_models.shortfall(*both) for both in zip(cases, found, strict=True))


def models() -> str:
    """The part on models."""
    tables = []
    counts = {"preflight_sick": len((*before.SICK, *MORE_SICK)), "preflight_sound": len((*unblamed.SOUND, *MORE_SOUND))}
    counts["more"] = len(MORE)
    sets = (
        ("Sound models", "sound", sound.SOUND),
        ("Models of transformers", "library", LIBRARY),
        ("More models of transformers", "more", MORE),
    )
    for title, name, cases in sets:
        found, right = of_mode(cases, training=True)
        counts[f"{name}_training"] = f"{len(cases) - right} of {len(cases)}"
        counts[f"{name}_evaluation"] = f"{len(cases) - of_mode(cases, training=False)[1]} of {len(cases)}"
        lines = [f"| {cell(c.name)} | {cell(c.source)} | {told(one)} |" for c, one in zip(cases, found, strict=True)]
        tables.append(
            f"## {title}\n\n| model | published | said in training mode |\n|---|---|---|\n" + "\n".join(lines)
        )
    found, right = of_mode(sick.SICK, training=True)
    counts["sick"] = f"{right} of {len(sick.SICK)}"
    lines = [
        f"| {cell(case.name)} | {cell(case.source)} | {cell(', '.join(sorted(case.findings)))} | {told(one)} | "
        f"{'no' if of_models.shortfall(case, one) else 'yes'} |"
        for case, one in zip(sick.SICK, found, strict=True)
    ]
    head = "| model | what went wrong | one of | said | right |\n|---|---|---|---|---|\n"
    return "\n\n".join(
        [
            _MODELS.format(**counts, again=AGAIN["models"]).strip(),
            "## Models gone wrong\n\n" + head + "\n".join(lines),
            *tables,
        ]
    )


_PARTS = (
    "first",
    "new",
    "newer",
    "later",
    "last",
    "causes",
    "unseen",
    "after",
    "seldom",
    "recent",
    "ended",
    "steps",
    "begun",
    "gone",
    "parts",
    "since",
)


def _with_rest(lists: tuple, every: tuple) -> tuple:
    """The lists, and last what the tests have besides."""
    known = {one.name for cases in lists for one in cases}
    return (*lists, tuple(one for one in every if one.name not in known))


def records() -> str:
    """The part on records."""
    counts, tables, short = {}, [], []
    sick_lists = (
        trainings_sick.FIRST, trainings_sick.NEW, trainings_sick.NEWER, later.LATER_SICK, last.LAST_SICK,
        causes.CAUSE_SICK, unseen.UNSEEN_SICK, unseen.AFTER_SICK, seldom.SELDOM_SICK, recent.RECENT_SICK,
        (*ended.ENDED_SICK, *ended.LATE_SICK, *level.LEVEL_SICK),
        (*unbounded.UNBOUNDED_SICK, *spoilt.SPOILT_SICK, *steps.STEPS_SICK, *second.SECOND_SICK),
        (*begun.BEGUN_SICK, *begun.BEGUN_HELD_OUT),
        (*leapt.LEAPT_SICK, *batches.BATCHES_SICK, *gone.GONE_SICK, *further.FURTHER_SICK),
        (*parts.PARTS_SICK, *alike.ALIKE_SICK),
    )  # fmt: skip
    clean_lists = (
        trainings_clean.FIRST, trainings_other.NEW, trainings_other.NEWER, later.LATER_CLEAN, last.LAST_CLEAN,
        causes.CAUSE_CLEAN, unseen.UNSEEN_CLEAN, unseen.AFTER_CLEAN, seldom.SELDOM_CLEAN,
        recent.RECENT_CLEAN, (*ended.ENDED_CLEAN, *ended.LATE_CLEAN, *level.LEVEL_CLEAN),
        (*unbounded.UNBOUNDED_CLEAN, *spoilt.SPOILT_CLEAN, *steps.STEPS_CLEAN, *second.SECOND_CLEAN),
        begun.BEGUN_CLEAN,
        (*leapt.LEAPT_CLEAN, *batches.BATCHES_CLEAN, *gone.GONE_CLEAN, *further.FURTHER_CLEAN),
        (*parts.PARTS_CLEAN, *alike.ALIKE_CLEAN, *sound_trainings.SOUND_CLEAN, *more_trainings.SOUND_MORE),
    )  # fmt: skip
    sick_lists, clean_lists = _with_rest(sick_lists, test_trainings.SICK), _with_rest(clean_lists, test_trainings.CLEAN)
    for title, name, lists in (("with a fault", "sick", sick_lists), ("without", "clean", clean_lists)):
        lines, total = [], 0
        for part, cases in zip(_PARTS, lists, strict=True):
            found = [(case, case.run()) for case in cases]
            wrong = [case.name for case, one in found if training.shortfall(case, one)]
            short += wrong
            counted = len(wrong) if name == "clean" else len(cases) - len(wrong)
            total += counted
            counts[f"{part}_{name}"] = len(cases)
            counts[f"{part}_{'blamed' if name == 'clean' else 'named'}"] = f"{counted} of {len(cases)}"
            lines += [
                f"| {cell(case.name)} | {cell(case.right)} | {told(one)} | {'no' if case.name in wrong else 'yes'} |"
                for case, one in found
            ]
        counts["blamed" if name == "clean" else "named"] = f"{total} of {sum(map(len, lists))}"
        head = f"## Trainings {title}\n\n| training | what is right | said | right |\n|---|---|---|---|\n"
        tables.append(head + "\n".join(lines))
    counts["short"] = ", ".join(f'"{name}"' for name in short) or "nothing"
    return "\n\n".join([_RECORDS.format(**counts, again=AGAIN["records"]).strip(), *tables])


PARTS = {"Losses": losses, "Models": models, "Records": records}


def main(*names: str) -> None:
    """Write field.md beside this file, those parts anew, or all of them."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    path = ROOT / "docs" / "field.md"
    known = {text.split()[1]: text for text in re.split(r"(?m)^(?=# )", path.read_text(encoding="utf-8")) if text}
    text = [make() if not names or name.lower() in names else known[name] for name, make in PARTS.items()]
    path.write_text("\n\n".join(one.strip() for one in text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
