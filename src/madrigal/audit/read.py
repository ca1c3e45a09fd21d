"""A filter from its file: strict, every mistake with its line."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from madrigal.audit.filter_settings import (
    Classifier,
    FilterSettings,
    Judge,
    Patterns,
    Words,
)
from madrigal.audit.known import KNOWN
from madrigal.audit.rules import Context, PatternRule, WordRule, near
from madrigal.audit.spelling import pattern
from madrigal.errors import RecipeError
from madrigal.recipe.aside import read_tree, settings_of
from madrigal.recipe.node import Mistake, Node
from madrigal.recipe.suggest import did_you_mean

PLAIN = "plain"
_HERE = Path(__file__).parent
_LISTS = _HERE / "lists"


@dataclass(frozen=True, slots=True)
class ReadFilter:
    """Settings of a filter, checked. Relative paths in it start at `root`."""

    settings: FilterSettings
    root: Path
    tree: Node

    def where(self, place: int, *keys: str) -> str:
        """How a message about a rule begins."""
        node = self.tree.get("rules", place, *keys)
        return str(Mistake(node, "")).removesuffix(": ")


def read_filter(name: str | Path) -> ReadFilter:
    """The filter of a file, or the one that Madrigal brings (`plain`).

    Raises:
        RecipeError: with every mistake.
    """
    path = _HERE / "plain.yaml" if str(name) == PLAIN else Path(name)
    tree = read_tree(path, "a filter")
    settings, mistakes = settings_of(tree, FilterSettings)
    if settings is not None:
        found = ReadFilter(settings, path.resolve().parent, tree)
        mistakes = [*_doubled(found), *_empty(found), *_broken(found)]
        if not mistakes:
            return found
    raise RecipeError(str(mistake) for mistake in mistakes)


def _doubled(read: ReadFilter) -> Iterator[Mistake]:
    seen: set[str] = set()
    for place, rule in enumerate(read.settings.rules):
        if rule.name in seen:
            node = read.tree.get("rules", place, "name")
            yield Mistake(node, f"{rule.name!r} is the name of another rule; choose another")
        seen.add(rule.name)


def _empty(read: ReadFilter) -> Iterator[Mistake]:
    if not read.settings.rules:
        yield Mistake(read.tree.get("rules"), "no rule, so nothing is ever found; write one")
    for place, rule in enumerate(read.settings.rules):
        node = read.tree.get("rules", place)
        if isinstance(rule, Words) and not rule.words and not rule.files:
            yield Mistake(node, "no words to look for; add `words` or `files`")
        if isinstance(rule, Patterns) and not rule.patterns and not rule.known:
            yield Mistake(node, "no pattern to look for; add `patterns` or `known`")
        if isinstance(rule, Judge) and rule.safe == rule.unsafe:
            yield Mistake(node.get("unsafe"), "is the same word as `safe`; the two must differ")
        if isinstance(rule, Judge) and rule.prompt is not None and "{text}" not in rule.prompt:
            yield Mistake(node.get("prompt"), "has no {text}, so it never shows what is judged")


def _broken(read: ReadFilter) -> Iterator[Mistake]:
    """Patterns that are none, words without letters, and lists that are not there."""
    for place, rule in enumerate(read.settings.rules):
        node = read.tree.get("rules", place)
        if isinstance(rule, Patterns):
            for key in ("patterns", "unless"):
                for i, text in enumerate(getattr(rule, key)):
                    try:
                        re.compile(text, re.IGNORECASE)
                    except re.error as error:
                        said = f"{text!r} is no regular expression: {error}"
                        yield Mistake(node.get(key, i), said)
        if isinstance(rule, Words):
            for i, name in enumerate(rule.files):
                try:
                    list_of(name, read.root)
                except OSError:
                    known = sorted(file.stem for file in _LISTS.glob("*.txt"))
                    hint = did_you_mean(name, known, "lists that Madrigal brings")
                    yield Mistake(node.get("files", i), f"no such file or list {name!r}{hint}")
                except UnicodeDecodeError:
                    yield Mistake(node.get("files", i), f"{name!r} is not UTF-8; save it as UTF-8")
        if isinstance(rule, Words | Patterns):
            for key in ("words", "unless_near", "only_near"):
                words: Sequence[str] = getattr(rule, key, ())
                for i, word in enumerate(words):
                    if not any(one.isalnum() for one in word):
                        said = f"{word!r} has no letter, so it would be found everywhere or nowhere"
                        yield Mistake(node.get(key, i), said)


def list_of(name: str, root: Path) -> tuple[str, ...]:
    """The words of a file, or of a list that Madrigal brings."""
    own = _LISTS / f"{name}.txt"
    path = own if own.is_file() and not (root / name).is_file() else root / name
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    words = (line.partition("#")[0].strip() for line in lines)
    return tuple(word for word in words if any(one.isalnum() for one in word))


def text_rule(settings: Words | Patterns, root: Path) -> WordRule | PatternRule:
    """A rule that needs no model."""
    context = Context(near(settings.unless_near), near(settings.only_near), settings.window)
    common = (settings.name, settings.on, settings.action == "block")
    if isinstance(settings, Words):
        return WordRule(*common, _words(settings, root), context, settings.severity)
    given = [(re.compile(text, re.IGNORECASE), bool) for text in settings.patterns]
    unless = tuple(re.compile(text, re.IGNORECASE) for text in settings.unless)
    patterns = (*given, *(KNOWN[name] for name in settings.known))
    return PatternRule(*common, patterns, unless, context, settings.severity)


def _words(settings: Words, root: Path) -> re.Pattern[str]:
    words = [*settings.words, *(one for file in settings.files for one in list_of(file, root))]
    return re.compile("|".join(_alternatives(settings, words)))


def _alternatives(settings: Words, words: Sequence[str]) -> list[str]:
    """The longest first, so that a phrase is found before a word that begins it."""
    hidden = settings.spelling == "obfuscated"
    ordered = sorted(dict.fromkeys(words), key=lambda word: (-len(word), word))
    return [pattern(word, hidden, settings.whole_words) for word in ordered]


def needs_model(settings: object) -> bool:
    """Whether a rule asks a model."""
    return isinstance(settings, Classifier | Judge)
