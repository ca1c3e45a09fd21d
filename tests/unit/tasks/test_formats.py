"""Each format on rows written by hand: prompt, answers, choices, and where."""

import pytest

from madrigal.tasks.formats.detect import format_of
from madrigal.tasks.record import Turn
from madrigal.tasks.row import Row
from tasks_made import of_rows

U, A, S = "user", "assistant", "system"


def turns(*pairs):
    return tuple(Turn(role, text) for role, text in pairs)


def one(rows, tmp_path, **settings):
    task = of_rows(rows if isinstance(rows, list) else [rows], tmp_path, **settings)
    return task, task.splits["test"][0]


SIMPLE = [
    pytest.param(
        {"prompt": "2 + 2 =", "completion": " 4"},
        "prompt_completion", turns((U, "2 + 2 =")), (" 4",), id="prompt and completion",
    ),
    pytest.param(
        {"query": "Hi?", "response": "Ho.", "history": [["a", "b"]], "system": "Be brief."},
        "prompt_completion", turns((S, "Be brief."), (U, "a"), (A, "b"), (U, "Hi?")), ("Ho.",),
        id="query and response with history",
    ),
    pytest.param(
        {"input": "True and not", "target": "False"},
        "prompt_completion", turns((U, "True and not")), ("False",), id="input and target",
    ),
    pytest.param(
        {
            "prompt": [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}],
            "completion": [{"role": "assistant", "content": "R"}],
        },
        "prompt_completion", turns((S, "S"), (U, "Q")), ("R",), id="lists of messages",
    ),
    pytest.param(
        {"prompt": "Name a colour.", "completion": "red", "answers": ["red", "blue"]},
        "prompt_completion", turns((U, "Name a colour.")), ("red", "blue"), id="several answers",
    ),
    pytest.param(
        {"instruction": "Translate.", "input": "Haus", "output": "house"},
        "alpaca", turns((U, "Translate.\n\nHaus\n")), ("house",), id="alpaca",
    ),
    pytest.param(
        {"instruction": "Sing.", "input": "", "output": "La.", "system": "Be merry."},
        "alpaca", turns((S, "Be merry."), (U, "Sing.\n")), ("La.",), id="alpaca without input",
    ),
    pytest.param(
        {"instruction": "And now?", "output": "Well.", "history": [["Hi", "Hello"]]},
        "alpaca", turns((U, "Hi"), (A, "Hello"), (U, "And now?\n")), ("Well.",),
        id="alpaca with history",
    ),
    pytest.param(
        {"messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            {"role": "assistant", "content": "Ho"},
        ]},
        "messages", turns((S, "Be brief."), (U, "Hi")), ("Ho",), id="messages",
    ),
    pytest.param(
        {"conversations": [
            {"from": "human", "value": "1"}, {"from": "gpt", "value": "2"},
            {"from": "human", "value": "3"}, {"from": "gpt", "value": "4"},
        ], "system": "Count."},
        "sharegpt", turns((S, "Count."), (U, "1"), (A, "2"), (U, "3")), ("4",), id="sharegpt",
    ),
    pytest.param(
        {"question": "Who?", "context": "Ann ran.", "answers": {"text": ["Ann", "Ann", "she"]}},
        "question_answering", turns((U, "Context: Ann ran.\nQuestion: Who?\nAnswer:")),
        ("Ann", "she"), id="squad",
    ),
    pytest.param(
        {"question": "2 x 3?", "answer": "6"},
        "question_answering", turns((U, "Question: 2 x 3?\nAnswer:")), ("6",), id="one answer",
    ),
    pytest.param(
        {"question": "Capital?", "answer": {"value": "Rome", "aliases": ["Roma"]}},
        "question_answering", turns((U, "Question: Capital?\nAnswer:")), ("Rome", "Roma"),
        id="value and aliases",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("row", "shape", "asked", "answers"), SIMPLE)
def test_free_answers(row, shape, asked, answers, tmp_path):
    task, record = one(row, tmp_path)
    assert (task.format, task.kind) == (shape, "answer")
    assert (record.turns, record.answers, record.choices) == (asked, answers, ())
    assert record.where == "test.jsonl:1"


