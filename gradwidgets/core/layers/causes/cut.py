"""Why a layer gets no gradient."""

from dataclasses import dataclass

COMPARISONS = (
    "gt", "greater", "ge", "greater_equal", "lt", "less", "le", "less_equal", "eq", "ne", "not_equal",
)  # fmt: skip


# Operations that stop a gradient on purpose.
CUTTING = ("detach", "detach_", "data")
# Functions that make a new tensor, without the graph of the old one.
PARAMETER = "nn.Parameter"
ANEW = "tensor"
WRAPPED = "Variable"


@dataclass(frozen=True)
class Cut:
    """Why a layer gets no gradient.

    Attributes:
        how: "cut" by an operation; by a "checkpoint" that runs without a graph; by "steps" of a piecewise constant
            function; "left" torch as a plain number; "written" into a parameter; "unused" by the loss; "missed", if its
            weights are not used; or "replaced", if other tensors were used in place of its weights.
        operation: torch's name of the operation; "" for none.
        place: File and line of the operation.
        quiet: Whether it ran under `no_grad`.
        aside: Whether the layer belongs to a part of the model beside the trained layers, such as a teacher or a target
            network: it does not depend on them, and no trained layer, sum or concatenation needs it.
        judged: Whether that part's outputs are inputs of layers that are trained on other data as well, like those of
            a generator in its critic's step.
        twin: The trained part of the same shapes whose outputs are compared with those of the layer's part; "" for
            none.
        within: For "steps", whether more layers follow, or the function is applied to weights.
        into: The parameter that is written to; "" for none.
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
        """Return the end of a sentence about the layer."""
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
