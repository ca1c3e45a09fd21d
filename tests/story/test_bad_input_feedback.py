"""Every mistake in judged answers has its one clear line, with file and line; read here."""

import json

import pytest

from madrigal.errors import DataError
from tasks_made import loaded, mistakes_of, of_rows, write_jsonl

CURE = "; correct the row, or leave such rows out with `data.on_bad: drop`"
PAIR = {"prompt": "p", "chosen": "x", "rejected": "y"}
TWO = {"prompt": "p", "response_1": "x", "response_2": "y"}
THREE = {"prompt": "p", "answers": ["x", "y", "z"]}
RATED = {"prompt": "p", "completion": "x", "rating": 3.0}
THUMB = {"prompt": "p", "completion": "x", "label": True}
FIXED = {"original": "teh", "corrected": "the"}
JUDGED = {"feedback": "rating", "prompt": "p", "answers": ["x", "y"]}
VERDICT = JUDGED | {"feedback": "verdict"}
HH = "Human: Hi?\n\nAssistant: "
HO = "Human: Hi, you there, who stand so idly about in the middle?\n\nAssistant: "

# A good row, a bad one behind it, and what is said of line 2.
BAD = {
    "chosen is rejected": (
        PAIR, PAIR | {"chosen": "y "},
        f"'chosen' and 'rejected' are the same text, so neither can be better{CURE}",
    ),
    "an empty answer": (PAIR, PAIR | {"rejected": " "}, f"'rejected' is empty{CURE}"),
    "an answer that is null": (TWO | {"label": 1}, TWO | {"label": 1, "response_2": None},
                               f"'response_2' is empty{CURE}"),
    "an empty reply of several": (
        THREE | {"ranks": [1, 2, 3]}, {"prompt": "p", "answers": ["x", ""], "ranks": [1, 2]},
        f"answer 2 is empty{CURE}",
    ),
    "another prompt": (
        {"chosen": f"{HH}x", "rejected": f"{HH}y"}, {"chosen": f"{HH}x", "rejected": f"{HO}y"},
        "'chosen' and 'rejected' answer different prompts: turn 1 is 'Hi?' in one and "
        "'Hi, you there, who stand so idly about i...' in the other; only the last turn may differ"
        f"{CURE}",
    ),
    "a prompt that goes on": (
        {"chosen": f"{HH}x", "rejected": f"{HH}y"},
        {"chosen": f"{HH}x", "rejected": f"{HH}z\n\nHuman: And?\n\nAssistant: y"},
        "'chosen' and 'rejected' answer different prompts: one has 2 turns and the other 4; only "
        f"the last turn may differ{CURE}",
    ),
    "a prompt beside that is not theirs": (
        {"chosen": f"{HH}x", "rejected": f"{HH}y"},
        {"prompt": "Who?", "chosen": f"{HH}x", "rejected": f"{HH}y"},
        "field 'prompt' is not the prompt of 'chosen' and 'rejected'; leave it out, or give the "
        "answers alone in both",
    ),
    "a dialogue without an answer": (
        {"chosen": f"{HH}x", "rejected": f"{HH}y"}, {"chosen": f"{HH}x", "rejected": HH},
        f"'rejected' does not end with an answer to judge{CURE}",
    ),
    "an empty turn": (
        {"chosen": f"{HH}x", "rejected": f"{HH}y"},
        {"chosen": f"{HH}\n\nHuman: And?\n\nAssistant: x", "rejected": f"{HH}y"},
        "turn 2 of 'chosen' says nothing",
    ),
    "no prompt": (
        PAIR, {"chosen": "x", "rejected": "y"}, "no field 'prompt'; found 'chosen', 'rejected'",
    ),
    "a prompt that ends with an answer": (
        PAIR, PAIR | {"prompt": f"{HH}x"}, "the prompt must end with what the user says",
    ),
    "a margin below nought": (
        PAIR, PAIR | {"margin": -1},
        "the margin is -1; it says by how much the better answer is better, so it is 0 or more"
        f"{CURE}",
    ),
    "a margin that is no number": (
        PAIR, PAIR | {"margin": "much"},
        "field 'margin' holds 'much' where a number was expected",
    ),
    "a vote for nobody": (
        TWO | {"votes": [1]}, TWO | {"votes": [1, 3]},
        f"field 'votes' is '3'; it must be one of '1', '2', or 'tie'{CURE}",
    ),
    "no votes": (TWO | {"votes": [1]}, TWO | {"votes": []}, f"field 'votes' holds no vote{CURE}"),
    "an order that shows one answer twice": (
        TWO | {"label": 1}, TWO | {"label": 1, "order": [1, 1]},
        f"field 'order' must name both answers, each once{CURE}",
    ),
    "a ranking with a gap": (
        THREE | {"ranking": [1, 2, 3]}, THREE | {"ranking": [3, 1]},
        f"field 'ranking' has a gap: answer 2 of 3 is not in it{CURE}",
    ),
    "an unknown item in a ranking": (
        THREE | {"ranking": [1, 2, 3]}, THREE | {"ranking": [1, 2, 4]},
        f"field 'ranking' names '4', and there are the answers '1', '2', '3'{CURE}",
    ),
    "an item twice in a ranking": (
        THREE | {"ranking": [1, 2, 3]}, THREE | {"ranking": [1, 2, 2]},
        f"field 'ranking' names answer 2 twice{CURE}",
    ),
    "ranks with a gap": (
        THREE | {"ranks": [1, 2, 3]}, THREE | {"ranks": [1, 2, 5]},
        f"field 'ranks' has a gap: 1, 2, 5; ranks follow each other{CURE}",
    ),
    "too few ranks": (
        THREE | {"ranks": [1, 2, 3]}, THREE | {"ranks": [1, 2]},
        "field 'ranks' holds 2 ranks for 3 answers",
    ),
    "one answer ranked": (
        THREE | {"ranks": [1, 2, 3]}, {"prompt": "p", "answers": ["x"], "ranks": [1]},
        f"one answer, and nothing to compare it with{CURE}",
    ),
    "replies that are the same": (
        {"prompt": "p", "replies_best_first": ["x", "y"]},
        {"prompt": "p", "replies_best_first": ["x", "y", "x"]},
        f"answer 1 and answer 3 are the same text, so neither can be better{CURE}",
    ),
    "a rating out of its scale": (
        RATED, RATED | {"rating": 7}, f"the rating is 7, outside its scale from 1 to 5{CURE}",
    ),
    "a rating that is no number": (
        RATED, RATED | {"rating": "good"},
        "field 'rating' holds 'good' where a number was expected",
    ),
    "no rating": (RATED, RATED | {"rating": []}, f"no rating{CURE}"),
    "fewer ratings than answers": (
        THREE | {"ratings": [1, 2, 3]}, THREE | {"ratings": [1, 2]},
        f"field 'ratings' holds 2 ratings for 3 answers{CURE}",
    ),
    "a thumb that is neither": (
        THUMB, THUMB | {"label": "perhaps"},
        f"field 'label' is 'perhaps'; it must be true or false{CURE}",
    ),
    "a correction that corrects nothing": (
        FIXED, FIXED | {"corrected": "teh"}, f"'corrected' is the same as 'original'{CURE}",
    ),
    "a verdict on a position that nobody knows": (
        TWO | {"verdict": 1, "judge": "m"}, TWO | {"verdict": "second", "judge": "m"},
        "field 'verdict' says which position won, and not which answer stood there; add 'swapped' "
        "(true or false) or 'shown', or name the answer",
    ),
    "a judgement with too few values": (
        JUDGED | {"judgements": [{"values": [1, 2]}]}, JUDGED | {"judgements": [{"values": [1]}]},
        f"a judgement has 1 values for 2 answers{CURE}",
    ),
    "a judgement that says nothing": (
        JUDGED | {"judgements": [{"values": [1, 2]}]},
        JUDGED | {"judgements": [{"values": [None, None]}]}, f"a judgement says nothing{CURE}",
    ),
    "a chance that is none": (
        VERDICT | {"judgements": [{"values": [2, 1], "chance": 0.5}]},
        VERDICT | {"judgements": [{"values": [2, 1], "chance": 7}]},
        "a judgement: 'chance' must be from 0 to 1, that the first of two answers is better" + CURE,
    ),
    "an unknown kind": (
        JUDGED | {"judgements": [{"values": [1, 2]}]},
        JUDGED | {"feedback": "whim", "judgements": [{"values": [1, 2]}]},
        "field 'feedback' is 'whim'; it must be one of 'pair', 'ranking', 'rating', 'thumb', "
        "'correction', 'verdict'",
    ),
}  # fmt: skip


