"""What stops a gradient without ending the graph: zeros, clamps at their bounds, memory that was never written."""
