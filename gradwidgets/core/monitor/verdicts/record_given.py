"""Faults of the data and of the model's state: the scale of targets, one class, evaluation mode, cut graphs."""

import math

from gradwidgets.core.monitor.facts import OutputFacts
from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord, first_and_last, listed
from gradwidgets.core.results.finding import Finding, Severity
from gradwidgets.core.results.wording import counted, number, percent

_LOSSES = 12
_BATCHES = 16
_FAR = 100.0  # root mean square of targets
_SMALL, _LARGER = 0.3, 3.0  # times the root of the loss are small outputs; times the targets are large ones
_FEW = 3  # losses
_SQUARED = 10.0  # times that: a first loss from there on is of squares
_ALL = 0.5  # of the cost of guessing the mean: above that nothing is learned
_BLOWN = 10.0  # times the first loss
_EASY = 0.5  # of the first loss, where there is nothing to tell apart
_MANY = 500  # samples, among which a rare class would be
_MOSTLY, _CHANCE = 0.5, 0.1  # shares of batches of one class, as they come and as they would if shuffled
_SOME, _STEPS = 3, 10  # samples in evaluation mode; or steps, where each was looked at
_SEEN, _BY_HEART = 10, 0.1  # steps whose inputs were seen; of the first loss
_KNEW = 0.5  # of the cost of a guess


def target_scale(judged: JudgedRecord) -> list[Finding]:
    """Targets so large that the loss blows up, or that the steps do not reach them."""
    _, values = judged.losses
    if len(values) < _LOSSES or not judged.is_of_numbers or not math.isfinite(float(values[0])):
        return []
    if any(one.name == "target_scale" for one in judged.history.preflight):
        return []
    chance, first = judged.history.chance, float(values[0])
    if "rms" not in chance and judged.history.outputs != 1:
        return []  # the loss may be a sum of many
    rms = chance.get("rms", 0.0) or _targets_by_the_loss(judged, first)
    squares = first > _SQUARED * rms
    spread = math.sqrt(chance["variance"]) if "variance" in chance else rms
    level = spread**2 if squares else spread
    _, last = first_and_last(values)
    blown = not bool(values.isfinite().all()) or float(values.max()) > _BLOWN * first
    if not rms > _FAR or not (first > _ALL * level) or not (blown or last > _ALL * level):
        return []
    told = (
        f"targets are about {number(rms, 2)} in size"
        + (f" (mean {number(chance['mean'], 2)}, standard deviation {number(spread, 2)})" if "mean" in chance else "")
        if "rms" in chance
        else (
            f"the first loss is {number(first, 3)} and outputs were about "
            f"{number(float(judged.history.first_output['rms']), 2)} in size, so targets are about {number(rms, 2)}"
        )
    )
    how = (
        f"the gradient by them is as large, and the loss goes from {number(first, 3)} to {number(last, 3)}"
        if blown
        else f"steps of the usual size do not reach them: the loss goes from {number(first, 3)} to {number(last, 3)}"
    )
    mean = chance.get("mean", 0.0)
    subtract = f"subtract {number(mean, 2)} and " if abs(mean) > 0.1 * spread else ""
    action = (
        f"Scale the targets before the training ({subtract}divide by {number(spread, 2)}), and the predictions back; "
        "the learning rate can then be a usual one."
    )
    evidence = {"rms": rms, "standard deviation": spread, "at first": first, "at last": last, "threshold": _FAR}
    return [Finding("target_scale", "warning", f"{told}: {how}", evidence, action=action)]


def _targets_by_the_loss(judged: JudgedRecord, first: float) -> float:
    """The size of the targets by the first mean square, where the outputs are small; 0 where it is unknown."""
    outputs, of = float(judged.history.first_output.get("rms", math.inf)), judged.history.of_loss
    steps, _ = judged.losses
    size = math.sqrt(max(first, 0.0))
    sure = tuple(of) == ("numbers",) and int(steps[0]) == 1
    return size if sure and outputs < _SMALL * size else 0.0


