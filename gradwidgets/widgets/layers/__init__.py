"""LayerFlowPanel: a file for each view, one for the networks, one for the panel that holds them, one for records."""

from gradwidgets.widgets.layers.panel import LayerFlowPanel
from gradwidgets.widgets.layers.training.record_panel import RecordPanel

__all__ = ["LayerFlowPanel", "RecordPanel"]
