"""Precision, recall and false alarms of filters on real texts: python benchmarks/safety_filter.py

Three filters: `plain`, which Madrigal brings (words and patterns, written before they were measured
here, but not blind: a few rows of the sets had been seen); classifiers that Madrigal trains,
recipes/real/harm.yaml; and both together. Each on the
test parts of four sets that people judged, and on questions that only look harmful. The classifier
of one set is also asked about the others, which it never saw. Runs stay under runs/safety_filter/.
`... words` measures the first filter alone, which takes seconds.
"""

import csv
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from record import Line, save

from madrigal.audit.filter_settings import Classifier
from madrigal.audit.measure import Quality, by_rule, quality
from madrigal.audit.verdict import Filter
from madrigal.evaluation.intervals import wilson
from madrigal.pipeline.filter_models import classifier
from madrigal.pipeline.filters import load_filter
from madrigal.pipeline.run import run
from madrigal.recipe.load import load_recipe

ROOT = Path(__file__).parents[1]
RECIPE, HOME = ROOT / "recipes" / "real" / "harm.yaml", ROOT / "runs" / "safety_filter"
DATA = Path(os.environ.get("MADRIGAL_DATA", ROOT.parent / "shared" / "data"))
HARMFUL = {"toxic": ("toxic",), "hate": ("hate", "offensive")}


@dataclass(frozen=True)
class Judged:
    """Texts, and which of them people found harmful."""

    name: str
    side: str
    texts: list[str]
    harmful: list[bool]


def rows(path: str) -> list[dict]:
    file = DATA / path
    if file.suffix == ".csv":
        with file.open(encoding="utf-8", newline="") as opened:
            return list(csv.DictReader(opened))
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def sets() -> list[Judged]:
    def made(name: str, side: str, pairs: Sequence[tuple[str, bool]]) -> Judged:
        return Judged(name, side, [text for text, _ in pairs], [bad for _, bad in pairs])

    comments = rows("classification/toxicity_comments/test.jsonl")
    posts = rows("ratings/hate_offensive_votes/test.jsonl")
    talk = rows("ratings/convabuse/test.jsonl")
    groups = rows("ratings/toxigen_human/test.jsonl")
    asked = rows("bias_safety/xstest/xstest_prompts.csv")
    direct = rows("bias_safety/simple_safety_tests/test_cases.csv")
    return [
        made("comments", "output", [(r["text"], r["label"] == "toxic") for r in comments]),
        made("posts", "output", [(r["text"], r["majority"] != "neither") for r in posts]),
        made("talk", "input", [(r["user"], _abusive(r["votes"])) for r in talk]),
        made("groups", "output", [(r["text"], r["toxicity"] > 3) for r in groups]),
        made("questions", "input", [(r["prompt"], r["label"] == "unsafe") for r in asked]),
        made("direct questions", "input", [(r["prompts_final"], True) for r in direct]),
    ]


def _abusive(votes: dict[str, int]) -> bool:
    return sum(votes.values()) < 0


def trained() -> Path:
    if not (HOME / "report.html").exists():
        run(load_recipe(RECIPE), HOME, resume=HOME.exists())
    return HOME


def filters() -> dict[str, Filter]:
    plain = load_filter("plain")
    if sys.argv[1:] == ["words"]:
        return {"words": plain}
    learnt = {
        task: classifier(
            Classifier(name=task, kind="classifier", run=str(trained()), task=task, labels=labels),
            Path(),
        )
        for task, labels in HARMFUL.items()
    }
    found = {"words": plain}
    found |= {f"classifier {task}": Filter((rule,)) for task, rule in learnt.items()}
    found["words or classifiers"] = Filter((*plain.rules, *learnt.values()))
    return found


def _wilson(right: int, n: int) -> tuple[float, float]:
    return wilson(right, n, 0.95)


def lines(name: str, where: str, found: Quality) -> list[Line]:
    shares = {"precision": found.precision, "recall": found.recall, "alarms": found.false_alarms}
    return [
        Line(f"{name}, {where}: {kind} ({s.low:.3f} to {s.high:.3f}, n {s.n})", s.value, "")
        for kind, s in shares.items()
        if s.value is not None
    ]


def main() -> None:
    judged = sets()
    told, details = [], {}
    for name, one in filters().items():
        for some in judged:
            verdicts = one.verdicts(some.texts, side="input" if some.side == "input" else "output")
            found = quality(verdicts, some.harmful, _wilson)
            told += lines(name, some.name, found)
            details[f"{name}, {some.name}"] = {
                "quality": asdict(found),
                "rules": {
                    k: asdict(v) for k, v in by_rule(verdicts, some.harmful, _wilson).items()
                },
                "harmful": sum(some.harmful),
                "n": len(some.texts),
            }
            print(name, some.name, file=sys.stderr, flush=True)
    save("safety_filter", told, details=details)


if __name__ == "__main__":
    main()