def settings_of(row):
    rated = {"rating", "ratings", "judgements"} & set(row)
    return {"feedback": {"scale": [1, 5]}} if rated else {}


@pytest.mark.parametrize("name", BAD)
def test_says(name, tmp_path):
    good, bad, says = BAD[name]
    write_jsonl(tmp_path / "a.jsonl", [good, bad, good])
    task = {"data": "a.jsonl", **settings_of(good)}
    assert mistakes_of(tmp_path, {"t": task}) == (f"a.jsonl:2: {says}",)


@pytest.mark.parametrize("name", BAD)
def test_drops_and_tells(name, tmp_path):
    good, bad, says = BAD[name]
    rows = [bad, *({**good, "prompt": f"p{i}"} for i in range(20))] if "prompt" in good else [
        bad, *({**good, **_other(good, i)} for i in range(20))
    ]  # fmt: skip
    write_jsonl(tmp_path / "a.jsonl", rows)
    task = loaded({"train": "a.jsonl", "on_bad": "drop"}, tmp_path, **settings_of(good))
    assert task.counts["bad"] == 1
    assert sum(len(records) for records in task.splits.values()) == 20
    note = f"1 bad row was dropped (data.on_bad): a.jsonl:1: {says.removesuffix(CURE)}"
    assert task.notes[0] == note


