"""A title for a short piece of news.

The kind of event, told in many ways, gives the shape of the title; two or three words of the text
fill it. The text tells more than the title needs (names, days, numbers): that has to be left out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random

from madrigal.tasks.bundled.grammar import render
from madrigal.tasks.bundled.task import BundledTask, Row, make_rows
from madrigal.tasks.bundled.words import NAMES, TOWNS, WEEKDAYS, BySplit, by_split
from madrigal.tasks.task import Split

# What a title is filled with: the same words in training and in the test, in other company.
FILLERS = {
    "animal": (
        "dog", "cat", "bear", "wolf", "goat", "fox", "horse", "swan", "pig", "cow", "lion", "snake",
    ),
    "building": (
        "school", "library", "museum", "church", "station", "market", "hotel", "theatre", "bank",
        "hospital", "harbour", "zoo",
    ),
    "cause": ("fire", "flood", "storm", "strike", "leak"),
    "contest": ("singing", "baking", "swimming", "dancing", "running", "drawing", "fishing"),
    "danger": ("river", "well", "lake", "pond", "snow", "mud", "sea"),
    "estate": ("farm", "mill", "house", "shop", "castle", "garden"),
    "job": (
        "baker", "teacher", "doctor", "farmer", "sailor", "painter", "driver", "hunter", "nurse",
        "student", "soldier", "singer",
    ),
    "number": ("three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    "thing": (
        "ring", "watch", "umbrella", "key", "coat", "violin", "map", "camera", "letter", "hat",
        "bag", "sword",
    ),
    "town": TOWNS["train"][:12],
    "other": TOWNS["train"][:12],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class News:
    """A kind of event: the shape of its title, and the ways to tell it."""

    name: str
    title: str
    texts: BySplit[str]  # {elsewhere} is a town that does not enter the title


NEWS = (
    News(
        "found",
        "Lost {thing} found in {building}",
        by_split(
            (
                "{name} lost a/an {thing} last {day}. Now it was found in the {building}.",
                "A/an {thing} that {name} had lost was found in the {building} on {day}.",
                "For {number} days {name} missed a lost {thing}. It was found in the {building}.",
                "Found in the {building}: the {thing} that {name} lost in {elsewhere}.",
            ),
            (
                "In the {building} somebody found the {thing} that {name} lost {number} days ago.",
                "{name} lost a/an {thing} in {elsewhere}. It was found in the {building}.",
            ),
        ),
    ),
    News(
        "closed",
        "{cause} closes {building} in {town}",
        by_split(
            (
                "The {building} in {town} had to close on {day} because of a {cause}.",
                "After the {cause} the {building} in {town} stays closed for {number} days.",
                "A {cause} has closed the {building} in {town}, says {name}.",
                "The {building} of {town} is closed. The reason is a {cause}.",
            ),
            (
                "Because of the {cause}, the {building} in {town} is closed until {day}.",
                "{name} found the {building} of {town} closed on {day}, after a {cause}.",
            ),
        ),
    ),
    News(
        "opens",
        "New {building} opens in {town}",
        by_split(
            (
                "{town} has a new {building}. {name} opened it on {day}.",
                "After {number} years of work the new {building} in {town} opens on {day}.",
                "A new {building} will soon open in {town}, says {name}.",
                "On {day} the people of {town} saw the opening of their new {building}.",
            ),
            (
                "The new {building} in {town} took {number} years. It will open on {day}.",
                "{name} of {elsewhere} came to {town} to open a new {building}.",
            ),
        ),
    ),
    News(
        "wins",
        "{job} wins {contest} contest",
        by_split(
            (
                "On {day} {name}, a {job}, won the {contest} contest in {elsewhere}.",
                "The {job} {name} is the winner of this year's {contest} contest.",
                "There were {number} people in the {contest} contest, and a {job} won it.",
                "First prize in the {contest} contest went to {name}, a {job}.",
            ),
            (
                "The winner of the {contest} contest in {elsewhere} is {name}, a {job}.",
                "A {job} called {name} won the {contest} contest on {day}.",
            ),
        ),
    ),
    News(
        "saves",
        "{job} saves {animal} from {danger}",
        by_split(
            (
                "{name}, a {job}, pulled a {animal} out of the {danger} and saved its life.",
                "On {day} a {job} from {elsewhere} saved a {animal} from the {danger}.",
                "A {animal} fell into the {danger}. The {job} {name} saved it.",
                "It took the {job} {number} hours to save a {animal} from the {danger}.",
            ),
            (
                "A {animal} in the {danger} was saved on {day} by a {job}, {name}.",
                "The {job} {name} went into the {danger} to save a {animal}.",
            ),
        ),
    ),
    News(
        "seen",
        "{animal} seen near {building} in {town}",
        by_split(
            (
                "On {day} {name} saw a {animal} near the {building} in {town}.",
                "A {animal} was seen in {town} last {day}, very near the {building}.",
                "Near the {building} in {town}, {number} people saw a {animal}.",
                "{name} says that a {animal} is in {town}. It was seen near the {building}.",
            ),
            (
                "In {town} a {animal} came near the {building}, and {name} saw it.",
                "{number} times a {animal} has been seen near the {building} of {town}.",
            ),
        ),
    ),
    News(
        "stolen",
        "Thief takes {thing} from {building}",
        by_split(
            (
                "On {day} a thief came into the {building} and took a/an {thing}.",
                "A/an {thing} is missing from the {building}. {name} saw the thief who took it.",
                "The police look for a thief. A/an {thing} was taken from the {building}.",
                "A thief took the {thing} of {name} from the {building} in {elsewhere}.",
            ),
            (
                "{name} saw how a thief took a/an {thing} from the {building} on {day}.",
                "The {building} has lost a/an {thing} to a thief, who took it on {day}.",
            ),
        ),
    ),
    News(
        "sells",
        "{job} sells {estate} in {town}",
        by_split(
            (
                "{name}, a {job}, has sold a {estate} in {town} for a good price.",
                "After {number} years a {job} sells a {estate} in {town}.",
                "The {job} {name} moves to {elsewhere} and sells the {estate} in {town}.",
                "For sale on {day}: a {estate} in {town}. The seller is a {job}.",
            ),
            (
                "A {estate} in {town} was sold on {day}. The seller, {name}, is a {job}.",
                "A {job} from {elsewhere}, {name}, wants to sell the {estate} in {town}.",
            ),
        ),
    ),
    News(
        "moves",
        "{building} moves from {town} to {other}",
        by_split(
            (
                "The {building} moves from {town} to {other} on {day}, says {name}.",
                "After {number} years in {town} the {building} moves to {other}.",
                "{town} loses its {building}: next {day} it moves to {other}.",
                "From {day} on the {building} is in {other}. It moves there from {town}.",
            ),
            (
                "The {building} has left {town} and moves to {other}, as {name} wanted.",
                "In {town} there will be no {building} after {day}: it moves to {other}.",
            ),
        ),
    ),
    News(
        "late",
        "Train to {town} {number} hours late",
        by_split(
            (
                "The train to {town} came {number} hours late on {day}.",
                "{name} waited for the train to {town}, and it was {number} hours late.",
                "On {day} the train from {elsewhere} to {town} was late by {number} hours.",
                "With {name} on it, the train to {town} has come in {number} hours late.",
            ),
            (
                "People in {elsewhere} had to wait {number} hours: the train to {town} was late.",
                "{number} hours late, the train to {town} came on {day}, and {name} was angry.",
            ),
        ),
    ),
)


def held_out(fillers: Mapping[str, str], title: str) -> bool:
    """Whether a title with these fillers stands in the test only; one in five does."""
    places = [FILLERS[kind].index(word) for kind, word in fillers.items() if f"{{{kind}}}" in title]
    return sum(places) % 5 == 0


def _fillers(rng: Random, split: Split, title: str) -> dict[str, str]:
    while True:
        fillers = {kind: rng.choice(words) for kind, words in FILLERS.items()}
        if fillers["town"] != fillers["other"] and held_out(fillers, title) == (split == "test"):
            return fillers


def _make(rng: Random, split: Split, group: int) -> Iterator[Row]:
    news = NEWS[group % len(NEWS)]
    fillers = _fillers(rng, split, news.title)
    index = rng.randrange(len(news.texts[split]))
    text = render(
        news.texts[split][index],
        **fillers,
        name=rng.choice(NAMES[split]),
        day=rng.choice(WEEKDAYS),
        elsewhere=rng.choice([town for town in TOWNS[split] if town != fillers["town"]]),
    )
    yield {
        "instruction": "Give this piece of news a title.",
        "input": text,
        "output": render(news.title, **fillers),
        "pattern": f"{news.name}-{index + 1}",
    }


def task() -> BundledTask:
    """News of lost things, storms, contests, thieves: one line that says it."""
    return BundledTask(
        name="titles",
        about="Write the title of a short piece of news.",
        held_out="every way to tell the news, every title, names and places left out of it",
        rows=make_rows("titles", _make, ("input",)),
        settings={"prompt": "{input}\nTitle:", "metric": "rouge_l", "max_new_tokens": 24},
    )
