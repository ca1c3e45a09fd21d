"""Which language a text is in, told by its script and by its small words.

Small words are those that stand in every sentence (`the`, `und`, `les`). Each counts as much as it
tells: by one over the number of languages that have it. Only texts of 20 letters and more with two
such words of one language, twice as much as of the next, are said to be in it. Names, formulas and
short answers are said to be in none. No record is dropped for this alone.
"""

import re
from collections import Counter, defaultdict
from functools import cache

_SMALL = {
    "en": "the of me please help get make want need how why see go know and to in is that it "
    "was for on are with as his they at be this from have or had by not what all were "
    "when we there can an your which their said if do will each about she he you but did "
    "does has been would could should so small real very my our more some other than only "
    "no these into",
    "de": "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als "
    "auch es an werden aus er hat dass sie nach wird bei einer um am sind noch wie einem "
    "über einen so zum war haben nur oder aber vor zur bis mehr durch man wurde sein ich "
    "wir mein du",
    "fr": "de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se "
    "ce il sont avec ils mais comme ou été cette son ses aux leur elle nous vous je était "
    "sa lui être deux ces même fait d'un d'une c'est n'est",
    "es": "de la que el en y a los del se las por un para con no una su al lo como más pero sus "
    "le ya o este sí porque esta entre cuando muy sin sobre también me hasta hay donde "
    "quien desde todo nos durante todos uno les ni contra otros ese eso ante ellos es "
    "está son fue",
    "it": "di e il la che in a per un è del con non sono una da si le i al come più dei nel "
    "della gli ma ha alla anche lo dal o essere questo delle ci se suo sua loro quando "
    "molto tra era stato degli dalla perché ogni dopo",
    "pt": "de a o que e do da em um para é com não uma os no se na por mais as dos como mas foi "
    "ao ele das tem à seu sua ou ser quando muito há nos já está eu também só pelo pela "
    "até isso ela entre era depois sem mesmo aos ter seus quem nas são você",
    "nl": "de en van ik te dat die in een hij het niet zijn is was op aan met als voor had er "
    "maar om hem dan zou of wat mijn men dit zo door over ze zich bij ook tot je mij uit "
    "der daar haar naar heb heeft hebben deze worden wordt geen",
    "sv": "och det att i en jag hon som han på den med var sig för så till är men ett om hade "
    "de av icke mig du henne då sin nu har inte hans honom skulle hennes där min man ej "
    "vid kunde något från ut när efter upp vi",
    "pl": "i w na z się nie do to że jest o jak a po co tak za od jego ale czy tym ich dla już "
    "przez był była są może tylko być jej przy który która które oraz",
    "tr": "ve bir bu da de için ile çok daha olarak olan ne gibi kadar sonra var en ama o ben "
    "sen biz her şey değil mi mı ya ki",
}  # fmt: skip
_SCRIPTS = (
    ("ru", "\u0400-\u04ff"),
    ("el", "\u0370-\u03ff"),
    ("he", "\u0590-\u05ff"),
    ("ar", "\u0600-\u06ff"),
    ("hi", "\u0900-\u097f"),
    ("th", "\u0e00-\u0e7f"),
    ("ko", "\uac00-\ud7af"),
    ("ja", "\u3040-\u30ff"),
    ("zh", "\u4e00-\u9fff"),
)
_LETTERS = 20
_TOLD = 1.2  # small words of one language alone, about
_WORDS_LOOKED_AT = 200
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")

NAMES = {
    "english": "en", "german": "de", "french": "fr", "spanish": "es", "italian": "it",
    "portuguese": "pt", "dutch": "nl", "swedish": "sv", "polish": "pl", "turkish": "tr",
    "russian": "ru", "greek": "el", "hebrew": "he", "arabic": "ar", "hindi": "hi", "thai": "th",
    "korean": "ko", "japanese": "ja", "chinese": "zh",
}  # fmt: skip
KNOWN = (*_SMALL, *(code for code, _ in _SCRIPTS))


def language(text: str) -> str:
    """Two letters of ISO 639, or nothing where the text does not tell."""
    words = _WORD.findall(text[:2000].lower())[:_WORDS_LOOKED_AT]
    letters = sum(map(len, words))
    if not text.isascii():
        for code, pattern in _scripts():
            # Japanese is told by its syllables, which stand between characters of Chinese.
            share = len(pattern.findall(text[:2000]))
            if share >= 4 and share > 0.3 * letters:
                return code
    if letters < _LETTERS:
        return ""
    small = _small()
    scores: defaultdict[str, float] = defaultdict(float)
    seen: Counter[str] = Counter()
    for word, count in Counter(word for word in words if word in small).items():
        for code in small[word]:
            scores[code] += count / len(small[word])
            seen[code] += 1
    ranked = sorted(scores.items(), key=lambda pair: -pair[1])[:2]
    if not ranked or seen[ranked[0][0]] < 2 or ranked[0][1] < max(_TOLD, 0.08 * len(words)):
        return ""
    second = ranked[1][1] if len(ranked) > 1 else 0.0
    return ranked[0][0] if ranked[0][1] >= 2 * second else ""


def codes(declared: str) -> frozenset[str]:
    """What `English`, `en` or `English, German` name; empty for what is not known here."""
    parts = re.split(r"[^a-z]+", declared.lower())
    return frozenset(NAMES.get(part, part) for part in parts if NAMES.get(part, part) in KNOWN)


@cache
def _small() -> dict[str, tuple[str, ...]]:
    words: dict[str, list[str]] = {}
    for code, listed in _SMALL.items():
        for word in dict.fromkeys(listed.split()):
            words.setdefault(word, []).append(code)
    return {word: tuple(some) for word, some in words.items()}


@cache
def _scripts() -> list[tuple[str, re.Pattern[str]]]:
    order = ("ko", "ja", "zh", "ru", "el", "he", "ar", "hi", "th")
    ranges = dict(_SCRIPTS)
    return [(code, re.compile(f"[{ranges[code]}]")) for code in order]
