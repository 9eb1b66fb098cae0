"""Whatever torch and NumPy are set to, panels and lessons say the same; and they leave it as it was."""

import contextlib
import os
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from gradwidgets import lesson
from gradwidgets.classroom.lessons import LESSONS
from gradwidgets.widgets.panel.page import Page
from tests.hardening.panels import SMALL, painted, same_pictures
from tests.widgets.inside import settled

SOAK = os.environ.get("GRADWIDGETS_SOAK") == "1"


@contextlib.contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Make tensors of this type for a while."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def default_device(device: str) -> Iterator[None]:
    """Make tensors there for a while."""
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_device(None)


ENVIRONMENTS: dict[str, Callable[[], contextlib.AbstractContextManager]] = {
    "float64": lambda: default_dtype(torch.float64),
    "float16": lambda: default_dtype(torch.float16),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "meta": lambda: default_device("meta"),
    "inference": torch.inference_mode,
    "no_grad": torch.no_grad,
    "numpy raises": lambda: np.errstate(all="raise"),
}
SOME = list(ENVIRONMENTS) if SOAK else ["float16", "inference"]
CHANGES = {
    "playground": [{"lr": 0.3, "delta": 0.3}, {"dataset": "anscombe I"}, {"dataset": "beale", "step": 4}],
    "explorer": [{"scale": "log", "point": (0.5, 0.5), "descent": True}, {"example": "hinge", "gradient_check": True}],
    "layers": [
        {"architecture": "residual", "normalization": "batch"},
        {"view": "doctor", "fix": "He init"},
        {"view": "clipping"},
        {"view": "flow", "activation": "Sigmoid"},
    ],
}


@pytest.fixture(autouse=True)
def _page(monkeypatch) -> None:
    monkeypatch.setattr(Page, "latest", {"width": 560, "height": 500})


def settings_of_torch() -> tuple:
    return (
        torch.get_default_dtype(), torch.get_default_device(), torch.is_inference_mode_enabled(),
        torch.is_grad_enabled(), np.geterr(), torch.get_rng_state().tolist(),
    )  # fmt: skip


def said_after(panel, changes: list[dict]) -> list[str]:
    """What a panel says after each change; its errors too."""
    said = [panel.summary]
    for change in changes:
        panel.restore(change)
        settled(panel)
        said.append(f"{panel.summary} {panel.error}".strip())
    return said


@pytest.fixture(scope="module", params=list(SMALL))
def usual(request) -> tuple[str, list[str], np.ndarray]:
    """What is said and shown where nothing was set."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Page, "latest", {"width": 560, "height": 500})
        panel = SMALL[request.param]()
        said = said_after(panel, CHANGES[request.param])
        picture = painted(panel)
        panel.close()
    return request.param, said, picture


@pytest.mark.parametrize("environment", SOME)
def test_a_panel_says_and_shows_the_same_in_any_environment(usual, environment):
    kind, said, picture = usual
    with ENVIRONMENTS[environment]():
        before = settings_of_torch()
        panel = SMALL[kind]()
        assert said_after(panel, CHANGES[kind]) == said
        assert same_pictures(painted(panel), picture)
        assert len(panel.code()) > 100 and settings_of_torch() == before
    # What was made there is used elsewhere: a slider moves when the cell is over.
    panel.reset()
    again = CHANGES[kind] if SOAK else CHANGES[kind][:1]
    assert said_after(panel, again) == said[: len(again) + 1] and panel.error == ""
    panel.close()


def test_panels_that_were_made_elsewhere_follow_there(usual):
    kind, said, picture = usual
    panel = SMALL[kind]()
    for environment in ENVIRONMENTS if SOAK else ("meta",):
        with ENVIRONMENTS[environment]():
            panel.reset()
            assert said_after(panel, CHANGES[kind]) == said and panel.error == ""
            assert same_pictures(painted(panel), picture)
    panel.close()


@pytest.mark.parametrize("environment", list(ENVIRONMENTS) if SOAK else ["meta", "inference"])
@pytest.mark.parametrize("name", list(LESSONS) if SOAK else ["journey"])
def test_a_lesson_opens_in_any_environment(name, environment):
    def opened() -> tuple[str, str]:
        panel = lesson(name)
        try:
            return panel.summary, panel.error
        finally:
            panel.close()

    usual = opened()
    with ENVIRONMENTS[environment]():
        assert opened() == usual and usual[1] == ""


@pytest.mark.parametrize("environment", list(ENVIRONMENTS) if SOAK else ["float64", "inference"])
def test_a_demonstration_trains_in_any_environment(environment):
    panel = SMALL["layers"](steps=3)
    with ENVIRONMENTS[environment]():
        panel.train(wait=True)
    assert panel.error == "" and panel.monitor.steps == 3 and "After 3 steps" in panel.summary
    panel.close()
