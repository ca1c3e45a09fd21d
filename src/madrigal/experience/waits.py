"""How long to wait before a request is made again."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

# What a server says when it may answer later: too early, too many, broken, overloaded.
LATER = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})


def pause(tries: int, chance: float, first: float, longest: float, asked: float | None) -> float:
    """Seconds before the next try, after so many.

    Exponential back-off with full jitter: chance * min(longest, first * 2^(tries - 1)), so that
    many clients do not come back at once; with what the server asked for on top of that.
    `chance` is from 0 to below 1.
    """
    drawn = chance * min(longest, first * 2 ** (tries - 1))
    return drawn if asked is None else asked + min(drawn, first)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that a server asks to wait: `Retry-After` as a number or a date (RFC 9110, 10.2.3),
    or `retry-after-ms`. None where it asks for nothing that can be read. `now` is in seconds since
    1970."""
    said = headers.get("retry-after-ms")
    seconds = _number(said) if said is not None else None
    if seconds is not None:
        return seconds / 1000
    said = headers.get("retry-after")
    if said is None:
        return None
    seconds = _number(said)
    if seconds is not None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - now)
    except (ValueError, TypeError):
        return None


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if 0 <= found < float("inf") else None
