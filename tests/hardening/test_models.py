"""Looking at a model leaves it as it was: the zoo × every analysis × normal, raised and interrupted.

The short form is a seeded sample. With GRADWIDGETS_SOAK=1 every model is tried with every analysis, and a quarter of
them, by lot, is raised in and interrupted too, of `check_loss`, which runs through a million lines, a twentieth; with
GRADWIDGETS_SOAK=all, all of them. GRADWIDGETS_SEED draws others.
A line of counts for each analysis is shown and kept in `.cache/hardening.txt`; each verdict, as it comes, beside it.
"""

import os
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hardening.analyses import ALL, LOSSES, MODELS, PANELS
from tests.hardening.interrupts import FOLDER, Tracer
from tests.hardening.trial import NORMAL, Bench, Verdict, Way, outcome
from tests.hardening.undo import undone
from tests.hardening.zoo import OURS, whole

SOAK = os.environ.get("GRADWIDGETS_SOAK", "")
SEED = int(os.environ.get("GRADWIDGETS_SEED", "0"))
BENCH = Bench(ALL)
COUNTS = Path(__file__).parents[2] / ".cache" / "hardening.txt"
# What the issue began with, and one of each kind of trace.
ALWAYS = [
    ("a layer twice in a Sequential", "hessian_spectrum"),
    ("a layer twice in a Sequential", "gradient_noise_scale"),
    ("a layer twice in a Sequential", "gradient_covariance"),
    ("hooks a weight", "layer_flow"),
    ("appends three deep", "hessian_spectrum"),
    ("sets a weight's data of another dtype", "layer_flow"),
    ("sets the default dtype", "parameter_gradients"),
    ("sets inference mode", "check_loss"),
    ("counts", "check_loss"),
    ("compiled, never run", "check_loss"),
    ("raises halfway", "batch_norms"),
    ("everything at once", "LayerFlowPanel"),
    ("counts", "SurfaceExplorer"),
]
CERTIFIED = ["layer_flow", "hessian_spectrum", "gradient_noise_scale", "gradient_covariance", "try_fix clip"]


def ways(draw: random.Random) -> list[Way]:
    """One of each kind; the last comes by the clock, and so not twice at one place."""
    return [
        NORMAL,
        Way("forward", at=2, error=RuntimeError),
        *[Way(kind, draw.random()) for kind in ("forward", "backward", "loss", "line", "entry", "clock")],
    ]


def sample() -> list[tuple[str, str, Way]]:
    """What is tried every time: a few of each analysis and way."""
    draw = random.Random(SEED)
    light = [name for name, entry in OURS.items() if not entry.heavy]
    chosen = [(entry, analysis, NORMAL) for entry, analysis in ALWAYS]
    for analysis in [*MODELS, *LOSSES]:
        chosen.append((draw.choice(light), analysis, NORMAL))
        disturbed = ways(draw)[1:-1] if analysis != "check_loss" else ways(draw)[1:5]  # its lines are a million
        chosen += [(draw.choice(light), analysis, way) for way in draw.sample(disturbed, 2)]
    chosen.append((draw.choice(light), "LayerFlowPanel", NORMAL))
    return list(dict.fromkeys(chosen))


def _label(trial: tuple) -> str:
    entry, analysis, way = trial
    return f"{entry} × {analysis} × {way.kind}"


@pytest.mark.skipif(bool(SOAK), reason="the long form tries these too")
@pytest.mark.parametrize("trial", sample(), ids=_label)
def test_looking_at_a_model_leaves_it_as_it_was(trial):
    entry, analysis, way = trial
    verdict = BENCH.trial(OURS[entry], analysis, way)
    assert verdict is None or not verdict.faults, str(verdict)


class Lines(Tracer):
    """Notes which of all lines met belong to a folder.

    Args:
        folder: Of gradwidgets.
    """

    def __init__(self, folder: str) -> None:
        super().__init__("line")
        self.folder, self.met = str(Path(FOLDER) / folder), defaultdict(list)

    def _met(self, frame) -> None:
        self.count += 1
        if frame.f_code.co_filename.startswith(self.folder):
            self.met[frame.f_code.co_filename, frame.f_lineno].append(self.count)


