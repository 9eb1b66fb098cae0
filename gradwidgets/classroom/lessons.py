"""The lessons. To add one, add an entry below: menus, the gallery and the tests read this dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class Lesson:
    """A prepared widget with its text.

    Attributes:
        title: The title.
        widget: The name of the widget's class in `gradwidgets`.
        settings: The widget's keyword arguments.
        notice: What to look at and what to do, in two sentences or so.
        question: What to think about.
        answer: The answer, hidden until requested.
    """

    title: str
    widget: str
    settings: Mapping[str, object] = field(hash=False)
    notice: str
    question: str
    answer: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", MappingProxyType(dict(self.settings)))


PLAYGROUND, EXPLORER, LAYERS = "OptimizerPlayground", "SurfaceExplorer", "LayerFlowPanel"

LESSONS: dict[str, Lesson] = {
    "journey": Lesson(
        "The journey of plain SGD",
        PLAYGROUND,
        {"losses": "MSE", "arrows": True, "hide": ["delta", "beta", "losses", "maximize"]},
        "Every mark is one step, downhill from where it stands. Press ▶ to step through, then drag lr.",
        "The steps get shorter although lr stays 0.1. Why?",
        "A step is lr times the gradient, and the gradient shrinks towards the minimum, where it is zero. After 100"
        " steps the path ends at weight 0.9258, bias 2.484: the line of least squares.",
    ),
    "four-losses": Lesson(
        "Four ways to count an error",
        PLAYGROUND,
        {},
        "The same data, the same optimizer, four losses. Compare how far each path has come after 100 steps.",
        "Why is L1 still on its way when MSE arrived long ago?",
        "MSE's gradient grows with the error, so its first steps are long. With L1 an error pulls equally hard from far"
        " and from near: its path ends at weight 1.404, bias 2.244. Huber and SmoothL1 are square near the minimum and "
        "straight far away; with delta and beta at 1 they are the same function.",
    ),
    "edge-of-stability": Lesson(
        "The edge of stability",
        PLAYGROUND,
        {"losses": "MSE", "lr": 0.98, "predict": True, "hide": ["dataset", "delta", "beta", "losses", "maximize"]},
        "The largest stable lr is 2 divided by the largest curvature of the loss. Guess first; then drag lr past it.",
        "At lr 0.97 it only oscillates. What will 0.98 do?",
        "It diverges. The limit is 0.976: above it each jump across the valley is longer than the last, below it "
        "each is shorter, if only slightly.",
    ),
    "momentum": Lesson(
        "A ball that rolls",
        PLAYGROUND,
        {"momentum": 0.9, "losses": ["MSE", "L1"]},
        "With momentum 0.9 a step is the new gradient and nine tenths of the step before.",
        "Why does momentum help L1 and harm MSE?",
        "L1's slope is gentle: the ball gains speed and comes within 0.015 of the minimum. MSE's is steep: the ball"
        " cannot stop: it runs past the minimum and still circles it after 100 steps. Momentum 0.5 suits MSE better.",
    ),
    "nesterov": Lesson(
        "Why Nesterov overshoots less",
        PLAYGROUND,
        {
            "losses": "MSE",
            "momentum": 0.9,
            "nesterov": True,
            "step": 2,
            "hide": ["delta", "beta", "losses", "maximize"],
        },
        "Two steps have been taken; the arrows are those of the third. Plain momentum measures the slope where the "
        "ball is; Nesterov lets the momentum carry it first and measures there.",
        "Along the bias, which of the two gradients in the text slows the ball down?",
        "The one at the look-ahead: 1.26 there, against −2.17 here. So Nesterov brakes a step earlier: it "
        "overshoots to a bias of 4.93, plain momentum to 6.65.",
    ),
    "weight-decay": Lesson(
        "Weight decay moves the minimum",
        PLAYGROUND,
        {"momentum": 0.9, "nesterov": True, "weight_decay": 2.0},
        "The losses' own minima are marked on the maps. With weight_decay, here a very strong 2, no path ends there.",
        "Why does MSE end closest to its own minimum?",
        "The decay pulls to the origin with 2 times the parameters. MSE's slope grows with the distance, so they "
        "balance at (0.300, 1.213). L1 never pulls harder than 1 along the bias: it is pulled down to a bias of "
        "exactly 0.5.",
    ),
    "dampening": Lesson(
        "Dampening",
        PLAYGROUND,
        {"momentum": 0.9, "dampening": 0.8},
        "Only a fifth of each new gradient enters the momentum; the very first one enters in full, as in torch.",
        "Without dampening, which lr gives almost the same run?",
        "A fifth of it, 0.02: the pushes are then just as small. Only the first one differs, as torch does not "
        "dampen it.",
    ),
    "outliers": Lesson(
        "One bad point",
        PLAYGROUND,
        {
            "x": [-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0],
            "y": [-1.9, -1.6, -0.9, -0.6, 0.1, 0.4, 1.1, 1.4, 8.0],
            "steps": 300,
            "lr": 0.1,
            "start": (6.0, -3.0),
            "hide": ["dataset", "maximize"],
        },
        "Eight points lie near a line of slope 1, the ninth far above it. Compare the four fitted lines.",
        "Which losses follow the bad point, and why?",
        "MSE: it squares the error, so one point of nine turns its minimum to a weight of 1.79. To L1 every error "
        "pulls with the same force whatever its size: 1.00. Huber stands between them, nearer to L1: 1.20.",
    ),
    "dead-zone": Lesson(
        "A dead zone at the start",
        EXPLORER,
        {
            "loss": "pair",
            "point": (0.9, -0.9),
            "descent": True,
            "predict": True,
            "hide": ["x_axis", "y_axis", "x_range", "y_range", "resolution", "scale", "gradient_check", "momentum"],
        },
        "Two points attract each other while they are less than margin apart; here they are 1.8 apart. Guess, then "
        "look.",
        "SGD starts at the point on the map. What does it do?",
        "Nothing: beyond the margin the loss is 1 but flat, so the gradient is zero, and lr times zero is zero. "
        "A quarter of the view is dead. A larger margin, another start, or a loss with a slope there helps.",
    ),
    "product": Lesson(
        "A product, and its logarithm",
        EXPLORER,
        {"loss": "product and log-space", "point": (1.0, 0.1)},
        "A·B beside sign·(log|A| + log|B|), the same axes. Put the point near B = 0 and read both gradients for A.",
        "Where does A get no gradient from the product, and what is the price of the logarithm?",
        "Where B is near 0, because dA is B: at (1, 0.1) it is 0.1, in log-space 1. The price is a pole at 0, which is "
        "hatched: there is no value, and gradients around it are huge.",
    ),
    "saturated": Lesson(
        "Confidently wrong",
        EXPLORER,
        {"loss": "saturated BCE"},
        "Cross-entropy on a sigmoid, for a wrong answer. Drag the point to the right and watch the gradient.",
        "The answer is most wrong on the right. Why is there no gradient there?",
        "The sigmoid rounds to exactly 1 there: a third of the view is dead in float64, more in float32. "
        "BCEWithLogitsLoss puts sigmoid and logarithm together and keeps a gradient of 1.",
    ),
    "imbalanced": Lesson(
        "A thousand times steeper",
        EXPLORER,
        {"loss": "imbalanced 1000 : 1", "descent": True, "lr": 0.0018, "point": (0.2, 0.6)},
        "One axis is a thousand times as steep as the other. Drag lr up to 0.002 and beyond.",
        "Is there an lr that suits both axes?",
        "No. Above 0.002 the steep one diverges; below it the other crawls: after 100 steps b has only gone from 0.6 "
        "to 0.501. Rescale the parameters, or the loss's terms.",
    ),
    "where": Lesson(
        "Finite loss, gradient NaN",
        EXPLORER,
        {"loss": "√ under where"},
        "√x where x is positive and −x elsewhere, written with torch.where. The loss is finite everywhere; the hatched "
        "half has no gradient.",
        "torch.where takes the finite branch. Where does the NaN come from?",
        "From the branch that is not taken: √ has no finite gradient there, and 0 times that is NaN. The second map "
        "replaces x under the root by a safe value first.",
    ),
    "two-valleys": Lesson(
        "One valley too many",
        EXPLORER,
        {"loss": "unexpected minimum", "descent": True, "lr": 0.02, "point": (1.6, 1.0)},
        "Two valleys, one of them 0.6 higher. Drag the point and find where the descents split.",
        "What decides which valley a descent ends in?",
        "The side of the saddle, near a = 0.075, on which it begins. Nothing in the gradient tells it that there "
        "is a lower valley.",
    ),
    "sigmoid": Lesson(
        "Sigmoid, twenty layers deep",
        LAYERS,
        {
            "activation": "Sigmoid",
            "init": "default",
            "depth": 20,
            "quantity": "activation gradient",
            "predict": True,
            "hide": ["view", "measure", "lr", "batch"],
        },
        "The slope of a sigmoid is nowhere above ¼. Guess how much of the gradient is left at the first layer.",
        "Is it more or less than ¼ to the power of 20, about 1e−12?",
        "Far less: 16 decades are gone. The weights count as well, and torch's default ones are small: together, each "
        "layer leaves 0.14 of the gradient. He's init with ReLU leaves nearly all of it.",
    ),
    "default-init": Lesson(
        "torch's default makes ReLU fade",
        LAYERS,
        {"activation": "ReLU", "init": "default", "depth": 30, "quantity": "activation gradient"},
        "Thirty nn.Linear layers with torch's default weights, ReLU between. Tick compare, then choose init He.",
        "By which factor does each layer shrink the gradient, and what does He's init do about it?",
        "About 0.39: torch's default does not suit ReLU, and 12 decades are gone after 30 layers. He's init has a "
        "larger variance, which makes up for the half that ReLU cuts off: less than a decade is lost.",
    ),
    "residual": Lesson(
        "A way round",
        LAYERS,
        {
            "architecture": "residual",
            "init": "default",
            "depth": 50,
            "width": 128,
            "quantity": "activation gradient",
            "hide": ["batch", "lr"],
        },
        "Fifty blocks of two layers, with a skip connection around each, torch's default init. Then choose "
        "architecture plain, depth 100.",
        "The weights are drawn in the same way. Why does the gradient not fade here?",
        "The derivative of x + f(x) is 1 + f′: the 1 passes every block, whatever f′ is. The plain network with as "
        "many layers loses 38.7 decades, this one nothing.",
    ),
    "explodes": Lesson(
        "Linear layers explode",
        LAYERS,
        {
            "activation": "Identity",
            "init": "normal",
            "gain": 1.5,
            "depth": 20,
            "quantity": "activation gradient",
            "predict": True,
            "hide": ["view", "measure", "lr", "batch"],
        },
        "No activations; every layer multiplies by weights that are 1.5 times too large. Guess, then drag gain "
        "through 1.",
        "By how much does the gradient grow over 20 layers?",
        "By about 1.5 to the power of 20, 3.4 decades. At gain 1 it keeps its size, below 1 it fades: a chain of "
        "factors has no middle ground.",
    ),
    "clipping": Lesson(
        "Clipping, with or without the direction",
        LAYERS,
        {"depth": 10, "init": "He", "view": "clipping", "hide": ["view"]},
        "One step's gradient, clipped in four ways. The cosine says whether the step still points where it did.",
        "Which ways keep the direction?",
        "Norm and AutoClip: they scale all of it by one factor, so the cosine is 1. Value and percentile cut only the"
        " large elements; the cosines are 0.45 and 0.71, which is another direction.",
    ),
}
