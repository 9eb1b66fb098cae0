"""The verdict on a pass or on a training."""

from gradwidgets.core.layers.passes.stats import LayerFlow
from gradwidgets.core.layers.verdicts.checks import diagnose_flow
from gradwidgets.core.monitor.history import History
from gradwidgets.core.monitor.verdicts.record import diagnose_record
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.subject.home import at_home


@at_home
def diagnose(flow: LayerFlow | History, **known: object) -> list[Finding]:
    """Say what is wrong with the flow of gradients in one pass or with a training, or that nothing is.

    No verdict depends on the size of the loss or of the layers: gradients are compared with each other, never with a
    fixed number, and along the paths of the backward pass, not in the order in which layers ran.

    Args:
        flow: What `layer_flow` measured, or the `history` that a `GradientMonitor` recorded.
        **known: For a history alone, see `diagnose_record`: `losses`, `lr`, `largest_curvature`, `max_norm`, `classes`.

    Returns:
        Findings, the most severe first, and among equals causes before their consequences; "healthy" where none is a
        warning or an error. `where` holds the indices of the layers in `flow.layers`, `evidence` the numbers,
        thresholds and names.

    Raises:
        TypeError: `flow` is neither, or something is given that does not belong to it.
    """
    if isinstance(flow, History):
        return diagnose_record(flow, **known)
    if not isinstance(flow, LayerFlow):
        kind, hint = type(flow).__name__, "; give its history" if hasattr(flow, "history") else ""
        raise TypeError(f"diagnose takes what layer_flow measured or a GradientMonitor's history; got {kind}{hint}")
    if known:
        names = ", ".join(f"{name}=…" for name in known)
        raise TypeError(
            f"diagnose takes {names} with the history of a training (a GradientMonitor's) alone; with one pass of "
            f"layer_flow, leave {'it' if len(known) == 1 else 'them'} out"
        )
    return diagnose_flow(flow)
