"""Another wording of a template by rules: what is asked stays, how it is said does not.

Of four rules one or two are drawn that change something: words of instructions give way to others
of the same sense, headings (`Review:`) are written another way, all of them the same, a line's end
becomes a blank line, a sentence of introduction stands before it all. Words of labels are never
touched. The words are English and few: other templates get other headings and introductions.
"""

import re
from collections.abc import Callable, Collection, Sequence

import numpy as np

# Words of a group mean the same where somebody is told what to do, as verb, noun and heading.
_GROUPS = """
classify|categorise / choose|select|pick / identify|find / decide|determine|judge / read|look at
write|give|provide / task|job|exercise / sentence|text|passage / question|query
based on|going by|according to / you are given|you get / below|here / example|instance
""".replace("\n", "/")
_SAME = [
    tuple(word.strip() for word in group.split("|")) for group in _GROUPS.split("/") if "|" in group
]
_OTHERS = {word: [one for one in group if one != word] for group in _SAME for word in group}
_PHRASE = re.compile(rf"\b(?:{'|'.join(sorted(_OTHERS, key=len, reverse=True))})\b", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_HEADING = re.compile(r"(?m)^([^\W\d_][^\n:]{0,30}):(?=\s|$)")
_HEADINGS = ("[{}]:", "{} -", "{} =", "## {}:")
_OPENINGS = ("Here is a task for you.\n", "Please do this.\n", "Consider this:\n", "A new case.\n")

Parts = Sequence[str]  # of a template: what stands before, between and after a row's own words


def reworded(parts: Parts, protected: Collection[str], chance: np.random.Generator) -> list[str]:
    """The parts in another wording; as they are where they hold no word at all."""
    found = list(parts)
    if not any(_WORD.search(part) for part in parts):
        return found
    order = [_RULES[k] for k in chance.permutation(len(_RULES)).tolist()]
    wanted = 1 + int(chance.integers(2))
    for rule in order:
        after = rule(found, protected, chance)
        wanted -= after != found
        found = after
        if not wanted:
            break
    return found


def _words(parts: Parts, protected: Collection[str], chance: np.random.Generator) -> list[str]:
    """Each with the chance of a half, so that a long instruction does not change whole."""

    def other(match: re.Match[str]) -> str:
        said = match[0].lower()
        new = _OTHERS[said][int(chance.integers(len(_OTHERS[said])))]
        words = {*_WORD.findall(said), *_WORD.findall(new)}
        if chance.random() < 0.5 or words & set(protected):
            return match[0]
        return new.capitalize() if match[0][0].isupper() else new

    return [_PHRASE.sub(other, part) for part in parts]


def _headings(parts: Parts, protected: Collection[str], chance: np.random.Generator) -> list[str]:
    way = _HEADINGS[int(chance.integers(len(_HEADINGS)))]

    def other(match: re.Match[str]) -> str:
        touched = set(_WORD.findall(match[0].lower())) & set(protected)
        return match[0] if touched else way.format(match[1])

    # Only the first part begins at the beginning of a line, whatever the text before the others.
    return [
        _HEADING.sub(other, part) if not number else _HEADING.sub(other, f"\0{part}")[1:]
        for number, part in enumerate(parts)
    ]


def _lines(parts: Parts, protected: Collection[str], chance: np.random.Generator) -> list[str]:
    del protected, chance
    return [re.sub(r"(?<!\n)\n(?!\n)", "\n\n", part) for part in parts]


def _opening(parts: Parts, protected: Collection[str], chance: np.random.Generator) -> list[str]:
    del protected
    return [_OPENINGS[int(chance.integers(len(_OPENINGS)))] + parts[0], *parts[1:]]


_Rule = Callable[[Parts, Collection[str], np.random.Generator], list[str]]
_RULES: tuple[_Rule, ...] = (_words, _headings, _lines, _opening)