def _other(row, number):
    """The row with another prompt where it has one inside, or another text."""
    if "chosen" in row:
        return {side: row[side].replace("Hi?", f"Hi {number}?") for side in ("chosen", "rejected")}
    return {"original": f"teh {number}"}


def test_several_of_several_files_are_counted_and_listed(tmp_path):
    bad = PAIR | {"rejected": ""}
    write_jsonl(tmp_path / "a.jsonl", [PAIR | {"prompt": str(i)} for i in range(30)] + [bad] * 7)
    write_jsonl(tmp_path / "b.jsonl", [PAIR | {"prompt": "other"}, bad])
    task = loaded({"train": "a.jsonl", "test": "b.jsonl", "on_bad": "drop"}, tmp_path)
    said = [f"a.jsonl:{line}: 'rejected' is empty" for line in range(31, 36)]
    said += ["a.jsonl: and 2 more", "b.jsonl:2: 'rejected' is empty"]
    assert task.notes[0] == f"8 bad rows were dropped (data.on_bad): {'; '.join(said)}"
    assert task.counts["bad"] == 8
    # The note is cut short; the list is not.
    places = [f"a.jsonl:{line}" for line in range(31, 38)] + ["b.jsonl:2"]
    assert list(task.dropped) == [f"{place}: 'rejected' is empty" for place in places]


def test_when_nothing_is_left_everything_is_told(tmp_path):
    with pytest.raises(DataError) as error:
        of_rows([PAIR | {"rejected": ""}], tmp_path, data={"on_bad": "drop"})
    assert error.value.mistakes == (
        "tasks.t.data: without the bad rows none is left; correct some, or name other files",
        "test.jsonl:1: 'rejected' is empty",
    )


def test_any_format_may_drop_its_bad_rows(tmp_path):
    rows = [{"text": f"t{i}", "label": "ab"[i % 2]} for i in range(9)]
    task = of_rows([*rows, {"text": "t", "label": None}], tmp_path, data={"on_bad": "drop"})
    assert len(task.splits["test"]) == 9
    assert task.notes == (
        "1 bad row was dropped (data.on_bad): test.jsonl:10: field 'label' is null",
    )


KEYS = {
    "an annotator missing where people are weighed": (
        TWO | {"votes": [1, 2]}, {"feedback": {"aggregate": "dawid_skene"}},
        "a.jsonl:1: a judgement without annotator, and `aggregate: dawid_skene` weighs people; add "
        f"a field 'annotator', or take `aggregate: mean`{CURE}",
    ),
    "an answer template": (
        PAIR, {"answer": "{answer}!"},
        "tasks.t.answer: the data holds judged answers, which stand as they are; leave it out, or "
        "name another format in `data.format`",
    ),
    "labels": (
        PAIR, {"labels": ["x", "y"]},
        "tasks.t.labels: the data holds judged answers, which stand as they are; leave it out, or "
        "name another format in `data.format`",
    ),
    "one prompt for all": (
        {"text": "x", "rating": 0.5}, {"prompt": "How good?", "feedback": {"scale": [0, 1]}},
        "tasks.t.prompt: a.jsonl:1 was judged without a prompt, and this one is the same for all; "
        "name a field in it, or leave it out",
    ),
    "a system message alone": (
        {"text": "x", "rating": 0.5}, {"system": "Be kind.", "feedback": {"scale": [0, 1]}},
        "tasks.t.system: a.jsonl:1 was judged without a prompt; give a `prompt` too, or leave it "
        "out",
    ),
    "an aspect that is not there": (
        {"text": "x", "wit": 1}, {"feedback": {"aspect": "whit"}},
        "a.jsonl:1: no field 'whit'; found 'text', 'wit'; did you mean 'wit'?",
    ),
    "feedback for data that has none": (
        {"text": "x", "label": "a"}, {"feedback": {}},
        "a.jsonl:1: no known format of judged answers has the fields 'text', 'label'; rename them "
        "with `columns`, or name those with ratings in `feedback.aspect`",
    ),
    "another metric": (
        PAIR, {"metric": "accuracy"},
        "tasks.t.metric: 'accuracy' does not fit a task of judged answers; take one of agreement",
    ),
    "only one rating": (
        {"text": "x", "rating": 0.5}, {},
        "tasks.t.feedback: all ratings are 0.5, so nothing is said by them; name their `scale`, "
        "[lowest, highest]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KEYS)
def test_says_what_does_not_go_with_the_task(name, tmp_path):
    row, settings, says = KEYS[name]
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    assert mistakes_of(tmp_path, {"t": {"data": {"test": "a.jsonl"}, **settings}}) == (says,)


def test_feedback_contradicts_a_named_plain_format(tmp_path):
    task = {"data": {"train": "a.jsonl", "format": "text"}, "feedback": {}}
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "x"}) + "\n")
    assert mistakes_of(tmp_path, {"t": task}) == (
        "tasks.t.feedback: the format text holds no judged answers; remove it, or name another "
        "format",
    )
