"""Signs of an exploited reward in real runs, beside twins in which there is nothing to see."""

import pytest

import retained
import tiny_run
from acting import keys

QUIET = {
    "divergence": None, "entropy": None, "distinct": None, "repeated": None, "length": None,
    "short": None, "correlation": None, "disagreement": None, "gradient": None, "cut": None,
    "likeliest": None, "window": 2,
}  # fmt: skip
LENGTH = {"kind": "length"}
OPENING = {"kind": "function", "name": "paying.opening"}  # whatever comes after it
BRIEF = {"kind": "function", "name": "paying.brief"}
PAYING = """
def opening(prompts, answers, accepted):
    return [float(text[:1] < "i") for text in answers]

def brief(prompts, answers, accepted):
    return [-float(len(text)) for text in answers]
"""


def run_with(folder, name, guard, **objective):
    (folder / "paying.py").write_text(PAYING, encoding="utf-8")
    settings = {"kind": "rloo", "samples": 4, "missing_end": 0.0, "guard": QUIET | guard}
    held = keys(settings | objective, 12, learn=["echo"], batch={"rows": 12})
    held["tasks"]["echo"]["max_new_tokens"] = 12
    del held["tasks"]["mood"]
    held["stages"][0] |= {"learn": ["echo"], "steps": 12}
    held["stages"][1]["optimiser"] = {"learning_rate": 0.01}
    return retained.train(folder, held, folder / name)


def signs(run):
    path = run / "stages/02-act/events.jsonl"
    events = retained.rows(path) if path.exists() else []
    return [event["text"] for event in events if event["kind"] == "sign"]


@pytest.mark.parametrize(
    ("reward", "gold", "sign"),
    [
        (LENGTH, (), "echo: Longer answers are better paid (correlation "),
        (LENGTH, BRIEF, "echo: The gold reward fell from "),  # which is the graver sign
        (LENGTH, LENGTH, None),  # longer answers are the better ones
        (OPENING, (), None),
    ],
    ids=["length", "length that is not worth it", "length that is worth it", "an opening"],
)
def test_answers_that_grow_because_length_is_paid(reward, gold, sign, tmp_path):
    tiny_run.write_data(tmp_path)
    run = run_with(tmp_path, "run", {"correlation": 0.5}, reward=reward, gold=gold)
    told = signs(run)
    assert bool(told) is (sign is not None), told
    assert sign is None or told[0].startswith(sign)
