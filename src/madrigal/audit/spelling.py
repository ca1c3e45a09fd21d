"""Text as it is compared with words: without case, accents and disguise, places kept."""

import re
import unicodedata
from dataclasses import dataclass

# Characters that are taken for others; letters of other scripts look the same on a screen.
_LOOKS_LIKE = str.maketrans(
    "аеорсухіјѕԁһӏԛԝαορτυνκιЅІ", "aeopcyxijsdhlqwaoptuvkisi"
)  # fmt: skip
# What a letter is disguised as, beside itself.
DISGUISES = {
    "a": "@4", "b": "8", "e": "3€", "g": "9", "i": "1!|", "l": "1|", "o": "0", "s": "$5", "t": "7+",
    "z": "2",
}  # fmt: skip
_MASKS = r"*#"  # stand for any one letter, as in d*mn
_BETWEEN = r"[\s.\-_*]{1,3}"  # between letters that are spelled out one by one


@dataclass(frozen=True, slots=True)
class Plain:
    """Text to search in; character i of it stands at `places[i]` of the text as written."""

    text: str
    places: tuple[int, ...]

    def written(self, start: int, end: int) -> tuple[int, int]:
        """Where a stretch of this text stands in the text as written."""
        return self.places[start], self.places[end - 1] + 1


def plain(text: str) -> Plain:
    """Lower case, compatibility forms taken apart, accents and invisible characters left out."""
    letters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for part in unicodedata.normalize("NFKD", character).casefold():
            if unicodedata.category(part) not in ("Mn", "Cf"):
                letters.append(part)
                places.append(place)
    return Plain("".join(letters).translate(_LOOKS_LIKE), tuple(places))


def pattern(word: str, obfuscated: bool, whole: bool) -> str:
    """A regular expression that finds a word or phrase in plain text.

    A `*` at the end of the word stands for any ending. With `obfuscated` letters may be disguised
    (1d10t), repeated (idiooot), one of them masked (id*ot), or all spelled apart (i d i o t). With
    `whole` no letter or digit stands beside it.
    """
    word = plain(word).text.strip()
    ending = word.endswith("*")
    parts = word.removesuffix("*").split()
    found = r"\s+".join(_part(part, obfuscated) for part in parts)
    if obfuscated and len(parts) == 1 and len(parts[0]) > 2 and parts[0].isalpha():
        apart = _BETWEEN.join(f"[{_class(letter)}]" for letter in parts[0])
        found = f"(?:{found}|{apart})"
    tail = r"\w*" if ending else ""
    return rf"(?<![^\W_]){found}{tail}(?![^\W_])" if whole else f"{found}{tail}"


def _part(word: str, obfuscated: bool) -> str:
    if not obfuscated:
        return re.escape(word)
    runs = [match[0] for match in re.finditer(r"(.)\1*", word)]
    # Somewhere a real letter, so that 455 stays a number.
    letters = "".join(sorted(set(word)))
    seen = rf"(?=[^\s]{{0,{2 * len(word)}}}[{re.escape(letters)}])" if word.isalpha() else ""
    return seen + "".join(_run(run, first=place == 0) for place, run in enumerate(runs))


def _run(run: str, first: bool) -> str:
    """A letter that stands once or several times in a row; more of them do not hide it."""
    letter, count = run[0], len(run)
    if not letter.isalpha():
        return re.escape(run)
    kind = _class(letter)
    if first:
        return rf"[{kind}]{{{count},}}"
    return rf"(?:[{kind}]{{{count},}}|[{kind}{_MASKS}]{{{count}}})"


def _class(letter: str) -> str:
    return re.escape(letter) + "".join(re.escape(one) for one in DISGUISES.get(letter, ""))


def tokens(text: str) -> list[tuple[int, int]]:
    """Start and end of every word of plain text."""
    return [match.span() for match in re.finditer(r"\w+(?:'\w+)*", text)]
