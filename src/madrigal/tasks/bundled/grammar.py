"""Sentences from patterns."""

import re

_ARTICLE = re.compile(r"\b([Aa])/an (\w+)")
_START = re.compile(r"(^|[.!?] )([a-z])")
# Written with a vowel, spoken with a consonant, and the other way round.
_SPOKEN = {"useful": "a", "useless": "a", "uniform": "a", "honest": "an", "hour": "an"}


def article(word: str) -> str:
    """The indefinite article that goes before a word."""
    return _SPOKEN.get(word.lower(), "an" if word[0].lower() in "aeiou" else "a")


def render(pattern: str, **slots: str) -> str:
    """A pattern with slots filled, `a/an` as the article that fits, and capitals where due."""
    filled = pattern.format(**slots)
    spoken = _ARTICLE.sub(lambda m: f"{m[1]}{article(m[2])[1:]} {m[2]}", filled)
    return _START.sub(lambda m: m[1] + m[2].upper(), spoken)
