"""The dictionaries of a history, which hold plain numbers and words: their keys and the types of the values.

They are dictionaries, and not objects, since a file keeps them as JSON. They are empty where there is nothing to say.
`History` describes their contents.
"""

from typing import TypedDict


class RuleFacts(TypedDict, total=False):
    """How an optimizer computes a step from a gradient, see `optimizer_settings.rule_of`."""

    name: str
    scaled: bool
    plain: bool
    momentum: float
    decoupled: bool
    initial: float
    peak: float
    eps: float
    climbs: bool
    shares: dict[str, float]


class RivalFacts(TypedDict, total=False):
    """Two optimizers that hold the same parameters, see `rivals.Rivals.told`."""

    names: list[str]
    shared: list[str]
    steps: int
    again: int
    more: str
    others: int
    along: float


class LineFacts(TypedDict):
    """Optimizers of one class with the same parameters, see `steppers.Line`."""

    name: str
    held: list[str]
    memory: float
    watched: bool
    made: int
    steps: int
    returns: int


class StepperFacts(TypedDict):
    """All optimizers that stepped, see `steppers.Steppers`."""

    since: int
    longest: int
    lines: list[LineFacts]


class OptimizerFacts(TypedDict, total=False):
    """Which optimizers stepped, and what became known of the loop around them."""

    since: int
    longest: int
    lines: list[LineFacts]
    given: str
    holds: list[str]
    entered: bool
    noted: int
    late: int
    begun: int
    replaced: bool
    renewed: bool
    failed: str
    evaluating: dict[str, int]
    overflow: dict[str, int]
    closure: dict[str, int]


class HeldByRounding(TypedDict, total=False):
    """Vectors of half precision that no step moves, see `frozen_parts.RoundedAway.told`."""

    names: list[str]
    of: int
    type: str
    size: float
    samples: int


# Steps that half precision rounds away, see `between.Between.rounded`.
RoundedFacts = TypedDict(
    "RoundedFacts", {"type": str, "same": int, "looked at": int, "held": HeldByRounding}, total=False
)


class LeftoverFacts(TypedDict, total=False):
    """An optimizer that steps by what another loss left in its gradients, see `leftovers.Leftover.told`."""

    name: str
    held: list[str]
    steps: int
    of: int
    sums: int


class IdleFacts(TypedDict, total=False):
    """Rows of a table that weight decay shrinks without a gradient, see `idle_rows.IdleRows.told`."""

    name: str
    all: int
    rows: int
    of: int
    left: float


class FrozenShare(TypedDict):
    """The share of a model's numbers that is frozen, and the layers that they are in."""

    share: float
    layers: list[str]


class NormLayers(TypedDict):
    """The batch norms that are in training mode."""

    layers: list[str]


# What the model is set to that may keep it from learning, see `beginning.setting_of`.
SettingFacts = TypedDict(
    "SettingFacts",
    {
        "dropout": dict[str, float],
        "batch norms": NormLayers,
        "frozen": FrozenShare,
        "flags": dict[str, str],
        "norms": dict[str, float],
    },
    total=False,
)


class SmallBatchFacts(TypedDict, total=False):
    """The steps whose batch is far smaller than the largest, see `inputs_seen.SmallBatches.told`."""

    steps: list[int]
    sizes: list[int]
    of: int
    largest: int


class InputFacts(TypedDict, total=False):
    """The inputs of sampled steps, see `inputs_seen.InputsSeen.told`."""

    steps: list[int]
    sizes: list[float]
    shapes: list[list[int]]
    same: int
    small: SmallBatchFacts


class PullFacts(TypedDict, total=False):
    """The classes that single batches ask for, see `classes_asked.Pulls.told`."""

    of: int
    classes: dict[str, int]
    share: float


class OutputFacts(TypedDict, total=False):
    """How large the first output is, see `first_output.output_level`."""

    rms: float
    layers: dict[str, float]
    grows: dict[str, float]
    learned: bool


class BadPassFacts(TypedDict, total=False):
    """What made outputs or a loss not finite, see `bad_pass.LastCall.blame`."""

    step: int
    operation: str
    why: str
    cure: str


class AnswerFacts(TypedDict, total=False):
    """How alike a model's answers to different samples are, see `answers.Answers.told`."""

    steps: list[int]
    apart: list[float]
    sure: list[float]
    one: list[float]
    differ: list[float]
    width: int
    several: float
    aside: float
    paired: float


class KeptFacts(TypedDict):
    """The memory of one layer's gradient, see `kept_parts.KeptParts.told`."""

    of: int
    kept: int
    writes: float


class GroupFacts(TypedDict):
    """One group of an optimizer's parameters, see `group_rates.GroupRates.told`."""

    rate: float
    names: list[str]
    first: float
    largest: float
    moves: float


class PartFacts(TypedDict, total=False):
    """What happens to one part of a model, or at some of the steps, and not to the others."""

    kept: dict[str, KeptFacts]
    groups: list[GroupFacts]
    turns: dict[str, int]
    ahead: dict[str, int]
    idle: IdleFacts
    no_graph: dict[str, int]
