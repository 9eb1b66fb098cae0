"""LayerFlowPanel: one file a view, one for the networks, one for the panel that holds them."""

from gradwidgets.widgets.flow.panel import LayerFlowPanel

__all__ = ["LayerFlowPanel"]
