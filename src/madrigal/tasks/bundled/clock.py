"""The time of day in words, written in figures.

The sentence says "ten to six in the evening", the answer is "17:50". Other numbers stand in some
sentences too.
"""

from collections.abc import Iterator
from random import Random

from madrigal.tasks.bundled.grammar import render
from madrigal.tasks.bundled.task import BundledTask, Row, make_rows
from madrigal.tasks.bundled.words import NAMES, TOWNS, WEEKDAYS, by_split
from madrigal.tasks.task import Split

HOURS = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve",
)  # fmt: skip
# By minutes after the hour; from 35 on the next hour is named.
MINUTES = {
    0: "{hour} o'clock", 5: "five past {hour}", 10: "ten past {hour}",
    15: "a quarter past {hour}", 20: "twenty past {hour}", 25: "twenty-five past {hour}",
    30: "half past {hour}", 35: "twenty-five to {hour}", 40: "twenty to {hour}",
    45: "a quarter to {hour}", 50: "ten to {hour}", 55: "five to {hour}",
}  # fmt: skip
PATTERNS = by_split(
    (
        "The {thing} begins at {time}.",
        "On {day} the {thing} begins at {time}.",
        "{name} wakes up at {time}.",
        "{name} and {count} friends meet at {time}.",
        "At {time} {name} goes to {town}.",
        "The train to {town} leaves at {time}.",
        "Train number {count} comes at {time}.",
        "It is {time}, and {name} is in {town}.",
        "Please call {name} at {time}.",
        "{name} has waited in {town} since {time}.",
        "Every {day} the {thing} is over by {time}.",
        "{name} wrote {count} letters and left {town} at {time}.",
        "The shops of {town} close at {time}.",
        "We saw {name} at {time} and had {count} minutes to talk.",
    ),
    (
        "We all met {name} at {time} on {day}.",
        "The {thing} in {town} ends at {time}.",
        "At {time}, {count} people came to see {name}.",
        "{name} heard the bell of {town} at {time}.",
        "They had to be in {town} by {time}.",
    ),
)
THINGS = by_split(
    ("concert", "lesson", "film", "meeting", "dinner", "game", "party", "race"),
    ("lecture", "play", "festival", "wedding"),
)


def in_words(hour: int, minute: int) -> str:
    """A time between 05:00 and 22:55, at a multiple of five minutes, in words."""
    named = hour if minute <= 30 else hour + 1
    part = "morning" if hour < 12 else "afternoon" if hour < 18 else "evening"
    return f"{MINUTES[minute].format(hour=HOURS[(named - 1) % 12])} in the {part}"


def held_out(hour: int, minute: int) -> bool:
    """Whether this time stands in the test only; one in five does."""
    return (hour + minute // 5) % 5 == 0


_TIMES = [(hour, minute) for hour in range(5, 23) for minute in MINUTES]
TIMES = by_split(
    tuple(time for time in _TIMES if not held_out(*time)),
    tuple(time for time in _TIMES if held_out(*time)),
)


def _make(rng: Random, split: Split, group: int) -> Iterator[Row]:
    hour, minute = TIMES[split][group % len(TIMES[split])]
    index = rng.randrange(len(PATTERNS[split]))
    text = render(
        PATTERNS[split][index],
        time=in_words(hour, minute),
        thing=rng.choice(THINGS[split]),
        name=rng.choice(NAMES[split]),
        town=rng.choice(TOWNS[split]),
        day=rng.choice(WEEKDAYS),
        count=rng.choice(HOURS[1:]),
    )
    yield {
        "instruction": "Write the time in figures.",
        "input": text,
        "output": f"{hour:02}:{minute:02}",
        "pattern": f"clock-{index + 1}",
    }


def task() -> BundledTask:
    """When trains leave and concerts begin, in figures."""
    return BundledTask(
        name="clock",
        about="Write the time of day, given in words in a sentence, in figures.",
        held_out="one time in five, sentence patterns, names, towns and events",
        rows=make_rows("clock", _make, ("input",)),
        settings={"prompt": "{input}\nTime:", "metric": "exact_match", "max_new_tokens": 12},
    )
