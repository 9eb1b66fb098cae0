"""What a slider step is compared with: other ways to show the same descent, each as a notebook of two cells.

The first cell imports, the second makes the widget; what is timed starts with the second. Every peer has a
slider called lr; the explorer's is called margin, the layer panel's gain.
"""

from __future__ import annotations

Cells = tuple[str, str]

OURS: Cells = (
    "from gradwidgets import OptimizerPlayground",
    "playground = OptimizerPlayground()\nplayground",
)

# A slider of a constant: surface with gradients at 81 x 81, arrows, contours, findings and table follow.
EXPLORER: Cells = (
    "from gradwidgets import SurfaceExplorer",
    'explorer = SurfaceExplorer("pair", point=(0.3, -0.3))\nexplorer',
)

# A slider of a network: 50 layers of 100 units built, run forward and backward, judged and drawn.
LAYERS: Cells = (
    "from gradwidgets import LayerFlowPanel",
    'panel = LayerFlowPanel(depth=50, width=100, batch=32, init="He")\npanel',
)

# The same while its depth moves, between 30 and 50 layers a key at a time.
LAYERS_DEPTH: Cells = (LAYERS[0], LAYERS[1].replace("depth=50", "depth=30"))

# The floor under any widget whose kernel answers: a slider changes a text.
ECHO: Cells = (
    "import ipywidgets",
    """
slider = ipywidgets.FloatSlider(value=0.1, min=0, max=1, step=0.01, description="lr")
text = ipywidgets.Label()
text.add_class("echo")
slider.observe(lambda change: setattr(text, "value", f"{change.new:.3f}"), "value")
ipywidgets.VBox([slider, text])
""",
)

# The floor under any ipympl picture of 900 x 700: a slider step sends one of ten that were encoded before.
READY_PICTURE: Cells = (
    """
from io import BytesIO
from itertools import cycle

import ipywidgets
import numpy as np
from ipympl.backend_nbagg import Canvas, FigureManager
from matplotlib.figure import Figure
from PIL import Image
""",
    """
def encoded(top):
    pixels = np.zeros((700, 900, 4), np.uint8)
    pixels[top : top + 120, 200:600] = 200, 30 + top % 200, 30, 255
    file = BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()

figure = Figure(figsize=(9, 7))
canvas = Canvas(figure)
FigureManager(canvas, 0)
canvas.header_visible = canvas.footer_visible = False
figure.add_subplot().plot([0, 1], [0, 1])

pictures = cycle([encoded(100 + 40 * k) for k in range(10)])
next(pictures)

def show(change):
    canvas.set_image_mode("diff")
    canvas.send_binary(next(pictures))

slider = ipywidgets.FloatSlider(value=0.1, min=0, max=1, step=0.01, description="lr")
slider.observe(show, "value")
ipywidgets.HBox([slider, canvas])
""",
)

_IMPORTS = """
%matplotlib widget
import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import torch
"""

_DESCENT = """
random = np.random.RandomState(20240215)
x = torch.from_numpy(random.randn(50).astype("float32"))
y = torch.from_numpy((0.75 * x.numpy() ** 2 + x.numpy() + 2 + 0.3 * random.randn(50)).astype("float32"))
losses = {
    "MSE": torch.nn.MSELoss(),
    "L1": torch.nn.L1Loss(),
    "Huber": torch.nn.HuberLoss(),
    "SmoothL1": torch.nn.SmoothL1Loss(),
}
sides = np.linspace(-5, 8, 101)
picture = dict(cmap="terrain", origin="lower", extent=(-5, 8, -5, 8))

def descend(loss, lr, momentum, dampening, weight_decay, nesterov):
    parameters = torch.tensor([6.0, -3.0], requires_grad=True)
    optimizer = torch.optim.SGD(
        [parameters], lr=lr, momentum=momentum, weight_decay=weight_decay,
        dampening=0 if nesterov else dampening, nesterov=nesterov and momentum > 0,
    )
    visited = [parameters.tolist()]
    for _ in range(100):
        optimizer.zero_grad()
        loss(parameters[0] * x + parameters[1], y).backward()
        optimizer.step()
        visited.append(parameters.tolist())
    return np.array(visited)

figure, axes = plt.subplots(2, 2, figsize=(9, 7))
"""

_INTERACT = """
ipywidgets.interact(
    show, lr=(0.01, 1.0, 0.01), momentum=(0.0, 0.99, 0.01), dampening=(0.0, 1.0, 0.1),
    weight_decay=(0.0, 3.0, 0.1), nesterov=False,
);
"""

# What a careful user writes: the maps are kept and only the lines' data change, but every step draws the whole
# figure again.
FULL_REDRAW: Cells = (
    _IMPORTS,
    _DESCENT
    + """
grids = np.meshgrid(sides, sides, indexing="ij")
weights, biases = (torch.tensor(grid, dtype=torch.float32)[..., None] for grid in grids)
lines = {}
for (name, loss), one in zip(losses.items(), axes.flat):
    fitted = weights * x + biases
    one.imshow(type(loss)(reduction="none")(fitted, y.expand_as(fitted)).mean(-1), **picture)
    one.set_title(name)
    (lines[name],) = one.plot([], [], "r-+")

def show(lr=0.1, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False):
    for name, loss in losses.items():
        path = descend(loss, lr, momentum, dampening, weight_decay, nesterov)
        lines[name].set_data(path[:, 1], path[:, 0])
    figure.canvas.draw_idle()
"""
    + _INTERACT,
)

# What most people write: everything is computed and drawn again, the map point by point.
NAIVE_INTERACT: Cells = (
    _IMPORTS,
    _DESCENT
    + """
def show(lr=0.1, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False):
    for (name, loss), one in zip(losses.items(), axes.flat):
        heights = [[float(loss(weight * x + bias, y)) for bias in sides] for weight in sides]
        path = descend(loss, lr, momentum, dampening, weight_decay, nesterov)
        one.clear()
        one.set_title(name)
        one.imshow(np.array(heights), **picture)
        one.plot(path[:, 1], path[:, 0], "r-+")
    figure.canvas.draw_idle()
"""
    + _INTERACT,
)

PEERS: dict[str, Cells] = {
    "ready_picture": READY_PICTURE,
    "ours": OURS,
    "explorer": EXPLORER,
    "layers": LAYERS,
    "layers_depth": LAYERS_DEPTH,
    "full_redraw": FULL_REDRAW,
    "naive_interact": NAIVE_INTERACT,
    "echo": ECHO,
}
SLIDERS = {"explorer": "margin", "layers": "gain", "layers_depth": "depth"}  # what is moved, where it is not lr
