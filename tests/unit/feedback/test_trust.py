"""The weights of annotators where their judgements become one."""

import numpy as np
import pytest

from annotated import flipped, pair, rated
from madrigal.errors import DataError
from madrigal.feedback.trust import trust

HOW = ("dawid_skene", "mace")


def judged(seed: int, skill, ratings: bool = False):
    """Each of these people says what is true with their skill, else guesses."""
    random = np.random.default_rng(seed)
    records = []
    for number in range(250):
        truth = random.choice([-1, 1])
        said = [
            (name, int(truth if random.random() < c else random.choice([-1, 1])))
            for name, c in skill.items()
        ]
        if ratings:
            grades = [(name, 2.0 + 2 * (value > 0)) for name, value in said]
            records.append(rated(number, f"answer {number}", grades))
        else:
            records.append(pair(number, (f"a {number}", f"b {number}"), said))
    return records


@pytest.mark.parametrize("ratings", [False, True], ids=["pairs", "ratings"])
@pytest.mark.parametrize("how", HOW)
def test_who_knows_counts_and_who_guesses_does_not(how, ratings):
    skill = {"ann": 0.9, "bob": 0.8, "cyd": 0.7, "dee": 0.0}
    found = trust(judged(0, skill, ratings), how)
    assert found.keys() == skill.keys()
    assert max(abs(found[name] - c) for name, c in skill.items()) < 0.15


@pytest.mark.parametrize("how", HOW)
def test_who_says_the_opposite_counts_nothing(how):
    found = trust(judged(1, {"ann": 0.9, "bob": 0.8, "cyd": 0.9}), how)
    assert min(found.values()) > 0.6
    records = [
        pair(k, r.feedback.answers, [
            *((j.annotator, 1 if j.values[0] > j.values[1] else -1) for j in r.feedback.judgements),
            ("eve", -1 if r.feedback.judgements[0].values[0] else 1),
        ])
        for k, r in enumerate(judged(1, {"ann": 0.9, "bob": 0.8, "cyd": 0.9}))
    ]  # fmt: skip
    assert trust(records, how)["eve"] < 0.1


def test_a_judgement_without_name_is_refused():
    with pytest.raises(DataError, match=r"votes.jsonl:1: no annotator, and mace weighs"):
        trust(flipped(40, 3, 0.1, 0, named=False), "mace")


def test_too_little_to_weigh_by_is_refused():
    with pytest.raises(DataError) as refused:
        trust(flipped(40, 2, 0.1, 0), "dawid_skene")
    assert refused.value.mistakes == (
        "dawid_skene cannot weigh annotators, no item has votes of three named annotators, and it "
        "takes 30; take `mean`",
    )
