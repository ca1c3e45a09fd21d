"""Tasks that come with the package, for a first run without any data.

Each is made on the fly by a pure function of a fixed seed, from words and sentence patterns of its
own; the test has patterns that training has not (`BundledTask.held_out` says what else).
"""

from collections.abc import Callable, Mapping

from madrigal.tasks.bundled import clock, inference, passages, sentiment, titles, translation
from madrigal.tasks.bundled.task import BundledTask

BUNDLED: Mapping[str, Callable[[], BundledTask]] = {
    "sentiment": sentiment.task,
    "inference": inference.task,
    "passages": passages.task,
    "titles": titles.task,
    "translation": translation.task,
    "clock": clock.task,
}

__all__ = ["BUNDLED", "BundledTask"]
