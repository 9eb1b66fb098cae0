"""Pause garbage collection while thousands of small objects are made that all stay alive.

Each collection visits all objects of the process, and making so many triggers several.
"""

import gc


class NoCollection:
    """A block without garbage collection.

    An interrupt may come at any line, including those of the block's end. The block is therefore entered twice:

        with NoCollection() as block, block:
            ...

    Args:
        pause: Whether to pause; otherwise nothing is changed.
    """

    def __init__(self, pause: bool = True) -> None:
        self._was = pause and gc.isenabled()

    def __enter__(self) -> "NoCollection":
        """Pause garbage collection."""
        if self._was:
            gc.disable()
        return self

    def __exit__(self, *_: object) -> None:
        """Resume it if it was on."""
        if self._was:
            gc.enable()
