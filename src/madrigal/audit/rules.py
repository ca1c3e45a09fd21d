"""Rules that read the text itself: words of a list, and patterns, each in its surroundings."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from madrigal.audit.filter_settings import Side
from madrigal.audit.spelling import Plain, pattern, plain, tokens
from madrigal.audit.verdict import Finding

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Context:
    """Whether a find counts where it stands."""

    unless_near: re.Pattern[str] | None = None
    only_near: re.Pattern[str] | None = None
    window: int = 5

    def counts(self, text: str, span: Span) -> bool:
        """Whether a stretch of plain text counts, by the words around it."""
        if self.unless_near is None and self.only_near is None:
            return True
        around = self._around(text, span)
        if self.unless_near is not None and any(map(self.unless_near.search, around)):
            return False
        return self.only_near is None or any(map(self.only_near.search, around))

    def _around(self, text: str, span: Span) -> tuple[str, str]:
        """So many words before, and so many after; the find itself is in neither."""
        words = tokens(text)
        before = [start for start, end in words if end <= span[0]][-self.window :]
        after = [end for start, end in words if start >= span[1]][: self.window]
        return (
            text[before[0] : span[0]] if before else "",
            text[span[1] : after[-1]] if after else "",
        )


def near(words: Sequence[str]) -> re.Pattern[str] | None:
    """What finds any of the words in plain text; None for no words."""
    return re.compile("|".join(pattern(word, False, True) for word in words)) if words else None


@dataclass(frozen=True, slots=True)
class WordRule:
    """Words of a list. `words` are one alternative after another."""

    name: str
    on: tuple[Side, ...]
    blocks: bool
    words: re.Pattern[str]
    context: Context
    severity: float

    def look(self, texts: Sequence[str], prompts: Sequence[str]) -> list[tuple[Finding, ...]]:
        """Every find that counts, by where it stands in the text as written."""
        del prompts
        return [tuple(self._finds(text)) for text in texts]

    def _finds(self, text: str) -> Iterator[Finding]:
        simple = plain(text)
        for match in self.words.finditer(simple.text):
            if match.end() > match.start() and self.context.counts(simple.text, match.span()):
                yield _finding(self, text, simple.written(*match.span()))


@dataclass(frozen=True, slots=True)
class PatternRule:
    """Regular expressions on the text as written; each with what else must hold of a find."""

    name: str
    on: tuple[Side, ...]
    blocks: bool
    patterns: tuple[tuple[re.Pattern[str], Callable[[str], bool]], ...]
    unless: tuple[re.Pattern[str], ...]
    context: Context
    severity: float

    def look(self, texts: Sequence[str], prompts: Sequence[str]) -> list[tuple[Finding, ...]]:
        """Every find that counts."""
        del prompts
        return [tuple(self._finds(text)) for text in texts]

    def _finds(self, text: str) -> Iterator[Finding]:
        simple: Plain | None = None
        spans = {
            match.span()
            for expression, holds in self.patterns
            for match in expression.finditer(text)
            if match[0] and holds(match[0]) and not any(one.search(match[0]) for one in self.unless)
        }
        for span in sorted(spans):
            simple = simple or plain(text)
            inside = [i for i, place in enumerate(simple.places) if span[0] <= place < span[1]]
            there = (inside[0], inside[-1] + 1) if inside else (0, 0)
            if self.context.counts(simple.text, there):
                yield _finding(self, text, span)


def _finding(rule: WordRule | PatternRule, text: str, span: Span) -> Finding:
    start, end = span
    return Finding(rule.name, rule.severity, True, rule.blocks, start, end, text[start:end])
