"""Words that change places in a counterfactual copy: who acts or where, and not what happens."""

import re

# Both ways. Names and places are common ones, written down by us; none says more than that.
_PAIRS = """
he she|himself herself|man woman|men women|boy girl|boys girls|father mother|fathers mothers
son daughter|sons daughters|brother sister|brothers sisters|husband wife|husbands wives|uncle aunt
nephew niece|grandfather grandmother|grandson granddaughter|actor actress|actors actresses
king queen|prince princess|mr mrs|sir madam|gentleman lady|gentlemen ladies|male female
james mary|john anna|robert linda|michael susan|david laura|peter helen|paul julia|mark alice
thomas emma|daniel sarah|george martha|henry clara|amit priya|omar leila|hiroshi yuki|luis maria
london cairo|paris nairobi|boston mumbai|chicago lagos|texas ohio|france brazil|germany japan
england india|italy kenya|spain vietnam|berlin tokyo|rome lima
"""
_BOTH = [pair.split() for line in _PAIRS.split("\n") for pair in line.split("|") if pair]
SWAPS = {a: b for one, other in _BOTH for a, b in ((one, other), (other, one))} | {
    "him": "her",
    "his": "her",
}
_WORD = re.compile(r"[A-Za-z]+")
# After these "her" stands for "him"; before another word it stands for "his".
_CLOSED = frozenset((
    "a", "an", "the", "and", "or", "but", "if", "to", "in", "on", "at", "by", "for", "from", "with",
    "of", "as", "is", "was", "be", "that", "this", "not", "so", "too",
))  # fmt: skip


def swapped(text: str) -> str:
    """The text with every listed word exchanged, capitals as they were."""
    found: list[str] = []
    end = 0
    for match in _WORD.finditer(text):
        word = match[0].lower()
        other = _his_or_him(text[match.end() :]) if word == "her" else SWAPS.get(word)
        if other is not None:
            found += [text[end : match.start()], _cased(other, match[0])]
            end = match.end()
    return "".join((*found, text[end:]))


def _his_or_him(rest: str) -> str:
    after = re.match(r" ([A-Za-z]+)", rest)
    return "his" if after and after[1].lower() not in _CLOSED else "him"


def _cased(word: str, like: str) -> str:
    if len(like) > 1 and like.isupper():
        return word.upper()
    return word.capitalize() if like[0].isupper() else word