def output_scale(judged: JudgedRecord) -> list[Finding]:
    """Outputs that are large before anything is learned, with a loss that blows up or stays at its first value."""
    (steps, values), told = judged.losses, judged.history.first_output
    outputs, targets = float(told.get("rms", 0.0)), float(judged.history.chance.get("rms", math.nan))
    if not outputs > _FAR or judged.kind in ("classes", "shares") or len(values) < _FEW or int(steps[0]) != 1:
        return []
    if "frequencies" in judged.history.chance or "base rate" in judged.history.chance:
        return []
    first, last = first_and_last(values)
    makes_it = outputs > _LARGER * targets if math.isfinite(targets) else first >= _ALL * outputs
    blown = not bool(values.isfinite().all()) or float(values.max()) > _BLOWN * first
    if not makes_it or not math.isfinite(first) or not (blown or last > _ALL * first):
        return []
    message = (
        f"the first outputs are about {number(outputs, 2)} in size (root mean square), before anything is learned"
        + (f", where targets are about {number(targets, 2)}" if math.isfinite(targets) else "")
        + _what_makes_them(told)
        + f": the first loss is {number(first, 3)} by them, and the last {number(last, 3)}"
    )
    layers = [*told.get("grows", {}), *told.get("layers", {})]
    where = tuple(column for column in judged.weighted if judged.history.layers[column] in layers)
    action = (
        "Draw these weights smaller: torch's own draw, or, of recurrent ones, nn.init.orthogonal_, which keeps a "
        "state's length; or an LSTM or GRU; normalise in between, and clip between backward() and step()."
    )
    evidence = {"outputs": outputs, "targets": targets, "at first": first, "at last": last, "threshold": _FAR}
    return [Finding("output_scale", "warning", message, evidence | dict(told), where, action)]


def _what_makes_them(told: OutputFacts) -> str:
    grows, layers = told.get("grows", {}), told.get("layers", {})
    if grows:
        name, times = max(grows.items(), key=lambda one: one[1])
        return f"; {name} multiplies its state by up to {number(times, 3)} at each time step, so they grow with time"
    if layers:
        name, times = max(layers.items(), key=lambda one: one[1])
        return f"; {name} gives about {number(times, 2)} times what it is given"
    return ""


def one_class(judged: JudgedRecord) -> list[Finding]:
    """Targets that are one class throughout, or one class in each batch."""
    chance = judged.history.chance
    if "batches of one class" not in chance or not judged.has_classes or judged.history.outputs == 1:
        return []
    if chance.get("batches", 0) < _BATCHES:
        return []
    if chance["labels"] == 1 and chance["batches"] * judged.history.size >= _MANY:
        message = f"all targets of {int(chance['batches']):,} batches are of one class: there is nothing to tell apart"
        if judged.history.outputs > 1:
            message += f", though the model has {judged.history.outputs} outputs"
        action = "Look at how the labels are read: a product with 0, a wrong column, a loader that is not shuffled."
        severity: Severity = "warning" if _is_easy(judged) else "info"
        if severity == "info":
            action = (
                "If the first of several is the right one by the loss's making, all is well; else look at the labels."
            )
        return [Finding("one_class", severity, message, {"labels": 1, "batches": chance["batches"]}, action=action)]
    share, expected = chance["batches of one class"], chance["if shuffled"]
    if share < _MOSTLY or expected > _CHANCE or _are_added(judged) or judged.takes_turns:
        return []
    message = (
        f"{percent(share)} of the batches hold one class alone, which of shuffled data {percent(expected)} would: each "
        "pulls the model to its own class, and what the last one taught is forgotten"
    )
    action = "Shuffle: DataLoader(…, shuffle=True), or draw the rows of a batch at random from all of the data."
    evidence = {"share": share, "if shuffled": expected, "threshold": _MOSTLY}
    return [Finding("one_class_a_batch", "warning", message, evidence, action=action)]


