"""What no gradient reaches: rows that weight decay shrinks, a loop that runs without a graph."""

from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import counted, number, percent

_MOSTLY, _FAR = 0.5, 0.003  # of the rows; of their size, that they have lost
_NEARLY_ALL = 0.9  # of the steps


def idle_rows(judged: JudgedRecord) -> list[Finding]:
    """Rows of an embedding, or of a parameter read by indices, that get no gradient and shrink by weight decay."""
    told = judged.history.parts.get("idle")
    if not told or told["rows"] < _MOSTLY * told["of"] or not 1 - told["left"] > _FAR:
        return []
    looked = f"{told['rows']:,} of {counted(told['of'], 'row')}"
    looked += f" that were looked at, of {told['all']:,}" if told["of"] < told["all"] else ""
    message = (
        f"weight decay shrinks what no gradient reaches: {looked} in {told['name']} had a gradient of 0 throughout "
        f"and are {percent(1 - told['left'])} smaller than at first, each along itself"
    )
    action = (
        "If these rows are to stay as they are, give this parameter a group of its own with weight_decay=0: a gradient "
        "of 0 does not keep it away. If they are rarely used, all is well."
    )
    return [Finding("idle_rows", "info", message, dict(told) | {"threshold": _FAR}, action=action)]


def first_steps_of_0(judged: JudgedRecord, last: int, later: float) -> list[Finding]:
    """One or a few first steps by a learning rate of 0, as many a warm-up begins."""
    one = last == 1
    message = (
        f"{'step 1 is' if one else f'the first {last:,} steps are'} made with a learning rate of 0 and "
        f"{'moves' if one else 'move'} no weight; from step {last + 1:,} on it is {number(later, 2)}"
    )
    action = "Nothing, if that does not matter; else begin the warm-up above 0: (step + 1) / warmup."
    return [Finding("idle_start", "info", message, {"until step": last, "steps": judged.steps}, action=action)]


def without_a_graph(judged: JudgedRecord) -> str:
    """What to do where the model ran without a graph at nearly all steps; "" where it did not."""
    told = judged.history.parts.get("no_graph")
    if not told or told["steps"] < _NEARLY_ALL * told["of"]:
        return ""
    return (
        f"At {told['steps']:,} of {counted(told['of'], 'step')} the model ran under torch.no_grad() (inference_mode, "
        "or set_grad_enabled(False)) and never else: a loss that is made there has no graph that backward() could go "
        "through. Leave the training's pass out of that block, and keep it for the evaluation."
    )
