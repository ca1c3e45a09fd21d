"""What a finding means for training, and what is done about it when asked."""

from collections.abc import Mapping
from dataclasses import dataclass

from madrigal.curation.finding import CheckName


@dataclass(frozen=True, slots=True)
class Meaning:
    """In words: what is found, what it does to a model, and what helps."""

    title: str
    harm: str
    cure: str


MEANINGS: Mapping[CheckName, Meaning] = {
    "unreadable": Meaning(
        "rows that cannot be read", "training stops at them", "corrected, or left out"
    ),
    "encoding": Meaning(
        "text decoded wrongly", "the model learns to write it so", "repaired where it can be undone"
    ),
    "control_characters": Meaning(
        "control characters", "tokens that no prompt will have", "taken out"
    ),
    "empty_answer": Meaning("empty answers", "the model learns to say nothing", "left out"),
    "truncated_answer": Meaning(
        "answers cut off", "the model learns to stop in the middle", "looked at, or left out"
    ),
    "prompt_in_answer": Meaning(
        "prompts in answers", "the model repeats the question or writes the next one", "left out"
    ),
    "boilerplate": Meaning("stock phrases", "the model says them everywhere", "looked at"),
    "refusal": Meaning("refusals", "the model refuses what it could do", "left out, unless wanted"),
    "repetition": Meaning("repetition", "the model learns to go round in circles", "left out"),
    "language": Meaning(
        "another language", "answers in a language that nobody asked for", "looked at, or left out"
    ),
    "length": Meaning(
        "unusual lengths", "long records are cut, or outweigh many others", "looked at"
    ),
    "personal_data": Meaning(
        "personal data", "what is learnt by heart may be said to anyone", "masked"
    ),
    "secret": Meaning("keys and passwords", "as personal data; change them too", "masked"),
    "offensive": Meaning(
        "offensive words", "the model learns to say them, unless that is the task", "looked at"
    ),
    "licence": Meaning("licences", "the model may not be used as planned", "a decision of yours"),
    "exact_duplicate": Meaning(
        "exact duplicates", "counted twice in training, and learnt by heart", "one copy stays"
    ),
    "near_duplicate": Meaning(
        "near duplicates", "nearly counted twice, and learnt by heart", "one copy stays"
    ),
    "shared_with_task": Meaning(
        "shared with another task", "seen more often than the mixture says", "a decision of yours"
    ),
    "leak": Meaning(
        "held-out records in training", "test scores are too good", "left out of training"
    ),
    "near_leak": Meaning(
        "nearly held-out records in training", "test scores are too good", "left out of training"
    ),
    "contradiction": Meaning(
        "contradictory labels", "one of them is wrong; the loss cannot fall below it", "looked at"
    ),
    "contamination": Meaning(
        "test text in training", "test scores are too good", "left out of training"
    ),
    "imbalance": Meaning(
        "uneven labels", "rare labels are hardly learnt, and accuracy hides it", "balanced draws"
    ),
    "label_noise": Meaning(
        "suspicious labels", "wrong labels lower what can be reached", "looked at, worst first"
    ),
    "shift": Meaning(
        "unlike the training data",
        "held-out scores tell of other data than the model learnt from",
        "more of such data, nearer raw text (`data.select`), or `align`",
    ),
}
