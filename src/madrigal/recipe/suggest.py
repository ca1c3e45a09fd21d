"""Did you mean?"""

from collections.abc import Iterable
from difflib import get_close_matches


def closest(word: str, among: Iterable[str]) -> str | None:
    """The candidate that the user most likely meant, upper and lower case aside."""
    word = word.lower()
    by_lower = {candidate.lower(): candidate for candidate in among}
    close = get_close_matches(word, by_lower, n=1, cutoff=0.6)
    if not close and len(word) > 1:
        close = [lower for lower in by_lower if word in lower.split("_") or lower.startswith(word)]
    return by_lower[close[0]] if close else None


def did_you_mean(word: str, among: Iterable[str], noun: str = "known") -> str:
    """`; did you mean 'pcgrad'?`, or the whole list where nothing is close and it is short."""
    candidates = list(among)
    found = closest(word, candidates)
    if found is not None:
        return f"; did you mean {found!r}?"
    if not candidates:
        return ""
    shown = ", ".join(repr(candidate) for candidate in candidates[:12])
    more = f" and {len(candidates) - 12} more" if len(candidates) > 12 else ""
    return f"; {noun}: {shown}{more}"


def short(value: object, limit: int = 60) -> str:
    """`repr` cut to `limit` characters: safe to print, whatever the file holds."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 4]}...{text[-1]}"
