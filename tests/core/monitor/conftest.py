from tests.core.layers.conftest import seeded, two_threads

__all__ = ["seeded", "two_threads"]
