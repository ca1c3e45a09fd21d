"""Each format of judged answers on rows written by hand: prompt, answers, what was said."""

import pytest

from madrigal.tasks.feedback import Judgement
from madrigal.tasks.formats.detect import format_of
from madrigal.tasks.record import Turn
from madrigal.tasks.row import Row
from tasks_made import of_rows

HH = "\n\nHuman: Hi?\n\nAssistant: Ho.\n\nHuman: And?\n\nAssistant: "
SAID = [
    {"role": "user", "content": "Hi?"},
    {"role": "assistant", "content": "Ho."},
    {"role": "user", "content": "And?"},
]
THREE = (("user", "Hi?", True), ("assistant", "Ho.", False), ("user", "And?", True))
ASKED = (("user", "And?", True),)
INSTRUCTED = (("user", "Add.\n\n1 2\n", True),)


def ends(text):
    return [{"role": "assistant", "content": text}]


def j(*values, **more):
    return Judgement(values, **more)


# The row, format, prompt, answers, judgements; where it matters what else the feedback holds.
ROWS = {
    "HH dialogues": (
        {"chosen": f"{HH}good", "rejected": f"{HH}bad"}, "pairs", THREE, ("good", "bad"),
        (j(1.0, 0.0),), {},
    ),
    "two turns of the assistant are one answer": (
        {"chosen": f"{HH}good\n\nAssistant: indeed", "rejected": f"{HH}bad"},
        "pairs", THREE, ("good\n\nindeed", "bad"), (j(1.0, 0.0),), {},
    ),
    "texts beside a prompt, with margin and annotator": (
        {"prompt": "And?", "chosen": "good", "rejected": "bad", "margin": 2, "annotator": 7},
        "pairs", ASKED, ("good", "bad"), (j(1.0, 0.0, annotator="7"),), {"margin": 2.0},
    ),
    "a prompt that is a dialogue": (
        {"prompt": HH, "chosen": " good", "rejected": " bad"},
        "pairs", THREE, (" good", " bad"), (j(1.0, 0.0),), {},
    ),
    "messages, the prompt inside": (
        {"chosen": [*SAID, *ends("good")], "rejected": [*SAID, *ends("bad")]},
        "pairs", THREE, ("good", "bad"), (j(1.0, 0.0),), {},
    ),
    "messages, the prompt beside": (
        {"prompt": SAID, "chosen": ends("good"), "rejected": ends("bad")},
        "pairs", THREE, ("good", "bad"), (j(1.0, 0.0),), {},
    ),
    "messages with the prompt inside, and its last turn as text": (
        {"prompt": "And?", "chosen": [*SAID, *ends("good")], "rejected": [*SAID, *ends("bad")]},
        "pairs", THREE, ("good", "bad"), (j(1.0, 0.0),), {},
    ),
    "a system message and a question": (
        {"system": "Be brief.", "question": "And?", "chosen": "good", "rejected": "bad"},
        "pairs", (("system", "Be brief.", True), *ASKED), ("good", "bad"), (j(1.0, 0.0),), {},
    ),
    "votes of people who are not known": (
        {"instruction": "Add.", "input": "1 2", "response_1": "3", "response_2": "4",
         "votes": [1, 2, 0]},
        "pairs", INSTRUCTED, ("3", "4"), (j(1.0, 0.0), j(0.0, 1.0), j(0.5, 0.5)), {},
    ),
    "votes by name": (
        {"instruction": "Add.", "input": "1 2", "output_a": "3", "output_b": "4",
         "votes": {"ann": "b", "bob": "tie"}},
        "pairs", INSTRUCTED, ("3", "4"),
        (j(0.0, 1.0, annotator="ann"), j(0.5, 0.5, annotator="bob")), {},
    ),
    "a label that counts from one": (
        {"prompt": "And?", "output_1": "x", "output_2": "y", "label": 2},
        "pairs", ASKED, ("x", "y"), (j(0.0, 1.0),), {},
    ),
    "a label that counts from nought": (
        {"prompt": "And?", "response_0": "x", "response_1": "y", "label": 0},
        "pairs", ASKED, ("x", "y"), (j(1.0, 0.0),), {},
    ),
    "an arena's winner, and who was shown first": (
        {"prompt": "And?", "response_a": "x", "response_b": "y", "winner": "model_b",
         "order": "ba"},
        "pairs", ASKED, ("x", "y"), (j(0.0, 1.0, shown=(1, 0)),), {},
    ),
    "an arena's tie": (
        {"prompt": "And?", "answer_a": "x", "answer_b": "y", "winner": "tie (bothbad)"},
        "pairs", ASKED, ("x", "y"), (j(0.5, 0.5),), {},
    ),
    "replies best first": (
        {"conversation": [{"role": "user", "text": "And?"}], "replies_best_first": ["x", "y", "z"]},
        "rankings", ASKED, ("x", "y", "z"), (j(2.0, 1.0, 0.0),), {},
    ),
    "a ranking by number, with a tie": (
        {"prompt": "And?", "answers": ["x", "y", "z"], "ranking": [3, [1, 2]]},
        "rankings", ASKED, ("x", "y", "z"), (j(0.0, 0.0, 1.0),), {},
    ),
    "a ranking by number from nought": (
        {"prompt": "And?", "answers": ["x", "y", "z"], "ranking": [2, 0, 1]},
        "rankings", ASKED, ("x", "y", "z"), (j(1.0, 0.0, 2.0),), {},
    ),
    "rankings by text and letter, of two people": (
        {"prompt": "And?", "answers": ["x!", "y!"],
         "ranking": {"ann": ["y!", "x!"], "bob": ["a", "b"]}},
        "rankings", ASKED, ("x!", "y!"),
        (j(0.0, 1.0, annotator="ann"), j(1.0, 0.0, annotator="bob")), {},
    ),
    "ranks with a tie": (
        {"prompt": "And?", "answers": ["x", "y", "z", "w"], "ranks": [2, 1, 2, 4]},
        "rankings", ASKED, ("x", "y", "z", "w"), (j(1.0, 2.0, 1.0, 0.0),), {},
    ),
    "a rated text alone": (
        {"text": "x", "rating": 0.4}, "ratings", (), ("x",), (j(0.4),), {},
    ),
    "a rated answer": (
        {"prompt": "And?", "completion": "x", "rating": 3, "scale": [1, 5], "rater": "ann"},
        "ratings", ASKED, ("x",), (j(3.0, annotator="ann"),), {"scale": (1.0, 5.0)},
    ),
    "ratings by several people": (
        {"prompt": "And?", "response": "x", "ratings": {"ann": 3, "bob": None, "eve": 1}},
        "ratings", ASKED, ("x",), (j(3.0, annotator="ann"), j(1.0, annotator="eve")), {},
    ),
    "ratings by people who are not known": (
        {"text": "x", "rating": [3, 1]}, "ratings", (), ("x",), (j(3.0), j(1.0)), {},
    ),
    "aspects, of several people each": (
        {"text": "x", "ratings": {"wit": {"ann": 3}, "depth": [1, 2]}},
        "ratings", (), ("x",),
        (j(3.0, annotator="ann", aspect="wit"), j(1.0, aspect="depth"), j(2.0, aspect="depth")),
        {},
    ),
    "several answers, one rating each": (
        {"prompt": "And?", "answers": ["x", "y"], "ratings": [3, None]},
        "ratings", ASKED, ("x", "y"), (j(3.0, None),), {},
    ),
    "several answers, rated by name": (
        {"prompt": "And?", "answers": ["x", "y"], "ratings": {"ann": [3, 1]}},
        "ratings", ASKED, ("x", "y"), (j(3.0, 1.0, annotator="ann"),), {},
    ),
    "several answers, several ratings each": (
        {"prompt": "And?", "answers": ["x", "y"], "ratings": [[3, 2], {"ann": 1}]},
        "ratings", ASKED, ("x", "y"),
        (j(3.0, None), j(2.0, None), j(None, 1.0, annotator="ann")), {},
    ),
    "a thumb": (
        {"prompt": "And?", "completion": "x", "label": False}, "thumbs", ASKED, ("x",),
        (j(0.0),), {},
    ),
    "a thumb as a word, of messages": (
        {"prompt": SAID, "response": ends("x"), "thumbs": "up"}, "thumbs", THREE, ("x",),
        (j(1.0),), {},
    ),
    "a correction": (
        {"original": "teh", "corrected": "the", "comment": "spelling"},
        "corrections", (), ("teh", "the"), (j(0.0, 1.0),), {"comment": "spelling"},
    ),
    "a correction of an answer": (
        {"prompt": "And?", "original": "teh", "correction": "the", "annotator": "ann"},
        "corrections", ASKED, ("teh", "the"), (j(0.0, 1.0, annotator="ann"),), {},
    ),
    "a judge's verdict": (
        {"prompt": "And?", "answer_a": "x", "answer_b": "y", "verdict": "b", "judge": "m",
         "swapped": True},
        "verdicts", ASKED, ("x", "y"), (j(0.0, 1.0, annotator="m", shown=(1, 0)),), {},
    ),
    "a judge names a position": (
        {"prompt": "And?", "answer_a": "x", "answer_b": "y", "verdict": "first", "judge": "m",
         "shown": [2, 1]},
        "verdicts", ASKED, ("x", "y"), (j(0.0, 1.0, annotator="m", shown=(1, 0)),), {},
    ),
    "several verdicts of one row": (
        {"prompt": "And?", "response_1": "x", "response_2": "y", "judge": "m", "verdicts": [
            {"verdict": 1, "swapped": False}, {"verdict": "tie", "judge": "n", "swapped": True}]},
        "verdicts", ASKED, ("x", "y"),
        (j(1.0, 0.0, annotator="m", shown=(0, 1)), j(0.5, 0.5, annotator="n", shown=(1, 0))), {},
    ),
    "as it is written by madrigal": (
        {"feedback": "ranking", "prompt": "And?", "answers": ["x", "y"], "judgements": [
            {"values": [1, None], "annotator": "a", "aspect": "wit", "shown": [1, 0],
             "people": 3}]},
        "judgements", ASKED, ("x", "y"),
        (j(1.0, None, annotator="a", aspect="wit", shown=(1, 0), people=3),), {},
    ),
    "a judge that says how sure it is": (
        {"feedback": "verdict", "prompt": "And?", "answers": ["x", "y"], "judgements": [
            {"values": [1, 0], "annotator": "m", "shown": [0, 1], "chance": 0.8}]},
        "judgements", ASKED, ("x", "y"),
        (j(1.0, 0.0, annotator="m", shown=(0, 1), chance=0.8),), {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_a_row(name, tmp_path):
    row, shape, turns, answers, judgements, more = ROWS[name]
    task = of_rows([row], tmp_path, feedback={"scale": [0, 9]} if "ratings" in shape else None)
    if "scale" in more:
        task = of_rows([row], tmp_path)
    assert (task.format, task.kind, task.metric) == (shape, "feedback", "agreement")
    (record,) = task.splits["test"]
    assert record.turns == tuple(Turn(*turn) for turn in turns)
    assert (record.answers, record.choices, record.text) == ((), (), "")
    said = record.feedback
    assert said.answers == answers
    assert said.judgements == judgements
    scale = more.get("scale", (0.0, 9.0) if shape == "ratings" else None)
    assert said.scale == scale
    assert said.margin == more.get("margin")
    assert said.comment == more.get("comment", "")
    assert all(isinstance(value, float | None) for one in said.judgements for value in one.values)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_known_by_its_fields(name):
    assert format_of(Row("f", "f:1", ROWS[name][0])).name == ROWS[name][1]


@pytest.mark.parametrize(
    ("row", "shape"),
    [
        ({"prompt": "p", "completion": "c", "rejected": "r"}, "prompt_completion"),
        ({"prompt": "p", "completion": "c", "chosen": "x", "rejected": "r"}, "prompt_completion"),
        ({"prompt": "p", "completion": "c", "label": "true"}, "prompt_completion"),
        ({"prompt": "p", "completion": "c", "rating": "4"}, "prompt_completion"),
        ({"prompt": "p", "completion": "c", "response_1": "x", "response_2": "y", "label": "1"},
         "prompt_completion"),
        ({"text": "t", "rating": 4}, "classification"),
        ({"text": "t", "rating": "4.5"}, "ratings"),
        ({"question": "q", "choices": ["a", "b"], "answer": "a", "label": 1}, "multiple_choice"),
        ({"question": "q", "answers": ["a", "b"]}, "question_answering"),
    ],
)  # fmt: skip
def test_what_is_no_feedback_stays_what_it_was(row, shape):
    assert format_of(Row("f", "f:1", row)).name == shape


def test_one_fraction_says_that_whole_ratings_are_no_labels(tmp_path):
    rows = [{"text": f"t{i}", "rating": float(i % 2)} for i in range(9)]
    assert of_rows(rows, tmp_path).format == "classification"
    task = of_rows([*rows, {"text": "t", "rating": 0.4}], tmp_path)
    assert (task.format, task.splits["test"][0].feedback.scale) == ("ratings", (0.0, 1.0))
    assert task.notes == (
        "ratings go from 0 to 1 in the data, which is taken as their scale; if it is wider, write "
        "`feedback.scale`",
    )


def test_the_task_names_what_was_rated(tmp_path):
    row = {"text": "t", "label": "hate", "wit": 2, "depth": "4", "ratings": {"taste": 3}}
    (record,) = of_rows(
        [row], tmp_path, feedback={"aspect": ["wit", "taste"], "scale": [1, 5]}
    ).splits["test"]
    assert record.feedback.judgements == (j(2.0, aspect="wit"), j(3.0, aspect="taste"))
    (record,) = of_rows([row], tmp_path, feedback={"aspect": "depth", "scale": [1, 5]}).splits[
        "test"
    ]
    assert record.feedback.judgements == (j(4.0, aspect="depth"),)


def test_a_task_with_feedback_reads_whole_ratings(tmp_path):
    rows = [{"text": f"t{i}", "rating": i % 5} for i in range(9)]
    task = of_rows(rows, tmp_path, feedback={"scale": [0, 4]})
    assert (task.format, task.kind) == ("ratings", "feedback")


def test_votes_that_are_only_counted(tmp_path):
    row = {"text": "t", "bad": 2, "good": 1, "odd": 0}
    feedback = {"counts": {"bad": 0, "good": 1, "odd": 0.5}, "scale": [0, 1]}
    (record,) = of_rows([row], tmp_path, feedback=feedback).splits["test"]
    assert record.feedback.judgements == (j(0.0, people=2), j(1.0, people=1))


def test_a_list_in_the_same_order_names_people(tmp_path):
    row = {"prompt": "p", "response_1": "x", "response_2": "y", "votes": [1, 2]}
    (record,) = of_rows([row], tmp_path, feedback={"in_order": True}).splits["test"]
    assert [one.annotator for one in record.feedback.judgements] == ["1", "2"]
    row = {"text": "x", "rating": [3, 4]}
    feedback = {"in_order": True, "scale": [1, 5]}
    (record,) = of_rows([row], tmp_path, feedback=feedback).splits["test"]
    assert [one.annotator for one in record.feedback.judgements] == ["1", "2"]


def test_the_system_that_wrote_a_rated_answer_is_no_message(tmp_path):
    row = {"prompt": "p", "system": "nlg-2", "answer": "x", "rating": 3.5}
    (record,) = of_rows([row], tmp_path, feedback={"scale": [1, 5]}).splits["test"]
    assert record.turns == (Turn("user", "p"),)
    (record,) = of_rows([row], tmp_path, system="{system}", feedback={"scale": [1, 5]}).splits[
        "test"
    ]
    assert record.turns == (Turn("system", "nlg-2"), Turn("user", "p"))


def test_templates_make_the_prompt(tmp_path):
    row = {"topic": "sea", "chosen": "good", "rejected": "bad"}
    (record,) = of_rows([row], tmp_path, prompt="Write of the {topic}.").splits["test"]
    assert record.turns == (Turn("user", "Write of the sea."),)


def test_for_plain_tuning_the_better_answer_is_a_completion(tmp_path):
    rows = [{"prompt": "And?", "chosen": "good", "rejected": "bad"}]
    task = of_rows(rows, tmp_path, data={"columns": {"completion": "chosen"}})
    assert (task.kind, task.splits["test"][0].answers) == ("answer", ("good",))
    task = of_rows(rows, tmp_path, prompt="{prompt}", answer="{chosen}")
    assert (task.kind, task.splits["test"][0].answers) == ("answer", ("good",))


def test_nought_and_one_that_may_mean_the_answers_are_told(tmp_path):
    rows = [
        {"prompt": f"p{i}", "response_a": "x", "response_b": "y", "label": i % 2} for i in range(60)
    ]
    note = (
        "30 ties, 30 times the first answer and never the second: if 0 and 1 stand for the two "
        "answers, call them response_0 and response_1 in `columns`"
    )
    assert note in of_rows(rows, tmp_path).notes
    assert of_rows([*rows, {**rows[0], "prompt": "q", "label": 2}], tmp_path).notes == ()
