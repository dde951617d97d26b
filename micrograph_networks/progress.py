"""Progress of long work: a bar on a terminal, and a line a minute in a log."""

import sys
import time
from typing import Any, Iterable, Iterator, Optional, TypeVar

from tqdm import tqdm

LINE_SECONDS = 60
"""Seconds from one line of a log to the next."""
Item = TypeVar("Item")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun in the singular or the plural, such as "1 image"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Return a duration rounded to its larger unit, such as "1 h 20 min" or "40 s"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


class Progress:
    """How much is done, and how long the rest takes, on the standard error output.

    Parameters
    ----------
    total : int, optional
        Number of units of work. It may be set later.
    unit : str
        Singular of the unit, such as ``image``.
    """

    def __init__(self, total: Optional[int], unit: str) -> None:
        self.total, self._unit, self._done = total, unit, 0
        self._start = self._last = time.monotonic()
        shown = sys.stderr.isatty()
        self._bar = tqdm(total=total, unit=f" {unit}s", dynamic_ncols=True) if shown else None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def update(self) -> None:
        """Count a unit of work that is done."""
        self._done += 1
        now = time.monotonic()
        if self._bar is not None:
            self._bar.total = self.total
            self._bar.update()
        elif self.total and now - self._last >= LINE_SECONDS:
            left = (now - self._start) / self._done * (self.total - self._done)
            done = f"{self._done} of {counted(self.total, self._unit)}"
            print(f"{done}, about {duration(left)} left", file=sys.stderr, flush=True)
            self._last = now

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()


def follow(items: Iterable[Item], unit: str, total: Optional[int] = None) -> Iterator[Item]:
    """Yield items, and show the progress of what is done with them.

    Parameters
    ----------
    items : iterable
    unit : str
        Singular of what an item is, such as ``image``.
    total : int, optional
        Number of items; needed if they have no length.
    """
    with Progress(len(items) if total is None else total, unit) as progress:  # type: ignore
        for item in items:
            yield item
            progress.update()
