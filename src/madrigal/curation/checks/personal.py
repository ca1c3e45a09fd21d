"""Data about people, and keys that open doors; both are learnt by heart and said again.

Numbers count where their check digits are right: cards by Luhn (ISO/IEC 7812), accounts by
97-10 (ISO 13616). The patterns are those of the filter (`audit.known`). Evidence shows no more of a
find than its ends, so that a card of the data is no second leak.
"""

import re
from collections.abc import Iterator

from madrigal.audit.known import KNOWN
from madrigal.curation.finding import Seen
from madrigal.curation.sample import Sample

Span = tuple[int, int, str]

_STREET = (
    r"(?:street|st\.|avenue|ave\.?|road|rd\.?|boulevard|blvd\.?|lane|ln\.?|drive|dr\.|court|ct\.|"
    r"square|terrace|way|place|pl\.)"
)
ADDRESS = re.compile(
    rf"\b\d{{1,5}}[a-z]?,? (?:[NSEW]\.? )?(?:[A-Z][\w'-]+ ){{1,3}}(?i:{_STREET})(?![\w'])"
    r"|\b[A-ZÄÖÜ][\wäöüß-]*(?:straße|strasse|str\.|gasse|weg|platz) \d{1,4}[a-z]?\b"
    r"|\b\d{1,4},? (?:rue|avenue|boulevard|place) (?:de |du |des |la |le |l')*[A-Z]\w+"
    r"|(?i:\bp\.? ?o\.? box \d{1,6}\b)"
    r"|\b[A-Z][a-z]+, [A-Z]{2} \d{5}(?:-\d{4})?\b"
)
# The number for social security of the United States; neither 000, 666 nor 9xx are given out.
_SOCIAL = re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")
# Kinds in the order in which they take a stretch of text: a card is no phone.
_NUMBERS = ("iban", "card", "phone", "address")
_DIGIT = re.compile("[0-9]")
_NAMES = {"address": "internet address"}
_RESERVED = re.compile(r"@(?:[\w-]+\.)*example\.(?:com|org|net)$|@example$", re.IGNORECASE)

SECRETS: dict[str, re.Pattern[str]] = {
    "AWS key": re.compile(r"(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])"),
    "GitHub token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_\w{22,255})\b"),
    "API key": re.compile(r"\bsk-(?:proj-|ant-[a-z0-9]+-)?[A-Za-z0-9_-]{20,200}\b"),
    "Slack token": re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,200}\b"),
    "Google key": re.compile(r"\bAIza[A-Za-z0-9_-]{35}(?![\w-])"),
    "Stripe key": re.compile(r"\b[rs]k_live_[A-Za-z0-9]{16,200}\b"),
    "hub token": re.compile(r"\bhf_[A-Za-z0-9]{30,60}\b"),
    "private key": re.compile(r"-----BEGIN (?:[A-Z]{2,10} )?PRIVATE KEY-----"),
    "web token": re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"),
    "address with password": re.compile(
        r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,64}:[^\s/:@]{3,64}@"
    ),
    "password": re.compile(
        r"(?i:\b(?:password|passwd|pwd|secret|api[_-]?key|access[_-]?token)\b[\"']?\s*[:=]\s*[\"']?)"
        r"(?=[^\s\"']*\d)(?=[^\s\"']*[A-Za-z])[^\s\"'<>{}]{8,80}"
    ),
}
_HINTS = ("AKIA", "ASIA", "gh", "sk", "xox", "AIza", "hf_", "BEGIN", "eyJ", "://", "=", ":", "rk_")


def look_for_people(sample: Sample) -> Iterator[Seen]:
    """`personal_data`: mail, phone, card, account, address, social security number."""
    yield from _look(sample, people, "personal_data", "warning")


def look_for_secrets(sample: Sample) -> Iterator[Seen]:
    """`secret`: keys, tokens and passwords of known shapes."""
    yield from _look(sample, secrets, "secret", "error")


def _look(sample: Sample, find, check, severity) -> Iterator[Seen]:
    found = [
        f"{kind} {hidden(text[start:end])}"
        for text in (sample.text, sample.content, *sample.answers)
        if text
        for start, end, kind in find(text)
    ]
    if found:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        yield Seen(check, severity, ", ".join(found[:3]) + more)


def people(text: str) -> list[Span]:
    """Stretches of a text that point to a person, and what each is; none covers another."""
    spans: list[Span] = []
    if "@" in text:
        pattern, _ = KNOWN["email"]
        spans += [
            (*match.span(), "mail")
            for match in pattern.finditer(text)
            if not _RESERVED.search(match[0])
        ]
    if _DIGIT.search(text):
        for kind in _NUMBERS:
            pattern, holds = KNOWN[kind]
            name = _NAMES.get(kind, kind)
            spans += [(*m.span(), name) for m in pattern.finditer(text) if holds(m[0])]
        spans += [(*match.span(), "social security number") for match in _SOCIAL.finditer(text)]
        spans += [(*match.span(), "postal address") for match in ADDRESS.finditer(text)]
    return _apart(spans)


def secrets(text: str) -> list[Span]:
    """Stretches of a text that look like keys."""
    if len(text) < 12 or not any(hint in text for hint in _HINTS):
        return []
    return _apart(
        [(*m.span(), kind) for kind, pattern in SECRETS.items() for m in pattern.finditer(text)]
    )


def _apart(spans: list[Span]) -> list[Span]:
    """Of those that overlap the first that was found."""
    kept: list[Span] = []
    for start, end, kind in spans:
        if not any(a < end and start < b for a, b, _ in kept):
            kept.append((start, end, kind))
    return sorted(kept)


def hidden(found: str) -> str:
    """The ends of a find: `jo…om`."""
    return f"{found[:2]}…{found[-2:]}" if len(found) > 6 else "…"