@pytest.mark.parametrize("analysis", ["probe", "hessian_spectrum"] if SOAK else ["probe"])
def test_an_interrupt_at_any_line_that_holds_and_puts_back_leaves_a_model_as_it_was(analysis):
    with undone():
        BENCH.expected(OURS["counts"], analysis, tap=False)  # what is imported or made once
        with Lines("core/subject")() as lines:
            outcome(BENCH.analyses[analysis], OURS["counts"].build())
    draw = random.Random(SEED)
    places = [draw.choice(numbers) for numbers in lines.met.values()]
    assert len(places) > 200
    tried = places if SOAK else draw.sample(places, 10)
    verdicts = [BENCH.trial(OURS["counts"], analysis, Way("line", at=at)) for at in tried]
    faulty = [str(verdict) for verdict in verdicts if verdict and verdict.faults]
    assert not faulty, "\n".join([f"{len(faulty)} of {len(verdicts)}", *faulty])


def soaked(analysis: str) -> Iterator[Verdict | None]:
    """Every model undisturbed; then, by lot, the ways to go wrong; the heavy models last.

    Each verdict is kept as it comes.
    """
    draw, share = random.Random(f"{SEED} {analysis}"), 0.05 if analysis == "check_loss" else 0.25
    disturbed = [
        entry
        for entry in whole().values()
        if not entry.heavy and analysis not in PANELS and (SOAK == "all" or draw.random() < share)
    ]
    trials = [(entry, NORMAL) for entry in whole().values() if not entry.heavy]
    trials += [(entry, way) for entry in disturbed for way in ways(draw)[1:]]
    trials += [(entry, NORMAL) for entry in whole().values() if entry.heavy]
    for entry, way in trials:
        verdict = BENCH.trial(entry, analysis, way)
        if verdict is not None:
            with COUNTS.with_suffix(f".{analysis}.txt").open("a") as file:
                file.write(f"{entry.name}, {way.kind}: {verdict if verdict.faults else 'as it was'}\n")
        yield verdict


def counts(verdicts: list[Verdict]) -> Counter:
    """Tried, survived, lost (the run or the interrupt did not end as it may), leaked (a trace was left)."""
    return Counter(
        tried=len(verdicts),
        survived=sum(not verdict.faults for verdict in verdicts),
        lost=sum(bool(verdict.crashed or verdict.lost or verdict.again) for verdict in verdicts),
        leaked=sum(bool(verdict.left or verdict.rewritten or verdict.lied) for verdict in verdicts),
    )


@pytest.mark.skipif(not SOAK, reason="the long form: set GRADWIDGETS_SOAK=1")
@pytest.mark.parametrize("analysis", ALL)
def test_looking_at_any_model_leaves_it_as_it_was(analysis, capsys):
    COUNTS.parent.mkdir(exist_ok=True)
    verdicts = [one for one in soaked(analysis) if one is not None]
    line = f"{analysis}: " + ", ".join(f"{n} {what}" for what, n in counts(verdicts).items())
    with COUNTS.open("a") as file:
        file.write(f"seed {SEED}, {line}\n")
    with capsys.disabled():
        print(f"\nhardening, {line}")
    faulty = [str(verdict) for verdict in verdicts if verdict.faults]
    assert not faulty, "\n".join([f"{len(faulty)} of {len(verdicts)}", *faulty])


@pytest.mark.parametrize("analysis", CERTIFIED)
@pytest.mark.parametrize("entry", ["mlp", "counts", "a layer twice in a Sequential"])
def test_every_result_of_a_model_is_certified(entry, analysis):
    case = OURS[entry].build()
    assert MODELS[analysis](case).certificate.unchanged


def test_the_zoo_has_a_hundred_models_and_all_are_built_alike_twice():
    assert len(OURS) >= 100
    for name in random.Random(SEED).sample(list(OURS), 20):
        assert type(OURS[name].build().model).__qualname__ == type(OURS[name].build().model).__qualname__
