"""How an output is read as an answer, and how texts are normalised before they are compared."""

import re
import string

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def plain(text: str) -> str:
    """Lower case, ASCII punctuation removed, spaces collapsed: the form of Natural Instructions.

    Tk-Instruct's `normalize_answer` (Wang et al., 2022); articles are kept. Where nothing is left
    ("+", "?") the text itself stays, so that two different signs are not equal.
    """
    return " ".join(text.lower().translate(_PUNCTUATION).split()) or " ".join(text.split())


def squad(text: str) -> str:
    """`plain` without the articles a, an, the: the form of SQuAD 1.1 (Rajpurkar et al., 2016)."""
    stripped = text.lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", stripped).split())


def is_parsed(output: str) -> bool:
    """Whether a generated output can be read as an answer: anything but white space."""
    return bool(output.strip())
