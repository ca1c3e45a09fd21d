"""Tasks that come with the package, for a first run without any data.

Each is made on the fly by a pure function of a fixed seed, from words and sentence patterns of its
own; the test has patterns that training has not (`BundledTask.held_out` says what else).
"""

from collections.abc import Callable, Mapping

from madrigal.tasks.bundled.clock import clock
from madrigal.tasks.bundled.inference import inference
from madrigal.tasks.bundled.passages import passages
from madrigal.tasks.bundled.sentiment import sentiment
from madrigal.tasks.bundled.task import BundledTask
from madrigal.tasks.bundled.titles import titles
from madrigal.tasks.bundled.translation import translation

BUNDLED: Mapping[str, Callable[[], BundledTask]] = {
    "sentiment": sentiment,
    "inference": inference,
    "passages": passages,
    "titles": titles,
    "translation": translation,
    "clock": clock,
}

__all__ = ["BUNDLED", "BundledTask"]
