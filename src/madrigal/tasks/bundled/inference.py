"""Inference on a pair of sentences: is the claim true, false or unknown, given the first sentence?

The first sentence says how an action stands: "managed to" means that it was done, "forgot to" that
it was not, "hoped to" leaves it open (implicative verbs; Karttunen, 1971). The claim says that the
action was done, or denies it. In a third of the pairs the sentence tells of two actions that stand
differently, so that it must be found which of them the claim is about.
"""

from collections.abc import Iterator, Mapping
from random import Random
from typing import Literal

from madrigal.tasks.bundled.grammar import render
from madrigal.tasks.bundled.task import BundledTask, Row, make_rows
from madrigal.tasks.bundled.words import NAMES, TOWNS, WEEKDAYS, by_split
from madrigal.tasks.task import Split

Label = Literal["entailment", "neutral", "contradiction"]
Standing = Literal["done", "open", "not done"]
LABELS: tuple[Label, ...] = ("entailment", "neutral", "contradiction")

VERBS: Mapping[Standing, tuple[str, ...]] = {
    "done": (
        "managed to",
        "remembered to",
        "made sure to",
        "was able to",
        "was kind enough to",
        "did not forget to",
    ),
    "open": (
        "hoped to",
        "wanted to",
        "planned to",
        "promised to",
        "was asked to",
        "was expected to",
    ),
    "not done": (
        "failed to",
        "forgot to",
        "refused to",
        "was unable to",
        "was too tired to",
        "decided not to",
    ),
}

# Infinitive, past tense, object.
Action = tuple[str, str, str]
ACTIONS = by_split(
    (
        ("open", "opened", "the window"), ("close", "closed", "the gate"),
        ("feed", "fed", "the cat"), ("paint", "painted", "the fence"),
        ("wash", "washed", "the dishes"), ("write", "wrote", "a letter"),
        ("call", "called", "the doctor"), ("cook", "cooked", "dinner"),
        ("clean", "cleaned", "the kitchen"), ("sell", "sold", "the house"),
        ("read", "read", "the book"), ("bake", "baked", "a cake"),
        ("visit", "visited", "the museum"), ("carry", "carried", "the box"),
        ("find", "found", "the key"), ("lock", "locked", "the door"),
        ("buy", "bought", "some bread"), ("plant", "planted", "a tree"),
        ("mend", "mended", "the chair"), ("sing", "sang", "a song"),
        ("light", "lit", "the fire"), ("draw", "drew", "a map"),
        ("water", "watered", "the garden"), ("take", "took", "a picture"),
        ("ring", "rang", "the bell"), ("sweep", "swept", "the floor"),
        ("build", "built", "a wall"), ("ride", "rode", "the horse"),
        ("learn", "learned", "the poem"), ("send", "sent", "the money"),
    ),
    (
        ("pay", "paid", "the bill"), ("climb", "climbed", "the hill"),
        ("drive", "drove", "the van"), ("answer", "answered", "the question"),
        ("empty", "emptied", "the bucket"), ("bring", "brought", "a present"),
        ("catch", "caught", "the train"), ("cut", "cut", "the grass"),
        ("win", "won", "the race"), ("repair", "repaired", "the roof"),
        ("hide", "hid", "the coin"), ("meet", "met", "the mayor"),
    ),
)  # fmt: skip

# {first} and {second} are actions with their verbs.
ONE = by_split(
    (
        "{name} {first}.",
        "On {day} {name} {first}.",
        "{name} {first} on {day} evening.",
        "After lunch {name} {first}.",
        "{name} from {town} {first}.",
    ),
    (
        "Last {day} {name} {first}.",
        "{name}, who lives in {town}, {first}.",
        "In the end {name} {first}.",
    ),
)
TWO = by_split(
    (
        "{name} {first}, but {second}.",
        "First {name} {first}, and then {name} {second}.",
        "{name} {first} and {second}.",
    ),
    (
        "On {day} {name} {first} but {second}.",
        "{name} {first}. Later {name} {second}.",
    ),
)


def _make(rng: Random, split: Split, group: int) -> Iterator[Row]:
    label = LABELS[group % 3]
    denied = rng.random() < 0.3
    standing: Standing = "open"
    if label != "neutral":
        standing = "done" if (label == "entailment") != denied else "not done"
    name = rng.choice(NAMES[split])
    asked, other = rng.sample(ACTIONS[split], 2)
    told = [f"{rng.choice(VERBS[standing])} {asked[0]} {asked[2]}"]
    two = group // 3 % 3 == 0
    if two:
        verbs = rng.choice([verbs for kind, verbs in VERBS.items() if kind != standing])
        told.append(f"{rng.choice(verbs)} {other[0]} {other[2]}")
        rng.shuffle(told)
    patterns = (TWO if two else ONE)[split]
    index = rng.randrange(len(patterns))
    premise = render(
        patterns[index],
        name=name,
        first=told[0],
        second=told[-1],
        day=rng.choice(WEEKDAYS),
        town=rng.choice(TOWNS[split]),
    )
    claim = f"did not {asked[0]}" if denied else asked[1]
    yield {
        "premise": premise,
        "hypothesis": f"{name} {claim} {asked[2]}.",
        "label": label,
        "actions": "two" if two else "one",
        "pattern": f"{'two' if two else 'one'}-{index + 1}",
    }


def task() -> BundledTask:
    """What someone managed, forgot or hoped to do, and a claim about it."""
    return BundledTask(
        name="inference",
        about="Given a sentence, is a claim true, false or unknown?",
        held_out="sentence patterns, actions (verbs and objects), names and towns",
        rows=make_rows("inference", _make, ("premise", "hypothesis")),
        settings={
            "prompt": "{premise}\nClaim: {hypothesis}\nTrue, false or unknown?",
            "labels": {"entailment": "true", "neutral": "unknown", "contradiction": "false"},
            "metric": "accuracy",
        },
    )
