"""No collection of garbage while thousands of small things are made that all stay.

Each collection looks at all objects of the process, and what is made here brings several about.
"""

import gc


class NoCollection:
    """A block in which garbage is not collected.

    An interrupt may come at any line, those of its end included. The block therefore ends twice:

        with NoCollection() as block, block:
            ...

    Args:
        pause: Whether it is one; otherwise nothing is changed.
    """

    def __init__(self, pause: bool = True) -> None:
        self._was = pause and gc.isenabled()

    def __enter__(self) -> "NoCollection":
        """Pause."""
        if self._was:
            gc.disable()
        return self

    def __exit__(self, *_: object) -> None:
        """Go on as before."""
        if self._was:
            gc.enable()
