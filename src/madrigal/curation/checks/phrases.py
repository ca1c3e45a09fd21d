"""Refusals and stock phrases in answers, which a model learns to say everywhere."""

import re
from collections.abc import Iterator

from madrigal.curation.finding import Seen, around
from madrigal.curation.sample import Sample

_REFUSALS = (
    r"as an? (?:ai|artificial intelligence)(?: language)?(?: model| assistant)?\b",
    r"as a (?:large )?language model",
    r"i(?:'| a)?m (?:just |only )?an? (?:ai|artificial intelligence|language model)\b",
    r"(?:i'?m|i am) (?:very |so |really )?sorry,? (?:but |,)?(?:i|as)\b.{0,20}"
    r"(?:can(?:'|no)?t|cannot|unable|not able|won'?t)",
    r"i (?:can(?:'t|not)|am unable to|am not able to|won't|will not) "
    r"(?:assist|help(?: you)? with|comply|fulfill?|provide|answer|create|generate|engage)\b",
    r"(?:it is|it's) (?:not appropriate|inappropriate|unethical) (?:for me )?to",
    r"i do(?:n't| not) have (?:personal )?(?:feelings|opinions|emotions|access to|the ability)",
    r"my (?:knowledge|training)(?: data)? (?:cut-?off|only goes)",
)
_BOILERPLATE = (
    r"i hope (?:this|that) helps",
    r"(?:please )?(?:let me know|feel free to (?:ask|reach out|contact))"
    r".{0,40}(?:questions|help|assistance|else)",
    r"^(?:sure|certainly|of course|absolutely)[!,.:].{0,20}(?:here(?:'s| is| are)|i'd be happy)",
    r"^here (?:is|are) (?:a|an|the|your|some) .{0,60}:\s*$",
    r"\b(?:click here|read more:|subscribe to (?:our|my|the)|follow us on|all rights reserved)",
    r"share this (?:post|article|page|story)",
    r"(?:terms of (?:use|service)|privacy policy|cookie policy|we use cookies|enable javascript)",
    r"(?:copyright|\(c\)|©) ?\d{4}",
    r"lorem ipsum",
    r"thank you for your (?:question|inquiry|patience|understanding)",
    r"\[(?:insert|your|name|company|date)[^\]]{0,30}\]",
)


def _any(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{one})" for one in patterns), re.IGNORECASE | re.MULTILINE)


REFUSAL, BOILERPLATE = _any(_REFUSALS), _any(_BOILERPLATE)
_LEAST = 10  # characters


def look_at_phrases(sample: Sample) -> Iterator[Seen]:
    """`refusal` and `boilerplate`, in answers that are written and in raw text."""
    texts = sample.answers if sample.free else ((sample.text,) if sample.text else ())
    for text in texts:
        if len(text) < _LEAST:
            continue
        plain = text.replace("’", "'")
        # Of judged answers a refusal may be the better one, and stories may hold one too.
        if sample.free and not sample.judged and (match := REFUSAL.search(plain)):
            yield Seen("refusal", "warning", around(plain, *match.span()))
        if match := BOILERPLATE.search(plain):
            yield Seen("boilerplate", "note", around(plain, *match.span()))
