"""SurfaceExplorer."""