CHOICES = [
    pytest.param(
        {"question": "Sky?", "choices": ["red", "blue"], "answer": 1}, "blue", id="by index",
    ),
    pytest.param(
        {"question": "Sky?", "choices": ["red", "blue"], "answer": "B"}, "blue", id="by letter",
    ),
    pytest.param(
        {"question": "Sky?", "options": ["red", "blue"], "answer": "blue"}, "blue", id="by text",
    ),
    pytest.param(
        {"question": "Sky?", "choices": {"text": ["red", "blue"], "label": ["1", "2"]},
         "answerKey": "2"}, "blue", id="arc: the mark 2 is the second, not the third",
    ),
    pytest.param(
        {"question": {"stem": "Sky?", "choices": [{"label": "A", "text": "red"},
                                                  {"label": "B", "text": "blue"}]},
         "answerKey": "B"}, "blue", id="ai2 files",
    ),
    pytest.param(
        {"question": "Sky?", "options": {"A": "red", "B": "blue"}, "answer": "B"}, "blue",
        id="choices in an object",
    ),
    pytest.param(
        {"question": "Sky?", "A": "red", "B": "blue", "answer": "B"}, "blue", id="mmlu table",
    ),
    pytest.param({"goal": "Sky?", "sol1": "red", "sol2": "blue", "label": 1}, "blue", id="piqa"),
    pytest.param(
        {"ctx": "Sky?", "endings": ["red", "blue"], "label": "1"}, "blue", id="hellaswag",
    ),
    pytest.param(
        {"sentence": "Sky?", "option1": "red", "option2": "blue", "answer": "2"}, "blue",
        id="winogrande counts from 1",
    ),
    pytest.param(
        {"question": "Sky?", "choices": ["3", "1", "0"], "answer": "1"}, "1",
        id="a text that looks like an index is a text",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("row", "right"), CHOICES)
def test_multiple_choice(row, right, tmp_path):
    task, record = one(row, tmp_path)
    assert (task.format, task.kind, task.metric) == ("multiple_choice", "choice", "accuracy")
    assert record.answers == (right,)
    listed = "\n".join(f"{m}. {c}" for m, c in zip("ABC", record.choices, strict=False))
    assert record.turns == turns((U, f"Sky?\n{listed}\nAnswer:"))


def test_copa_asks_for_cause_or_result(tmp_path):
    row = {"premise": "It rained.", "choice1": "Sun.", "choice2": "Wet.", "label": 1}
    _, effect = one(row | {"question": "effect"}, tmp_path)
    _, cause = one(row | {"question": "cause"}, tmp_path)
    assert effect.prompt == "It rained.\nWhat happened as a result?\nA. Sun.\nB. Wet.\nAnswer:"
    assert "What was the cause?" in cause.prompt
    assert effect.answers == ("Wet.",)


def test_a_passage_stands_before_the_question(tmp_path):
    row = {"context": "Ann ran.", "question": "Who?", "ans0": "Ann", "ans1": "Bob", "label": 0}
    _, record = one(row, tmp_path)
    assert record.prompt == "Ann ran.\nWho?\nA. Ann\nB. Bob\nAnswer:"


def test_choices_can_be_answered_by_letter(tmp_path):
    row = {"question": "Sky?", "choices": ["red", "blue"], "answer": 1}
    task, record = one(row, tmp_path, prompt="{question}\n{choices}\nLetter:", answer="{letter}")
    assert record.prompt == "Sky?\nA. red\nB. blue\nLetter:"
    assert (record.answers, record.choices) == (("B",), ("A", "B"))
    assert task.labels == ("A", "B"), "now all records share their choices"


LABELLED = [
    pytest.param({"text": "fine"}, "Text: fine\nLabel:", id="text"),
    pytest.param(
        {"premise": "p", "hypothesis": "h"}, "Premise: p\nHypothesis: h\nLabel:", id="inference"
    ),
    pytest.param({"question": "q", "passage": "p"}, "Passage: p\nQuestion: q\nLabel:", id="boolq"),
    pytest.param(
        {"sentence1": "a", "sentence2": "b"}, "Sentence 1: a\nSentence 2: b\nLabel:", id="pair"
    ),
    pytest.param({"title": "t", "content": "c"}, "Content: c\nLabel:", id="content"),
    pytest.param({"title": "t", "text": "c"}, "Title: t\nText: c\nLabel:", id="title and text"),
]


@pytest.mark.parametrize(("row", "asked"), LABELLED)
def test_classification(row, asked, tmp_path):
    rows = [row | {"label": "good"}, {k: v + "!" for k, v in row.items()} | {"label": "bad "}]
    task, record = one(rows, tmp_path)
    assert (task.format, task.kind, task.metric) == ("classification", "choice", "accuracy")
    assert task.labels == record.choices == ("bad", "good"), "sorted, stripped"
    assert (record.prompt, record.answers) == (asked, ("good",))
    assert record.fields["label"] == "good"


def labelled(*labels):
    return [{"text": f"text {i}", "label": label} for i, label in enumerate(labels)]


@pytest.mark.parametrize(
    ("values", "given", "answers", "labels"),
    [
        pytest.param([10, 9], None, ["10", "9"], ("9", "10"), id="numbers in their order"),
        pytest.param([True, False], None, ["true", "false"], ("false", "true"), id="booleans"),
        pytest.param([1, 0], ["no", "yes"], ["yes", "no"], ("no", "yes"), id="list names numbers"),
        pytest.param([1.0, 0.0], ["no", "yes"], ["yes", "no"], ("no", "yes"), id="floats too"),
        pytest.param(["b", "a"], ["b", "a", "c"], ["b", "a"], ("b", "a", "c"), id="order given"),
        pytest.param(["b", "a"], {"a": "A!", "b": "B!"}, ["B!", "A!"], ("A!", "B!"), id="map"),
        pytest.param(
            ["a", "b", "c"], {"a": "x", "b": "x", "c": "y"}, ["x", "x", "y"], ("x", "y"), id="merge"
        ),
    ],
)
def test_labels(values, given, answers, labels, tmp_path):
    task, _ = one(labelled(*values), tmp_path, labels=given)
    assert [record.answers[0] for record in task.splits["test"]] == answers
    assert task.labels == labels


def test_labels_make_any_answer_a_choice(tmp_path):
    rows = [{"prompt": "1?", "completion": "yes"}, {"prompt": "2?", "completion": "no"}]
    task, record = one(rows, tmp_path, labels=["yes", "no"])
    assert (task.kind, task.labels, record.choices) == ("choice", ("yes", "no"), ("yes", "no"))


def test_templates(tmp_path):
    rows = labelled("good", "bad")
    task, record = one(
        rows,
        tmp_path,
        prompt="{text} {{{label}}} of {labels}:",
        answer="It is {label}.",
        system="You judge text number {text}.",
    )
    assert record.turns == turns(
        (S, "You judge text number text 0."), (U, "text 0 {good} of bad, good:")
    )
    assert record.answers == ("It is good.",)
    assert task.labels == ("It is bad.", "It is good.")


def test_two_templates_read_any_fields(tmp_path):
    row = {"german": "Haus", "english": "house"}
    task, record = one(row, tmp_path, prompt="German: {german}\nEnglish:", answer="{english}")
    assert (task.kind, record.prompt, record.answers) == (
        "answer", "German: Haus\nEnglish:", ("house",),
    )  # fmt: skip


def test_columns_rename_before_detection(tmp_path):
    rows = [{"review": "fine", "stars": 1}, {"review": "poor", "stars": 0}]
    task, record = one(
        rows, tmp_path, data={"columns": {"text": "review", "label": "stars"}}, labels=["-", "+"]
    )
    assert (task.format, record.prompt, record.answers) == (
        "classification", "Text: fine\nLabel:", ("+",),
    )  # fmt: skip


def test_a_named_format_is_taken_whatever_the_fields(tmp_path):
    rows = labelled("x", "y")
    task, record = one(rows, tmp_path, data={"format": "text"})
    assert (task.kind, record.text) == ("text", "text 0")
    assert task.notes == ("2 rows are raw text; their other fields ('label') are not trained",)


def test_an_unanswered_end_and_an_unasked_beginning_are_left_out_and_told(tmp_path):
    def say(*roles):
        return {"messages": [{"role": r, "content": f"{r} {i}"} for i, r in enumerate(roles)]}

    task, record = one([say(U, A, U), say(A, U, A)], tmp_path)
    assert record.turns == turns((U, "user 0"))
    assert task.splits["test"][1].turns == turns((U, "user 1"))
    assert task.notes == (
        "1 conversations end with a turn that nobody answers; that turn is left out",
        "1 conversations begin with an answer to nothing; that turn is left out",
    )


def test_squad_files_are_nested(tmp_path):
    import json

    questions = [
        {"id": "q1", "question": "Who?", "answers": [{"text": "Ann", "answer_start": 0}]},
        {"id": "q2", "question": "When?", "answers": [], "is_impossible": True},
    ]
    article = {"title": "T", "paragraphs": [{"context": "Ann ran.", "qas": questions}]}
    (tmp_path / "dev.json").write_text(json.dumps({"version": "2", "data": [article]}))
    from tasks_made import loaded

    task = loaded({"test": "dev.json"}, tmp_path)
    first, second = task.splits["test"]
    assert first.where == "dev.json item 1 paragraph 1 question q1"
    assert (first.answers, first.fields["title"]) == (("Ann",), "T")
    assert second.answers == ("unanswerable",)
    assert "1 questions have no answer; the answer 'unanswerable' is trained for them" in task.notes


def test_self_instruct_holds_several_instances_a_row(tmp_path):
    row = {
        "instruction": "Double it.",
        "instances": [{"input": "1", "output": "2"}, {"input": "2", "output": "4"}],
    }
    task, _ = one(row, tmp_path)
    assert [(r.prompt, r.answers) for r in task.splits["test"]] == [
        ("Double it.\n\n1\n", ("2",)),
        ("Double it.\n\n2\n", ("4",)),
    ]


NI = {
    "Definition": ["Say the opposite."],
    "Positive Examples": [
        {"input": "hot", "output": "cold", "explanation": "Yes."},
        {"input": "big", "output": "small", "explanation": "Yes."},
    ],
    "Negative Examples": [{"input": "up", "output": "high", "explanation": "No."}],
    "Instances": [
        {"id": "task1-a", "input": "hot", "output": ["cold", "cool", "cold"]},
        {"id": "task1-b", "input": "wet", "output": [""]},
        {"id": "task1-c", "input": "far", "output": ["near"]},
    ],
}
NI1 = {
    "Title": "Opposites", "Prompt": "Say the opposite.", "Definition": "Say the opposite.",
    "Things to Avoid": "-", "Emphasis & Caution": "One word only.",
    "Examples": {
        "Positive Examples": [{"input": "hot", "output": "cold", "reason": "-", "suggestion": "-"}],
        "Negative Examples": ["-"],
    },
    "Instances": [{"input": "far", "output": ["near"]}],
}  # fmt: skip


def instructed(content, tmp_path, **settings):
    import json

    from tasks_made import loaded

    (tmp_path / "ni.json").write_text(json.dumps(content))
    return loaded({"test": "ni.json"}, tmp_path, instruction=settings)


def test_natural_instructions_2(tmp_path):
    task = instructed(NI, tmp_path, positive=1, negative=1, explanations=True)
    first, second = task.splits["test"]
    assert (task.format, task.kind) == ("natural_instructions", "answer")
    assert first.answers == ("cold", "cool")
    assert first.where == "ni.json item 1"
    assert "cold" not in first.prompt, "an example that is the instance is not shown"
    assert second.prompt == (
        "Definition: Say the opposite.\n\n"
        "Positive Example 1 -\nInput: hot\nOutput: cold\nExplanation: Yes.\n\n"
        "Negative Example 1 -\nInput: up\nOutput: high\nExplanation: No.\n\n"
        "Now complete the following example -\nInput: far\nOutput:"
    )
    assert task.notes == ("1 instances have no output and are left out",)


def test_natural_instructions_1(tmp_path):
    task = instructed(NI1, tmp_path, cautions=True, positive=2, negative=2, explanations=True)
    assert task.splits["test"][0].prompt == (
        "Definition: Say the opposite.\n\nEmphasis & Caution: One word only.\n\n"
        "Positive Example 1 -\nInput: hot\nOutput: cold\n\n"
        "Now complete the following example -\nInput: far\nOutput:"
    )


def test_natural_instructions_bare(tmp_path):
    task = instructed(NI1, tmp_path, definition=False)
    assert task.splits["test"][0].prompt == "Input: far\nOutput:"
    task = instructed(NI1 | {"Definition": ["Say", "it."]}, tmp_path)
    assert task.splits["test"][0].prompt == "Definition: Say it.\n\nInput: far\nOutput:"


def test_natural_instructions_as_flat_rows(tmp_path):
    row = {"definition": "Say the opposite.", "inputs": "far", "targets": "near"}
    task, record = one(row, tmp_path)
    assert (task.format, record.answers) == ("natural_instructions", ("near",))
    assert record.prompt == "Definition: Say the opposite.\n\nInput: far\nOutput:"


@pytest.mark.parametrize("name", ["sentiment", "intent", "emotion", "rating", "stars", "topic"])
def test_a_label_by_another_name(tmp_path, name):
    task = of_rows([{"text": f"t{i}", name: ["a", "b"][i % 2]} for i in range(4)], tmp_path)
    assert (task.format, task.labels) == ("classification", ("a", "b"))


@pytest.mark.parametrize(
    ("row", "format"),
    [
        ({"text": "t", "topic": "a", "sentiment": "b"}, "text"),  # two: which one is not plain
        ({"text": "t", "topic": "long " * 30}, "text"),
        ({"text": "t", "topic": None}, "text"),
        ({"question": "q", "answer": "a", "topic": "b"}, "question_answering"),
        ({"question": "q", "response": "a", "rating": 5}, "ratings"),
        ({"instruction": "q", "output": "a", "rating": 5}, "ratings"),
        ({"instruction": "q", "output": "a", "stars": 5}, "alpaca"),
        ({"instruction": "q", "output": "a", "rating": "5"}, "alpaca"),
    ],
)
def test_a_word_by_the_way_is_no_label(row, format):
    found = format_of(Row("a", "a:1", row))
    assert (found and found.name) == format
