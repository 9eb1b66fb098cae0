"""Models and losses that are not as one would wish, through all views: said in words, left as they are, then go on."""

import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradwidgets import LayerFlowPanel
from gradwidgets.core.subject.held.held import Held
from gradwidgets.widgets.layers.panel import VIEWS
from tests.widgets.inside import words_of

X, Y = torch.randn(16, 6, generator=torch.Generator().manual_seed(0)), torch.randint(0, 3, (16,))


def small(*more: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), *more, nn.Linear(8, 3))


class Complex(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 3, dtype=torch.complex64))

    def forward(self, x):
        return (x.to(torch.complex64) @ self.weight).abs()


class Counting(nn.Module):
    """With a parameter of whole numbers, which has no gradient."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 3)
        self.count = nn.Parameter(torch.zeros(3, dtype=torch.int64), requires_grad=False)

    def forward(self, x):
        return self.linear(x) + self.count


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.again, self.unused = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(2, 2)
        self.again.weight = self.first.weight
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.last = nn.Linear(6, 3)

    def forward(self, x):
        x = self.again(torch.relu(self.first(x)))
        x, _ = self.attention(x[:, None], x[:, None], x[:, None], need_weights=False)
        return {"logits": self.last(x[:, 0]), "nothing": None}


def of_dict(output, targets):
    return functional.cross_entropy(output["logits"], targets)


def named() -> nn.Module:
    model = small(nn.ReLU())
    model.add_module("<img onerror=alert(1)>", nn.Linear(3, 3))
    return model


def with_nan() -> nn.Module:
    model = small(nn.ReLU())
    with torch.no_grad():
        model[0].weight[0, 0] = float("nan")
    return model


def scripted() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        return torch.jit.script(small(nn.ReLU()))


MODELS = {
    "no parameters": (lambda: nn.Flatten(), X, X, functional.mse_loss),
    "all frozen": (lambda: small(nn.ReLU()).requires_grad_(False), X, Y, functional.cross_entropy),
    "one frozen": (lambda: small(nn.Linear(8, 8).requires_grad_(False)), X, Y, functional.cross_entropy),
    "a detached loss": (lambda: small(nn.ReLU()), X, Y, lambda a, b: functional.cross_entropy(a.detach(), b)),
    "a loss that is NaN": (lambda: small(nn.ReLU()), X, Y, lambda a, b: functional.cross_entropy(a, b) * float("nan")),
    "a weight that is NaN": (with_nan, X, Y, functional.cross_entropy),
    "a batch of one": (lambda: small(nn.ReLU()), X[:1], Y[:1], functional.cross_entropy),
    "batch statistics of one": (lambda: small(nn.BatchNorm1d(8)).eval(), X[:1], Y[:1], functional.cross_entropy),
    "dropout and batch statistics": (
        lambda: small(nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5)),
        X,
        Y,
        functional.cross_entropy,
    ),
    "in place": (lambda: small(nn.ReLU(inplace=True)), X, Y, functional.cross_entropy),
    "lazy": (lambda: nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(3)), X, Y, functional.cross_entropy),
    "complex": (Complex, X, Y, functional.cross_entropy),
    "whole numbers": (Counting, X, Y, functional.cross_entropy),
    "shared, attention, a dict": (Shared, X, Y, of_dict),
    "half precision": (lambda: small(nn.ReLU()).bfloat16(), X.bfloat16(), Y, functional.cross_entropy),
    "sparse": (
        lambda: nn.Sequential(nn.Embedding(9, 4, sparse=True), nn.Flatten(), nn.Linear(8, 3)),
        torch.randint(0, 9, (16, 2)),
        Y,
        functional.cross_entropy,
    ),
    "recurrent": (
        lambda: nn.LSTM(6, 3, batch_first=True),
        X[:, None],
        Y,
        lambda output, targets: functional.cross_entropy(output[0][:, -1], targets),
    ),
    "data parallel": (lambda: nn.DataParallel(small(nn.ReLU())), X, Y, functional.cross_entropy),
    "scripted": (scripted, X, Y, functional.cross_entropy),
    "a hostile name": (named, X, Y, functional.cross_entropy),
}


@pytest.mark.filterwarnings("ignore:.*(torch.jit|sparse|lazy|Lazy).*")
@pytest.mark.parametrize("kind", MODELS)
def test_every_view_shows_it_or_says_why_and_leaves_it_alone(kind):
    make, inputs, targets, loss_fn = MODELS[kind]
    model = make()
    state = Held(model)
    panel = LayerFlowPanel(model, inputs, targets, loss_fn, steps=3)
    for view in (*VIEWS, "flow"):
        panel.view = view
        assert "Traceback" not in panel.error and not panel.error.startswith(
            ("KeyError", "AttributeError", "IndexError")
        )
    assert panel.error == ""  # the view of the flow works whatever the others said
    for fix in ("He init", "BatchNorm", "clipping to norm 1"):
        panel.change(view="doctor", fix=fix)
        assert not panel.error.startswith(("KeyError", "AttributeError", "IndexError", "TypeError")), panel.error
    panel.change(fix="none")
    for part in ("spectrum", "noise scale", "covariance"):
        panel.view = "curvature"
        panel.views["curvature"].ask(part)
        assert not panel.error.startswith(("KeyError", "AttributeError", "IndexError", "TypeError")), panel.error
    panel.train()
    assert not panel.error.startswith(("KeyError", "AttributeError", "IndexError", "TypeError")), panel.error
    panel.view = "flow"
    assert panel.error == "" and "<img onerror" not in words_of(panel)
    assert state.put_back().unchanged and panel.flow.certificate.unchanged
    panel.close()


@pytest.mark.parametrize(
    "setting", [{"depth": 10**6}, {"width": 0}, {"gain": float("nan")}, {"view": "aura"}, {"spike": -1.0}]
)
def test_settings_out_of_range_are_refused_and_the_next_works(setting):
    panel = LayerFlowPanel(depth=2, width=4)
    from traitlets import TraitError

    (name,) = setting
    before = getattr(panel, name)
    with pytest.raises(TraitError):
        panel.change(**setting)
    assert getattr(panel, name) == before
    panel.depth = 3
    assert len([one for one in panel.flow.layers if one.weights]) == 3 and panel.error == ""
    panel.close()


class CountsQuestions(nn.Module):
    """Counts how often it is asked for its parameters."""

    def __init__(self):
        super().__init__()
        self.layer, self.asked = nn.Linear(6, 3), 0

    def parameters(self, recurse=True):
        self.asked += 1
        return super().parameters(recurse)

    def forward(self, x):
        return self.layer(x)


def test_a_model_s_own_parameters_method_is_left_alone():
    model = CountsQuestions()
    panel = LayerFlowPanel(model, X, Y, functional.cross_entropy)
    assert panel.error == "" and model.asked == 0
    panel.close()
