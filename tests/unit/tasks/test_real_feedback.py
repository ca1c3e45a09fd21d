"""Every row of published preferences and ratings, read and counted against the files."""

import json
from collections import Counter
from functools import cache

import pytest

from madrigal.errors import DataError
from madrigal.recipe.task import TaskSettings
from madrigal.tasks.convert import convert
from madrigal.tasks.split import fingerprint
from real import DATA, needs_data
from tasks_made import loaded, write_jsonl

pytestmark = needs_data

P, R = "preferences", "ratings"
NLG = {"columns": {"prompt": "meaning", "answer": "text"}}
ASPECTS = ["informativeness", "naturalness", "quality"]
COUNTS = {"votes_hate": 0.0, "votes_offensive": 0.5, "votes_neither": 1.0}

# Files, more of `data`, other settings, format; then as counted in the files: rows, records,
# answers, people's judgements, ties among those of several answers.
SETS = {
    "hh_harmless": (
        f"{P}/hh_harmless/*.jsonl", {}, {}, "pairs", 1919, 1919, 3838, 1919, 0,
    ),
    "pandalm_votes": (
        f"{P}/pandalm_votes/pairs.jsonl", {"on_bad": "drop"}, {},
        "pairs", 944, 944, 1888, 2832, 320,
    ),
    "llmbar": (f"{P}/llmbar/pairs.jsonl", {}, {}, "pairs", 419, 419, 838, 419, 0),
    "oasst_ranked_replies": (
        f"{P}/oasst_ranked_replies/ranked.jsonl", {}, {}, "rankings", 181, 181, 564, 181, 0,
    ),
    "query_wellformedness": (
        f"{R}/query_wellformedness/*.jsonl", {}, {}, "ratings", 2500, 2500, 2500, 2500, 0,
    ),
    "toxigen_human": (
        f"{R}/toxigen_human/*.jsonl", {}, {"feedback": {"aspect": "toxicity", "scale": [1, 5]}},
        "ratings", 2500, 2500, 2500, 2500, 0,
    ),
    "nlg_outputs": (
        f"{R}/nlg_outputs/medians.jsonl", NLG, {"feedback": {"aspect": ASPECTS, "scale": [1, 6]}},
        "ratings", 2460, 1174, 2370, 7380, 0,
    ),
    "convabuse": (
        f"{R}/convabuse/*.jsonl", {"columns": {"answer": "user"}},
        {"prompt": "{prev_agent}\n{prev_user}\n{agent}", "feedback": {"scale": [-3, 1]}},
        "ratings", 4185, None, None, None, None,
    ),
    "hate_offensive_votes": (
        f"{R}/hate_offensive_votes/*.jsonl", {}, {"feedback": {"counts": COUNTS, "scale": [0, 1]}},
        "ratings", 2490, 2490, 2490, None, 0,
    ),
}  # fmt: skip


@cache
def of(name, **more):
    path, data, settings, *_ = SETS[name]
    data = {"train": path, "max_validation": None, **data, **more}
    return loaded(data, DATA, **settings)


def records_of(task):
    return [record for records in task.splits.values() for record in records]


def people(record):
    return sum(judgement.people for judgement in record.feedback.judgements)


def rows_of(name):
    path = SETS[name][0]
    texts = [file.read_text(encoding="utf-8") for file in sorted(DATA.glob(path))]
    return [json.loads(line) for text in texts for line in text.splitlines()]


@pytest.mark.parametrize("name", SETS)
def test_every_row_is_read(name):
    *_, shape, rows, kept, answers, judgements, ties = SETS[name]
    task = of(name)
    assert (task.format, task.kind, task.metric) == (shape, "feedback", "agreement")
    assert len(rows_of(name)) == rows + task.counts.get("bad", 0)
    records = records_of(task)
    assert task.counts["dropped"] == 0
    if kept is None:
        return
    assert len(records) == kept
    assert sum(len(record.feedback.answers) for record in records) == answers
    tied = [
        judgement
        for record in records
        for judgement in record.feedback.judgements
        if len(set(judgement.values)) == 1 < len(judgement.values)
    ]
    assert len(tied) == ties
    if judgements is not None:
        assert sum(map(people, records)) == judgements


@pytest.mark.parametrize("name", SETS)
def test_no_prompt_stands_on_two_sides(name):
    task = of(name)
    sides = [{fingerprint(record) for record in records} for records in task.splits.values()]
    assert all(sides)
    assert not sides[0] & sides[1]
    assert not (sides[0] | sides[1]) & sides[2]


@pytest.mark.parametrize("name", SETS)
def test_there_and_back(name, tmp_path):
    path, data, settings, *_ = SETS[name]
    given = TaskSettings.model_validate({"data": {"train": path, **data}, **settings})
    rows = convert(given, DATA)["train"]
    write_jsonl(tmp_path / "canonical.jsonl", rows)
    back = loaded({"test": "canonical.jsonl"}, tmp_path)
    keys = Counter(record.key for record in records_of(of(name)))
    assert Counter(record.key for record in back.splits["test"]) == keys
    assert back.format == ("pairs" if name == "hh_harmless" else "judgements")
    assert not [note for note in back.notes if "joined" in note]


def test_hh_answers_are_the_last_turns():
    for record in records_of(of("hh_harmless")):
        assert record.turns[0].role == record.turns[-1].role == "user"
        assert not any(turn.trained for turn in record.turns if turn.role == "assistant")
        assert not any("\n\nHuman:" in text for text in record.feedback.answers)
    rows = rows_of("hh_harmless")
    last = Counter(row[side].rpartition("\n\nAssistant:")[2].strip() for row in rows
                   for side in ("chosen", "rejected"))  # fmt: skip
    found = Counter(text for r in records_of(of("hh_harmless")) for text in r.feedback.answers)
    assert sum((found - last).values()) == 3
    note = "4 dialogues have two turns of one speaker in a row, which are read as one"
    assert note in of("hh_harmless").notes


def test_pandalm_has_empty_answers_which_are_told():
    with pytest.raises(DataError) as error:
        of("pandalm_votes", on_bad="error")
    file = f"{P}/pandalm_votes/pairs.jsonl"
    empty = [
        i for i, row in enumerate(rows_of("pandalm_votes"), 1)
        if not (row["response_1"].strip() and row["response_2"].strip() and row["instruction"])
    ]  # fmt: skip
    assert [m.split(":")[1] for m in error.value.mistakes[:5]] == [str(i) for i in empty[:5]]
    assert error.value.mistakes[5] == f"{file}: and {len(empty) - 5} more"
    assert of("pandalm_votes").notes[0].startswith(f"{len(empty)} bad rows were dropped")


def test_convabuse_knows_its_annotators():
    people = {j.annotator for r in records_of(of("convabuse")) for j in r.feedback.judgements}
    assert people == {f"a{i}" for i in range(1, 9)}
    said = Counter(
        (j.annotator, value)
        for r in records_of(of("convabuse"))
        for j in r.feedback.judgements
        for value in j.values
        if value is not None
    )
    rows = rows_of("convabuse")
    assert said == Counter((who, value) for row in rows for who, value in row["votes"].items())


def test_toxigen_without_feedback_is_classified_as_before():
    task = loaded(f"{R}/toxigen_human/test.jsonl", DATA)
    assert (task.format, task.kind) == ("classification", "choice")
