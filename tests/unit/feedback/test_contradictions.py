"""Duplicates and near-duplicates with opposite verdicts."""

import random

import pytest

from annotated import pair, rated
from madrigal.feedback.contradictions import contradictions
from madrigal.feedback.near import groups, normalised, similarity
from madrigal.feedback.votes import comparisons, ratings

LONG = "Could you please tell me how many people live in the city of Lisbon these days?"
YES = "Around half a million people live in Lisbon itself, and three million around it."
NO = "I am not able to answer questions about the number of people in any city, sorry."


def found(*records):
    return contradictions(comparisons(records))


def test_the_same_pair_with_opposite_verdicts():
    one = found(
        pair(0, (YES, NO), [("", 1)], LONG),
        pair(1, (NO, YES), [("", -1)], LONG),  # agrees
        pair(2, (YES, NO), [("", -1)], LONG),
    )
    assert one.exact.value == 1.0
    assert one.exact.n == 1
    assert [{*places} for places in one.examples] == [{"votes.jsonl:1", "votes.jsonl:3"}]


def test_spelling_of_the_same_text_does_not_hide_it():
    one = found(
        pair(0, (YES, NO), [("", 1)], LONG),
        pair(1, (YES.upper(), NO), [("", -1)], LONG.replace(" ", "  ")),
    )
    assert (one.exact.value, one.exact.n) == (1.0, 1)


def test_a_near_duplicate_is_no_exact_one():
    one = found(
        pair(0, (YES, NO), [("", 1)], LONG),
        pair(1, (NO.replace("sorry", "sry"), YES), [("", 1)], LONG.replace("please ", "")),
    )
    assert one.exact is None
    assert (one.near.value, one.near.n) == (1.0, 1)


@pytest.mark.parametrize("opposite", [False, True])
def test_near_duplicates_are_compared_text_by_text(opposite):
    """Whichever of two texts has the smaller hash, which differs from spelling to spelling."""
    verdicts = [1] * 12
    verdicts[-1] = -1 if opposite else 1
    records = [
        pair(k, (f"{YES} ({k})", f"{NO} ({k})"), [("", verdict)], LONG)
        for k, verdict in enumerate(verdicts)
    ]
    assert found(*records).near.value == float(opposite)


def test_votes_within_one_record_are_no_contradiction_and_a_tie_is_none():
    one = found(pair(0, (YES, NO), [("a", 1), ("b", -1)], LONG))
    assert one.near is None
    tied = found(pair(0, (YES, NO), [("", 1)], LONG), pair(1, (YES, NO), [("", 0)], LONG))
    assert tied.exact.value == 0.0


def test_other_prompts_or_answers_are_other_things():
    other = found(
        pair(0, (YES, NO), [("", 1)], LONG),
        pair(1, (YES, NO), [("", -1)], "What is the capital of Portugal, and who lives there now?"),
        pair(2, (YES, "No."), [("", -1)], LONG),
    )
    assert other.near is None


def test_answers_that_are_alike_are_counted_and_left_out():
    one = found(pair(0, (YES, YES.replace("itself, ", "")), [("", 1)], LONG))
    assert one.alike == 1


def test_ratings_are_opposite_when_they_differ_by_half_of_the_scale():
    def both(one, other):
        records = [rated(0, YES, [("", one)], LONG), rated(1, YES, [("", other)], LONG)]
        return contradictions(ratings(records), span=4.0).exact.value

    assert both(2.0, 4.0) == 1.0
    assert both(2.0, 3.0) == 0.0


def edited(text: str, edits: int, chance: random.Random) -> str:
    letters = list(text)
    for _ in range(edits):
        letters[chance.randrange(len(letters))] = chance.choice("xyz")
    return "".join(letters)


@pytest.mark.parametrize("seed", range(3))
def test_planted_near_duplicates_are_all_found_and_no_others(seed):
    chance = random.Random(seed)
    first = ["".join(chance.choices("abcdefgh jkl mn", k=120)) for _ in range(200)]
    texts = [*first, *(edited(text, chance.randrange(1, 5), chance) for text in first)]
    group = groups(texts)
    for i in range(200):
        near = similarity(normalised(texts[i]), normalised(texts[200 + i])) >= 0.8
        assert (group[i] == group[200 + i]) == near
    assert len({group[i] for i in range(200)}) == 200


def test_short_texts_are_alike_when_equal():
    assert groups(["yes", "Yes ", "no", "yess"]) == [0, 0, 2, 3]


def test_chains_are_one_group():
    chance = random.Random(0)
    chain = ["".join(chance.choices("abcdefgh jkl mn", k=200))]
    for _ in range(8):
        chain.append(edited(chain[-1], 2, chance))
    assert set(groups(chain)) == {0}
    assert similarity(chain[0], chain[-1]) < 0.8
