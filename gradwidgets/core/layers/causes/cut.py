"""Why no gradient comes to a layer."""

from dataclasses import dataclass

COMPARISONS = (
    "gt", "greater", "ge", "greater_equal", "lt", "less", "le", "less_equal", "eq", "ne", "not_equal",
)  # fmt: skip


# They end a gradient's way on purpose.
CUTTING = ("detach", "detach_", "data")
# What it is made of stays behind.
PARAMETER = "nn.Parameter"
ANEW = "tensor"
WRAPPED = "Variable"


@dataclass(frozen=True)
class Cut:
    """Why no gradient comes to a layer.

    Attributes:
        how: "cut" by an operation, by a "checkpoint" that runs without a graph, "steps" where it goes in steps, "left"
            torch as a plain number, "written" into a parameter, "unused" by the loss, "missed": its weights take no
            part, or "replaced": others took their place while it ran.
        operation: What cuts it, in torch's words; "".
        place: File and line of that.
        quiet: Whether that was under `no_grad`.
        aside: Whether that is of a part of the model that stands beside what is trained, as a teacher or a target
            network does: it takes nothing from what is trained, and no trained layer, sum or concatenation needs it.
        judged: Whether what that part gives goes through layers that are trained on other data as well, as what a
            generator gives does in its critic's step.
        twin: The part that is trained, of the same shapes, with whose outputs its own are compared; "" for none.
        within: Of steps, whether more of the network follows, or weights are what goes in.
        into: The parameter that it is written into; "".
    """

    how: str
    operation: str = ""
    place: str = ""
    quiet: bool = False
    aside: bool = False
    twin: str = ""
    judged: bool = False
    within: bool = False
    into: str = ""

    def __str__(self) -> str:
        """As the end of a sentence on the layer."""
        if self.how == "unused":
            return "the loss does not use what it gives"
        if self.how == "missed":
            return "its weights take no part in the pass"
        if self.how == "replaced":
            return "others take the place of its weights while it runs"
        at = f" ({self.place})" if self.place else ""
        if self.how == "written":
            return f"what is made of it is written into {self.into}{at}, which keeps numbers and no way back"
        if self.how == "left":
            return f"{self.operation.strip('_')}{at} makes a plain number of it, which no gradient passes"
        if self.how == "steps":
            return f"{self.operation}{at} goes in steps, whose slope is 0"
        if self.how == "checkpoint":
            return (
                f"the checkpoint{at} has use_reentrant=True and runs it without a graph, to run it again on the way "
                "back if one of its inputs asks for a gradient, and none of them does"
            )
        if self.quiet:
            return f"it is computed under no_grad{at}"
        plain = self.operation.strip("_")
        return f"{f'the comparison {plain}' if plain in COMPARISONS else self.operation}{at} cuts it off"
