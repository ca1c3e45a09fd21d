"""`feedback.aggregate`: who guesses does not decide what is trained."""

import json
from dataclasses import replace

import numpy as np
import pytest

from madrigal.pipeline.weighed import weighed
from madrigal.recipe.task import TaskSettings
from madrigal.tasks.consensus import consensus
from madrigal.tasks.feedback import Judgement
from madrigal.tasks.load import load_task


def task(tmp_path, how: str, people=("ann", "bob", "eve", "dee")):
    """Pairs by two who know and two who always say the second."""
    random = np.random.default_rng(0)
    rows = []
    for number in range(120):
        better = int(random.integers(1, 3))
        votes = dict.fromkeys(people, better if random.random() < 0.95 else 3 - better)
        votes |= {who: 2 for who in ("eve", "dee") if who in votes}
        row = {"prompt": f"p{number}", "response_1": f"one {number}", "response_2": f"two {number}"}
        rows.append(row | {"votes": votes})
    path = tmp_path / "votes.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    settings = TaskSettings.model_validate(
        {"data": {"train": "votes.jsonl"}, "feedback": {"aggregate": how}}
    )
    return load_task("voted", settings, tmp_path, 0)


@pytest.mark.parametrize("how", ["dawid_skene", "mace"])
def test_who_always_says_the_same_has_no_weight(tmp_path, how):
    found, mistakes = weighed({"voted": task(tmp_path, how, ("ann", "bob", "cyd", "eve"))})
    assert mistakes == []
    trust = found["voted"].trust
    assert min(trust[who] for who in ("ann", "bob", "cyd")) > 0.8
    assert trust["eve"] < 0.1
    assert any(f"4 annotators are weighed by {how}: from 0.0" in n for n in found["voted"].notes)
    for record in found["voted"].splits["train"]:
        shares = consensus(record.feedback, trust.__getitem__).wins
        assert not 0.15 < shares[0][1] < 0.85


def test_alike_is_the_default(tmp_path):
    given = task(tmp_path, "mean")
    assert weighed({"voted": given}) == ({"voted": given}, [])


def test_too_little_to_weigh_by_is_a_line_at_its_key(tmp_path):
    found, mistakes = weighed({"voted": task(tmp_path, "mace", ("ann", "bob"))})
    assert not found["voted"].trust
    assert mistakes == [
        "tasks.voted.feedback.aggregate: mace cannot weigh annotators, no item has votes of three "
        "named annotators, and it takes 30; take `mean`"
    ]


def test_who_judged_held_out_records_only_counts_as_the_others_do(tmp_path):
    given = task(tmp_path, "mace", ("ann", "bob", "cyd", "eve"))
    stranger = Judgement((1.0, 0.0), "new")
    said = replace(given.splits["test"][0].feedback, judgements=(stranger,))
    test = (replace(given.splits["test"][0], feedback=said), *given.splits["test"][1:])
    held = replace(given, splits={**given.splits, "test": test})
    found, _ = weighed({"voted": held})
    trust = found["voted"].trust
    known = [trust[who] for who in ("ann", "bob", "cyd", "eve")]
    assert trust["new"] == pytest.approx(sum(known) / 4)
    assert (
        f"1 judged held-out records only and count {trust['new']:.2f}" in found["voted"].notes[-1]
    )
    assert not any("held-out" in note for note in weighed({"voted": given})[0]["voted"].notes)
