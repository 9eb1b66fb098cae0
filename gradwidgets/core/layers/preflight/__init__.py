"""What goes into a model, and what the loss makes of what comes out: looked at first.

`preflight` is for people; `Look` is for a pass that runs anyway.
"""

from gradwidgets.core.layers.preflight.run import Glance, Look, preflight

__all__ = ["Glance", "Look", "preflight"]