def same_batch(judged: JudgedRecord) -> list[Finding]:
    """Batches that all have the very same targets."""
    chance = judged.history.chance
    if not chance:
        return _same_inputs(judged)
    if chance.get("of the same labels") != 1 or chance["batches"] < _BATCHES or chance["labels"] < 2:
        return []
    if chance["labels"] == judged.history.size:
        return []  # each sample's own number, as in a contrastive loss
    message = (
        f"all {int(chance['batches']):,} batches have the very same targets: unless that is all of the data, the "
        "loader gives one batch again and again, and the loss is of that alone"
    )
    action = (
        "If it is all of the data, or one batch is to be memorised, all is well. Else go through the loader "
        "(for inputs, targets in loader): next(iter(loader)) within the loop starts again each time."
    )
    return [Finding("same_batch", "info", message, {"batches": int(chance["batches"])}, action=action)]


def same_inputs(judged: JudgedRecord) -> str:
    """Words that say that inputs are the same at each sampled step; "" where they are not."""
    told, size = judged.history.inputs, judged.history.size
    if not told or told["same"] < len(told["steps"]) or told["same"] < _SEEN or judged.takes_turns:
        return ""
    samples = f" ({size:,} samples)" if size > 1 else ""
    return f"the inputs are the very same at all {told['same']:,} steps at which they were looked at{samples}"


