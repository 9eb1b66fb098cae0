"""What is said of a model, and whether it is right."""

from collections.abc import Iterable

import torch

from gradwidgets.core.layers import FlowError, layer_flow
from gradwidgets.core.monitor import diagnose
from gradwidgets.core.results.finding import Finding
from tests.core.layers.field.case import Case


def said(case: Case, *, training: bool = True) -> list[Finding]:
    """The findings of one pass in a mode."""
    torch.manual_seed(0)
    model, *batch = case.make()
    model.train(training)
    try:
        return diagnose(layer_flow(model, *batch))
    except FlowError as error:  # torch's own error and what is wrong with the batch, in one message
        return [Finding("raised", "error", str(error), {})]


def shortfall(case: Case, findings: Iterable[Finding]) -> str:
    """What falls short of what is right, in a sentence; "" where nothing does."""
    blamed = [one for one in findings if one.severity in ("warning", "error")]
    if not case.findings:
        return f"a sound model is blamed: {'; '.join(map(str, blamed))}" if blamed else ""
    text = " ".join(f"{one.message} {one.action}" for one in blamed).lower()
    missing = [] if case.findings & {one.name for one in blamed} else [" or ".join(sorted(case.findings))]
    missing += [repr(words) for words in case.words if not any(word.lower() in text for word in words.split("|"))]
    return f"{' and '.join(missing)} missing: {'; '.join(map(str, blamed)) or 'nothing is said'}" if missing else ""
