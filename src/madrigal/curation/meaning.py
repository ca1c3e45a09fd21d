"""What a finding means for training, and what is done about it when asked."""

from collections.abc import Mapping
from dataclasses import dataclass

from madrigal.curation.finding import CheckName


@dataclass(frozen=True, slots=True)
class Meaning:
    """In words: what is found, what it does to a model, what helps, and how one goes about it."""

    title: str
    harm: str
    cure: str
    advice: str


MEANINGS: Mapping[CheckName, Meaning] = {
    "unreadable": Meaning(
        "rows that cannot be read",
        "training stops at them",
        "corrected, or left out",
        "Correct them, or set `on_bad: drop`, which leaves them out and lists them.",
    ),
    "encoding": Meaning(
        "text decoded wrongly",
        "the model learns to write it so",
        "repaired where it can be undone",
        "A cleaned copy has repaired what can be undone; bytes that are lost need the source.",
    ),
    "control_characters": Meaning(
        "control characters",
        "tokens that no prompt will have",
        "taken out",
        "A cleaned copy is without them.",
    ),
    "empty_answer": Meaning(
        "empty answers",
        "the model learns to say nothing",
        "left out",
        "A cleaned copy is without these records.",
    ),
    "truncated_answer": Meaning(
        "answers cut off",
        "the model learns to stop in the middle",
        "looked at, or left out",
        "Look for the limit that cut them and make them anew, or add `--drop truncated_answer`.",
    ),
    "prompt_in_answer": Meaning(
        "prompts in answers",
        "the model repeats the question or writes the next one",
        "left out",
        "Cut the answers where the prompt begins again, or add `--drop prompt_in_answer`.",
    ),
    "boilerplate": Meaning(
        "stock phrases",
        "the model says them everywhere",
        "looked at",
        "Review them; `--drop boilerplate` leaves all out.",
    ),
    "refusal": Meaning(
        "refusals",
        "the model refuses what it could do",
        "left out, unless wanted",
        "Keep those that you want the model to give; `--drop refusal` leaves all out.",
    ),
    "repetition": Meaning(
        "repetition",
        "the model learns to go round in circles",
        "left out",
        "Review them; `--drop repetition` leaves all out.",
    ),
    "language": Meaning(
        "another language",
        "answers in a language that nobody asked for",
        "looked at, or left out",
        "Short texts are easily mistaken: review some before `--drop language`.",
    ),
    "length": Meaning(
        "unusual lengths",
        "long records are cut, or outweigh many others",
        "looked at",
        "Look whether several records have run together, or one was cut.",
    ),
    "personal_data": Meaning(
        "personal data",
        "what is learnt by heart may be said to anyone",
        "masked",
        "A cleaned copy has `[mail]`, `[phone]` and the like in their place.",
    ),
    "secret": Meaning(
        "keys and passwords",
        "as personal data; change them too",
        "masked",
        "Change them now: whoever has the data has them. A cleaned copy has them masked.",
    ),
    "offensive": Meaning(
        "offensive words",
        "the model learns to say them, unless that is the task",
        "looked at",
        "A rate and no verdict; where it is not the task, add `--drop offensive`, or "
        "filter answers.",
    ),
    "licence": Meaning(
        "licences",
        "the model may not be used as planned",
        "a decision of yours",
        "Ask whoever owns the data, or leave the task out.",
    ),
    "exact_duplicate": Meaning(
        "exact duplicates",
        "counted twice in training, and learnt by heart",
        "one copy stays",
        "In a cleaned copy one of each stays, the one with the most filled fields.",
    ),
    "near_duplicate": Meaning(
        "near duplicates",
        "nearly counted twice, and learnt by heart",
        "one copy stays",
        "In a cleaned copy one of each stays; `--keep near_duplicate` leaves them alone.",
    ),
    "shared_with_task": Meaning(
        "shared with another task",
        "seen more often than the mixture says",
        "a decision of yours",
        "Leave them in one task only, or give that task a smaller share of the mixture.",
    ),
    "leak": Meaning(
        "held-out records in training",
        "scores on them are too good",
        "left out of training",
        "A run leaves them out by itself; a cleaned copy is without them.",
    ),
    "near_leak": Meaning(
        "nearly held-out records in training",
        "scores on them are too good",
        "left out of training",
        "A cleaned copy of the training records is without them, and scores stay comparable.",
    ),
    "contradiction": Meaning(
        "contradictory labels",
        "one of them is wrong; the loss cannot fall below it",
        "looked at",
        "Review them, for one label of each is wrong; `--drop contradiction` leaves all out.",
    ),
    "contamination": Meaning(
        "held-out text in training",
        "scores on it are too good",
        "left out of training",
        "Read the pairs: a passage that all share is no harm. A cleaned copy is without "
        "the training records that give held-out ones away.",
    ),
    "imbalance": Meaning(
        "uneven labels",
        "rare labels are hardly learnt, and accuracy hides it",
        "balanced draws",
        "Draw evenly with `within: label` in the mixture, and look at `macro_f1`.",
    ),
    "label_noise": Meaning(
        "suspicious labels",
        "wrong labels lower what can be reached",
        "looked at, worst first",
        "Review them, the worst first; `--relabel 0.9` takes the other label where the "
        "check is as sure.",
    ),
    "shift": Meaning(
        "unlike the training data",
        "held-out scores tell of other data than the model learnt from",
        "more of such data, nearer raw text (`data.select`), or `align`",
        "Add training records like those held out; of raw text `data.select` finds what is "
        "nearest, and the objective `align` brings together what the model makes of both.",
    ),
}