def _same_inputs(judged: JudgedRecord) -> list[Finding]:
    """The same inputs at each sampled step, where the targets are unknown."""
    told, (_, values) = judged.history.inputs, judged.losses
    same = same_inputs(judged)
    if (
        not same
        or len(values) < _LOSSES
        or not float(values[-len(values) // 4 :].mean()) < _BY_HEART * float(values[0])
    ):
        return []
    message = (
        f"{same}: unless these are all of the data, the loss, which is down to {number(float(values[-1]), 2)}, is of "
        "one batch alone, and that one is memorised"
    )
    action = (
        "If they are all of the data, or one batch is to be memorised, all is well. Else go through the loader "
        "(for inputs, targets in loader): next(iter(loader)) within the loop starts again each time."
    )
    return [
        Finding("same_batch", "info", message, {"looked at": told["same"], "size": judged.history.size}, action=action)
    ]


def _is_easy(judged: JudgedRecord) -> bool:
    """Whether the loss falls at once: in a contrastive loss the first class is always right, and hard to find."""
    _, values = judged.losses
    return len(values) < _LOSSES or float(values[-len(values) // 4 :].mean()) < _EASY * float(values[0])


def _are_added(judged: JudgedRecord) -> bool:
    """Whether a step has several batches."""
    return judged.history.chance["batches"] > 1.5 * max(judged.steps, 1)


def evaluation(judged: JudgedRecord) -> list[Finding]:
    """Steps in evaluation mode, where that turns off dropout or batch statistics."""
    history, off = judged.history, judged.history.turned_off
    if history.evaluating is None or not off or not (off["dropout"] or off["norms"]):
        return []
    now = history.evaluating == 1
    others = (~now).nonzero().flatten().tolist()
    since = others[-1] + 1 if others else 0
    told = dict(history.optimizers.get("evaluating") or {})
    again = _comes_and_goes(judged, told)
    goes_on = told.get("since", 0) and judged.watched_steps - told["since"] >= _STEPS
    if judged.samples - since < _SOME and not goes_on and not again:
        return []
    what = _what_is_off(off)
    when = again or (_since(judged, since, told) if since else "throughout")
    message = f"the model is in evaluation mode {when}, while it is trained: {', '.join(what)}"
    meant = not since and not again and not off["fresh"] and (off["frozen"] or not off["dropout"] or _knew(judged))
    action = "Call model.train() before the training and after each evaluation"
    action += "; where evaluation mode is meant, all is well." if meant else "."
    evidence = dict(off) | {"since sample": since, "samples": judged.samples - since} | told
    return [Finding("evaluation", "info" if meant else "warning", message, evidence, action=action)]


def _comes_and_goes(judged: JudgedRecord, told: dict[str, int]) -> str:
    """At how many steps, in words, where there were several stretches in evaluation mode; else ""."""
    if told.get("stretches", 0) < 2 or told["steps"] < _STEPS:
        return ""
    return f"at {told['steps']:,} of {judged.watched_steps:,} steps, the first of them step {told['first']:,}"


def _since(judged: JudgedRecord, sample: int, told: dict[str, int]) -> str:
    """The step from which on the model is in evaluation mode, or the first sample in it, in words."""
    steps, exact = judged.history.steps, told.get("since", 0)
    seen = int(steps[sample]) if sample < len(steps) else exact
    if not int(steps[sample - 1]) < exact <= seen:
        return f"(first seen at step {seen:,})"
    return f"from step {exact:,} on ({told['steps']:,} of {judged.watched_steps:,} steps)"


def _what_is_off(off: dict[str, int]) -> list[str]:
    what = []
    if count := off["dropout"]:
        what.append(f"{counted(count, 'dropout layer')} {'drops' if count == 1 else 'drop'} nothing")
    if count := off["norms"]:
        verb = "goes by its" if count == 1 else "go by their"
        what.append(f"{counted(count, 'batch norm')} {verb} running statistics")
    if count := off["fresh"]:
        what.append(f"{count} of them {'has' if count == 1 else 'have'} seen no batch and so normalised nothing")
    return what


def _knew(judged: JudgedRecord) -> bool:
    """Whether the loss began below a guess, so that the model was trained before; True also where it is unknown."""
    _, values = judged.losses
    return not len(values) or not float(values[0]) > _KNEW * judged.likely_guess


def _twins(judged: JudgedRecord, columns: list[int]) -> list[int]:
    """Other consecutive layers of the same kinds and sizes, one by one, that have moved; or none."""
    history, some = judged.history, judged.weighted
    kinds = [(history.kinds[column], history.parameters[column]) for column in some]
    wanted, count = [(history.kinds[column], history.parameters[column]) for column in columns], len(columns)
    for begin in range(len(some) - count + 1):
        row = some[begin : begin + count]
        if kinds[begin : begin + count] == wanted and not any(
            column in columns or judged.stays(column) for column in row
        ):
            return row
    return []


def cut(judged: JudgedRecord) -> list[Finding]:
    """Layers that are used, and whose graph is cut, so that they never get a gradient."""
    history = judged.history
    owners = {name.rpartition(".")[0] or name for name in history.missing}
    columns = [
        column
        for column in judged.weighted
        if history.cut.get(history.layers[column], "aside") != "aside"
        and history.layers[column] in owners
        and bool(history.norm[:, column].isnan().all())
        and judged.stays(column)
    ]
    if not columns or len(columns) == len(judged.weighted):
        return []
    names = judged.names(columns)
    without = [name for name in names if history.cut[name] == "no_grad"]
    verb, gets = ("runs", "it gets") if len(names) == 1 else ("run", "they get")
    if "checkpoint" in (history.cut[name] for name in names):
        message = (
            f"{listed(names)} {verb} within a checkpoint of the reentrant kind, none of whose inputs asks for a "
            f"gradient: nothing is computed backward through it, and {gets} none"
        )
        action = (
            "Call checkpoint(…, use_reentrant=False), or let its inputs ask for a gradient (inputs.requires_grad_(), "
            "enable_input_require_grads())"
        )
    elif without:
        message = (
            f"{listed(names)} {verb} in forward, but under no_grad: no graph is made there, and {gets} no gradient"
        )
        action = "Remove torch.no_grad() there"
        if twins := _twins(judged, columns):
            same = bool((history.weight_norm[0, columns] == history.weight_norm[0, twins]).all())
            message += (
                f"; layer for layer they are like {listed(judged.names(twins))}"
                + (" and began with the same weights" if same else "")
                + f", which have moved, while these are the same at all {judged.samples:,} samples"
            )
            action = (
                "If they are a copy that is to follow (an average of the weights, a target network), nothing updates "
                "it: update it after each optimizer.step(). If they are to be trained, remove torch.no_grad()"
            )
    else:
        message = f"{listed(names)} {verb} in forward, but the graph is cut behind: {gets} no gradient"
        action = "Look for detach, .data, item, argmax and torch.tensor(…) between them and the loss"
    action += "; or set requires_grad_(False) where that is intended."
    evidence = {"layers": names, "how": {name: history.cut[name] for name in names}, "samples": judged.samples}
    return [Finding("cut", "warning", message, evidence, tuple(columns), action)]
