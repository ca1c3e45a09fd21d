"""Made-up predictions of five tasks by models of known skill, hostile ones among them."""

import hashlib
import math
import random
from typing import Any

HOSTILE = (
    "<script>alert(1)</script>",
    '</script><img src=x onerror="alert(2)">',
    "<!-- <script>alert(3)</script>",
    "\"'><svg/onload=alert(4)>",
    "{{ 7 * 7 }} {% raw %} ${alert(5)}",
)
UNICODE = "Zażółć gęślą jaźń · 東京で会う · مرحبا · 👩‍👧 · e\u0301 · \u202eabc\u202c · \u0000"

KINDS = {
    "sentiment": "choice",
    "inference": "choice",
    "passages": "answer",
    "titles": "answer",
    "statutes": "text",
}
METRICS = {
    "sentiment": "accuracy",
    "inference": "accuracy",
    "passages": "token_f1",
    "titles": "rouge_l",
    "statutes": "perplexity",
}
LABELS = {
    "sentiment": ["negative", "positive"],
    "inference": ["contradiction", "entailment", "neutral"],
}
# By variant, in the order of METRICS: the chance of a right answer; for statutes nats a token.
SKILL = {
    "base": (0.51, 0.34, 0.06, 0.10, 3.90),
    "few-shot": (0.58, 0.36, 0.14, 0.16, 3.88),
    "single": (0.70, 0.60, 0.55, 0.62, 2.61),
    "01-together": (0.74, 0.62, 0.57, 0.55, 3.70),
    "02-law": (0.72, 0.62, 0.40, 0.34, 2.55),
}
FILMS = ("The harbour film", "This long novel", "Her second album", "That documentary")
PRAISE = ("moves quietly and never loses its way", "is generous and brave", "glows to the end")
BLAME = ("drags from one cliché to the next", "is loud, careless and thin", "forgets its story")
PEOPLE = ("Ada", "Brun", "Chidi", "Dalia", "Emeka", "Farah", "Greta", "Hugo", "Inés", "Jun")
PLACES = ("Trieste", "Ghent", "Nagano", "Tartu", "Oaxaca", "Bergen", "Aleppo", "Lviv")
THINGS = ("a lighthouse", "the old bridge", "a paper mill", "the botanical garden")

Row = dict[str, Any]


def rows(task: str, variant: str, examples: int) -> list[Row]:
    """What one model made of a task's test examples."""
    skill = SKILL[variant][list(METRICS).index(task)]
    return [_row(task, index, variant, skill) for index in range(examples)]


def _row(task: str, index: int, variant: str, skill: float) -> Row:
    asked, chance = (random.Random(f"{task}{index}{name}") for name in ("", variant))
    head = {
        "task": task,
        "id": hashlib.sha256(f"{task}{index}".encode()).hexdigest()[:16],
        "where": f"{task}/test.jsonl:{index + 1}",
        "cluster": f"{task}/{index // 2 if task == 'passages' else index}",
        "kind": KINDS[task],
    }
    # An example is as hard for one model as for the other: answers agree more often than chance.
    right = 0.6 * asked.random() + 0.4 * chance.random() < skill
    if KINDS[task] == "text":
        return head | _text(index, asked, chance, skill)
    if KINDS[task] == "choice":
        return head | _choice(task, asked, chance, right)
    return head | _answer(task, index, asked, chance, right)


def _text(index: int, asked: random.Random, chance: random.Random, skill: float) -> Row:
    kept = f"§ {index + 1}. Whoever keeps {asked.choice(THINGS)} in {asked.choice(PLACES)} shall "
    tokens = 100 + index % 57
    nats = tokens * max(0.4, skill + chance.gauss(0, 0.25) + asked.gauss(0, 0.3))
    score = {"score": math.exp(-nats / tokens), "parsed": True}
    size = {"nats": round(nats, 4), "tokens": tokens, "bytes": 4 * tokens}
    return {"prompt": kept * 6, "targets": [], "output": "", **score, **size}


def _choice(task: str, asked: random.Random, chance: random.Random, right: bool) -> Row:
    labels = LABELS[task]
    target = asked.choice(labels)
    who, place, thing = asked.choice(PEOPLE), asked.choice(PLACES), asked.choice(THINGS)
    if task == "sentiment":
        words = asked.choice(BLAME if target == "negative" else PRAISE)
        prompt = f"Review: {asked.choice(FILMS)} {words}.\nSentiment:"
    else:
        said = {
            "contradiction": f"{who} has never left home.",
            "entailment": f"{who} was in {place}.",
            "neutral": f"{who} went there by train.",
        }[target]
        prompt = f"Premise: {who} visited {thing} in {place}.\nHypothesis: {said}\nRelation:"
    output = target if right else chance.choice([label for label in labels if label != target])
    nats = {label: round(-3 - 2 * chance.random(), 4) for label in labels}
    nats[output] = round(-0.2 - chance.random(), 4)
    return {
        "prompt": prompt,
        "targets": [target],
        "output": output,
        "score": float(right),
        "parsed": True,
        "choices": nats,
        "lengths": {label: [2, len(label)] for label in labels},
    }


def _answer(task: str, index: int, asked: random.Random, chance: random.Random, right: bool) -> Row:
    who, place, thing = asked.choice(PEOPLE), asked.choice(PLACES), asked.choice(THINGS)
    year = asked.randrange(1890, 1990)
    story = (
        f"In {year} {who} came to {place} to restore {thing}. The town paid for the stone, the "
        f"neighbours for the bread. When {who} left, nobody wanted to talk of anything else."
    )
    if task == "passages":
        prompt = f"{story}\nQuestion: Where did {who} work in {year}?\nAnswer:"
        targets = [place, f"in {place}", f"in the town of {place}"]
        misses = [str(year), who, f"{thing} in {chance.choice(PLACES)}", ""]
    else:
        prompt = f"{story}\nTitle:"
        targets = [f"{who} restores {thing} in {place}"]
        misses = [f"{who} leaves {place}", "A town and its bread", f"The year {year}", story]
    output, score = targets[0], 1.0
    if not right:
        output, score = chance.choice(misses), round(chance.random() * 0.3, 3)
    if task == "titles" and index == 9:
        prompt = "A very long passage. " * 400 + prompt
    if task == "titles" and index in _ODD:
        output, score = _ODD[index], 0.0
    parsed = bool(output.strip())
    return {
        "prompt": prompt,
        "targets": targets,
        "output": output,
        "score": score if parsed else 0.0,
        "parsed": parsed,
    }


_ODD = {
    **dict(enumerate(HOSTILE)),
    7: UNICODE,
    8: "on and on and " * 1500,
    10: "half a surrogate \ud83d",
}
