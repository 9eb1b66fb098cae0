"""LayerFlowPanel: one file a view, one for the networks, one for the panel that holds them, one for records."""

from gradwidgets.widgets.flow.panel import LayerFlowPanel
from gradwidgets.widgets.flow.record_panel import RecordPanel

__all__ = ["LayerFlowPanel", "RecordPanel"]
