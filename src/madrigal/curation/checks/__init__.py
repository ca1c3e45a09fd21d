"""Checks of single records: pure functions of one sample.

Each yields what it sees; nothing is kept between samples, so any cut of the data into blocks gives
the same findings.
"""

from collections.abc import Callable, Iterator

from madrigal.curation.checks.answers import look_at_answers
from madrigal.curation.checks.characters import look_at_characters
from madrigal.curation.checks.offensive import look_for_offence
from madrigal.curation.checks.personal import look_for_people, look_for_secrets
from madrigal.curation.checks.phrases import look_at_phrases
from madrigal.curation.checks.repetition import look_for_repetition
from madrigal.curation.finding import Seen
from madrigal.curation.sample import Sample

Look = Callable[[Sample], Iterator[Seen]]

LOOKS: tuple[Look, ...] = (
    look_at_characters,
    look_at_answers,
    look_at_phrases,
    look_for_repetition,
    look_for_people,
    look_for_secrets,
    look_for_offence,
)


def look(sample: Sample) -> list[Seen]:
    """All that is seen in one sample, each kind of it once."""
    found = {seen.check: seen for one in reversed(LOOKS) for seen in reversed([*one(sample)])}
    return [found[name] for name in sorted(found)]
