"""A second way to every answer: rules that read the prompt and know nothing of the generators.

They share the generators' dictionaries (what a word means cannot be guessed), never their patterns.
"""

import re

from madrigal.tasks.bundled import passages, sentiment, titles, translation

JUDGING = {
    word: label
    for label in ("negative", "positive")
    for words in (
        sentiment.GENERAL[label],
        *(s.words[label] for s in sentiment.SUBJECTS),
        *(s.new_words[label] for s in sentiment.SUBJECTS),
    )
    for word in words
}
# What was said, expected or granted beforehand does not count.
_BEFOREHAND = re.compile(
    r"expect(?:ed)? (?:an? |something )(\w+)|had called the \w+ (\w+)|promised us an? (\w+)"
    r"|call this \w+ (\w+)|[Ee]ven though the [\w ]+ was (\w+)|was (\w+), but"
)
_DENIED = re.compile(r"\b(?:not|never|nothing) (\w+)")


def solve_sentiment(row: dict) -> str:
    text = row["text"]
    ignored = {word for match in _BEFOREHAND.finditer(text) for word in match.groups() if word}
    denied = {match[1] for match in _DENIED.finditer(text)}
    verdicts = set()
    for word in re.findall(r"\w+", text.lower()):
        if word in JUDGING and word not in ignored:
            opposite = {"negative": "positive", "positive": "negative"}[JUDGING[word]]
            verdicts.add(opposite if word in denied else JUDGING[word])
    (verdict,) = verdicts
    return verdict


_STANDING = {
    True: "managed|remembered|made sure|was able|was kind enough|did not forget",
    None: "hoped|wanted|planned|promised|was asked|was expected",
    False: "failed|forgot|refused|was unable|was too tired|decided not",
}


def solve_inference(row: dict) -> str:
    claim = re.fullmatch(r"\w+ (did not )?\w+ (.+)\.", row["hypothesis"])
    for done, verbs in _STANDING.items():
        if re.search(rf"\b({verbs}) to \w+ {claim[2]}\b", row["premise"]):
            if done is None:
                return "neutral"
            return "entailment" if done == (claim[1] is None) else "contradiction"
    raise AssertionError(row)


_ASKED = {
    "name": r"^(Who|Which person)",
    "town": r"^(Where|In which town)",
    "colour": r"colour",
    "job": r"job|work as",
    "thing": r"^(What|Which thing)",
}


def _only(text: str, known: tuple[str, ...]) -> str:
    (word,) = {word for word in re.findall(r"\w+", text) if word in known}
    return word


def solve_passages(row: dict) -> str:
    names = {n for words in passages.WORDS["name"].values() for n in words}
    events: dict[str, str] = {}
    for sentence in re.findall(r"[^.]+\.", row["context"]):
        (name,) = names & set(re.findall(r"\w+", sentence))
        events[name] = events.get(name, "") + sentence
    kind = next(k for k, asked in _ASKED.items() if re.search(asked, row["question"]))
    known = {w for k in ("name", "thing") for words in passages.WORDS[k].values() for w in words}
    keys = known & set(re.findall(r"\w+", row["question"]))
    (event,) = [e for e in events.values() if keys & set(re.findall(r"\w+", e))]
    return _only(event, tuple(w for words in passages.WORDS[kind].values() for w in words))


def _one(text: str, kind: str) -> str:
    return _only(text.lower(), titles.FILLERS[kind])


def solve_titles(row: dict) -> str:
    text = row["input"]
    low = text.lower()
    if "thief" in low:
        return f"Thief takes {_one(text, 'thing')} from {_one(text, 'building')}"
    if "contest" in low:
        return f"{_one(text, 'job').capitalize()} wins {_one(text, 'contest')} contest"
    if "train" in low:
        town = re.search(r"to ([A-Z]\w+)", text)[1]
        return f"Train to {town} {_one(text, 'number')} hours late"
    if "move" in low and "sell" not in low:
        return _moves(text)
    if "save" in low:
        job, animal = _one(text, "job").capitalize(), _one(text, "animal")
        return f"{job} saves {animal} from {_one(text, 'danger')}"
    if re.search(r"sell|sold|sale", low):
        town = re.search(r"in ([A-Z]\w+)", text)[1]
        return f"{_one(text, 'job').capitalize()} sells {_one(text, 'estate')} in {town}"
    if "lost" in low:
        return f"Lost {_one(text, 'thing')} found in {_one(text, 'building')}"
    town = re.search(r"came to ([A-Z]\w+)", text) or re.search(r"\b(?:[Ii]n|of) ([A-Z]\w+)", text)
    town = town[1] if town else text.split()[0]
    building = _one(text, "building")
    if "new" in low.split():
        return f"New {building} opens in {town}"
    if "close" in low:
        return f"{_one(text, 'cause').capitalize()} closes {building} in {town}"
    return f"{_one(text, 'animal').capitalize()} seen near {building} in {town}"


def _moves(text: str) -> str:
    towns = [w for w in re.findall(r"\w+", text) if w in titles.FILLERS["town"]]
    target = re.search(r"to ([A-Z]\w+)", text) or re.search(r"is in ([A-Z]\w+)", text)
    (source,) = [town for town in towns if town != target[1]]
    return f"{_one(text, 'building').capitalize()} moves from {source} to {target[1]}"


def solve_translation(row: dict) -> str:
    words = re.findall(r"\w+", row["input"].lower())
    adjectives, prepositions = dict(translation.ADJECTIVES), dict(translation.PREPOSITIONS)
    nouns = {one: luma for one, _, luma in translation.NOUNS} | dict(translation.PLACES)
    nouns |= {many: luma + "ri" for _, many, luma in translation.NOUNS}
    verbs = {
        form: luma
        for one, many, luma in translation.TRANSITIVE + translation.INTRANSITIVE
        for form in (one, many)
    }
    said: list[str] = []
    adjective = preposition = verb = ""
    for word in words:
        if word in adjectives:
            adjective = adjectives[word]
        elif word in prepositions:
            preposition = prepositions[word]
        elif word in nouns:
            said += [part for part in (nouns[word], adjective, preposition) if part]
            adjective = preposition = ""
        elif word in verbs:
            verb = verbs[word]
        elif word == "and":
            said.append("e")
    return " ".join([*said, verb])


_NUMBERS = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve",
)  # fmt: skip
_SPAN = {"five": 5, "ten": 10, "a quarter": 15, "twenty": 20, "twenty-five": 25, "half": 30}


def solve_clock(row: dict) -> str:
    text = row["input"].lower()
    part = r" in the (morning|afternoon|evening)"
    whole = re.search(rf"(\w+) o'clock{part}", text)
    if whole:
        minutes, daytime = 60 * (_NUMBERS.index(whole[1]) + 1), whole[2]
    else:
        found = re.search(
            rf"({'|'.join(sorted(_SPAN, key=len)[::-1])}) (past|to) (\w+){part}", text
        )
        sign = 1 if found[2] == "past" else -1
        minutes = 60 * (_NUMBERS.index(found[3]) + 1) + sign * _SPAN[found[1]]
        daytime = found[4]
    minutes %= 12 * 60
    return f"{minutes // 60 + (0 if daytime == 'morning' else 12):02}:{minutes % 60:02}"


SOLVERS = {
    "sentiment": solve_sentiment,
    "inference": solve_inference,
    "passages": solve_passages,
    "titles": solve_titles,
    "translation": solve_translation,
    "clock": solve_clock,
}
