"""See gradients: Jupyter widgets over one PyTorch analysis core.

* `OptimizerPlayground`: what lr, momentum, dampening, weight decay, Nesterov and the loss do to a descent.
* `SurfaceExplorer`: what is wrong with a loss, its surface, its gradient field, a verdict; the same without a widget
  in `check_loss`, and for a test suite in `assert_loss`.
* `LayerFlowPanel`: where in a network the gradient dies or explodes.
* `lesson(name)` opens one of the `lessons()`, prepared widgets with a question each; `gallery()` shows them all.

Inside, arrows only point to the left: `core` (torch in, frozen results out; knows neither pictures nor pages) ←
`figures` (Matplotlib artists, changed in place by `update`) ← `widgets` (traits, controls, the live canvas) ←
`classroom` (lessons, the gallery). A setting changes, the settings are frozen, one core function makes one result, the
figure's artists change, the canvas paints. Everything that a widget shows can be had without one, from
`gradwidgets.core`.
"""

from gradwidgets.classroom.gallery import gallery
from gradwidgets.classroom.lessons import LESSONS
from gradwidgets.classroom.opening import lesson, lessons
from gradwidgets.core import assert_loss, check_loss
from gradwidgets.widgets.explorer.panel import SurfaceExplorer
from gradwidgets.widgets.layers.panel import LayerFlowPanel
from gradwidgets.widgets.playground.panel import OptimizerPlayground

__version__ = "0.1.0"
__all__ = [
    "LESSONS",
    "LayerFlowPanel",
    "OptimizerPlayground",
    "SurfaceExplorer",
    "__version__",
    "assert_loss",
    "check_loss",
    "gallery",
    "lesson",
    "lessons",
]
