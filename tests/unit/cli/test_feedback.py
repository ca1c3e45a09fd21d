"""`madrigal feedback inspect`: what it prints, writes and refuses."""

import json

import numpy as np
import pytest

from madrigal.cli.app import main
from real import DATA, needs_data


def lines(capsys) -> tuple[str, str]:
    captured = capsys.readouterr()
    return captured.out, captured.err


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")


@pytest.fixture
def votes(tmp_path):
    """Pairs with the votes of four people, one of whom guesses, and longer answers preferred."""
    random = np.random.default_rng(0)
    path = tmp_path / "votes.jsonl"
    rows = []
    for number in range(200):
        long = 1 if random.random() < 0.5 else 2
        said = {who: long if random.random() < 0.9 else 3 - long for who in ("ann", "bob", "cyd")}
        said["dee"] = int(random.integers(1, 3))
        answers = {1: f"No, not {number}.", 2: f"No, not {number}."}
        answers[long] = f"Let me tell you all there is to tell of the number {number}."
        rows.append({"prompt": f"What of {number}?", "response_1": answers[1]})
        rows[-1] |= {"response_2": answers[2], "votes": said}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_numbers_annotators_words_and_gaps_are_printed(votes, capsys):
    assert main(["feedback", "inspect", str(votes)]) == 0
    out, _ = lines(capsys)
    assert "200 records with 800 votes from 4 annotators about 200 pairs of answers" in out
    assert "Krippendorff's alpha, nominal" in out
    dee = next(line for line in out.splitlines() if line.startswith("dee "))
    assert dee.split()[-1] == "guesses"
    assert "▼ Annotator dee answers as if without looking: competence" in out
    assert "▼ The longer answer is preferred in" in out
    assert "Not measured: cycles; no three answers to a prompt were compared in turn" in out


def test_narrow_terminals_keep_numbers_with_their_units(votes, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    assert main(["feedback", "inspect", str(votes)]) == 0
    out, _ = lines(capsys)
    assert max(map(len, out.splitlines())) <= 80  # the table of annotators does not shrink
    assert not any(line.lstrip().startswith("%") for line in out.splitlines())


def test_findings_are_written_as_json(votes, tmp_path, capsys):
    path = tmp_path / "findings.json"
    assert main(["feedback", "inspect", str(votes), "--json", str(path)]) == 0
    body = json.loads(path.read_text(encoding="utf-8"))
    assert (body["version"], body["files"]) == (1, [str(votes)])
    (part,) = body["parts"]
    assert part["by_annotator"]["each"][3]["verdict"] == "guesses"
    out, _ = lines(capsys)
    assert body["sentences"][0] in out


def test_every_row_that_cannot_be_read_is_in_the_json(votes, tmp_path, capsys):
    path = tmp_path / "findings.json"
    good = votes.read_text(encoding="utf-8")
    row = json.loads(good.splitlines()[0])
    text = next(name for name, value in row.items() if name.startswith("response"))
    votes.write_text(good + (json.dumps(row | {text: ""}) + "\n") * 7, encoding="utf-8")
    assert main(["feedback", "inspect", str(votes), "--json", str(path)]) == 0
    body = json.loads(path.read_text(encoding="utf-8"))
    first = len(good.splitlines()) + 1
    assert body["bad_rows"] == [f"{votes}:{first + n}: '{text}' is empty" for n in range(7)]
    assert "and 2 more" in lines(capsys)[0]


def test_one_measure_is_measured_alone(votes, capsys):
    assert main(["feedback", "inspect", str(votes), "--measure", "length"]) == 0
    out, _ = lines(capsys)
    assert "longer answer preferred" in out
    assert "alpha" not in out
    assert "Not measured" not in out


@pytest.mark.parametrize("measure", ["annotators", "self_disagreement"])
def test_missing_names_are_one_line_where_annotators_are_asked_about(tmp_path, capsys, measure):
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"prompt": "Hi", "chosen": "Hello.", "rejected": "What?"}\n', encoding="utf-8")
    assert main(["feedback", "inspect", str(path), "--measure", measure]) == 2
    out, err = lines(capsys)
    assert out == ""
    assert err == (
        f"{path}:1: no annotator, and --measure {measure} weighs annotators against each other; "
        "name who gave each vote, or leave it out\n"
    )


def test_a_measure_that_there_is_not(votes, capsys):
    assert main(["feedback", "inspect", str(votes), "--measure", "cycle"]) == 2
    assert lines(capsys)[1] == "--measure cycle: unknown; did you mean 'cycles'?\n"


def test_data_without_feedback(tmp_path, capsys):
    path = tmp_path / "faq.jsonl"
    path.write_text('{"prompt": "Hi", "completion": "Hello."}\n', encoding="utf-8")
    assert main(["feedback", "inspect", str(path)]) == 2
    assert lines(capsys)[1] == (
        f"{path}: read as prompt_completion, which holds nothing that people said about answers; "
        "if it does, name the format with --format\n"
    )


def test_a_file_that_is_not_there_is_told_without_a_recipe(capsys):
    assert main(["feedback", "inspect", "nowhere.jsonl"]) == 2
    err = lines(capsys)[1]
    assert err.startswith("nowhere.jsonl: ")
    assert "tasks." not in err


def test_wrong_settings_are_told_without_a_recipe(votes, capsys):
    wrong = ["--set", "feedback.skale=[1,5]", "--format", "pears"]
    assert main(["feedback", "inspect", str(votes), *wrong]) == 2
    assert lines(capsys)[1].splitlines() == [
        "--format pears: unknown value 'pears'; did you mean 'pairs'?",
        "--set feedback.skale=[1,5]: unknown key; did you mean 'scale'?",
    ]


def test_json_into_a_folder_that_is_not_there(votes, capsys):
    assert main(["feedback", "inspect", str(votes), "--json", "nowhere/f.json"]) == 2
    assert lines(capsys)[1] == "nowhere/f.json: there is no folder 'nowhere'\n"


def test_bad_rows_are_counted_and_the_rest_is_looked_at(votes, capsys):
    with votes.open("a", encoding="utf-8") as file:
        file.write('{"prompt": "p", "response_1": "s", "response_2": "s", "votes": {"a": 1}}\n')
    assert main(["feedback", "inspect", str(votes)]) == 0
    out, _ = lines(capsys)
    assert "note: 1 bad row was dropped (data.on_bad):" in out
    assert "200 records" in out
    assert main(["feedback", "inspect", str(votes), "--set", "data.on_bad=error"]) == 2


def test_equal_rows_are_compared_and_not_joined(tmp_path, capsys):
    row = {"prompt": "Hi", "answer_a": "Good morning.", "answer_b": "Go away now."}
    rows = [row | {"annotator": "ann", "winner": winner} for winner in "ab"]
    path = tmp_path / "twice.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    assert main(["feedback", "inspect", str(path), "--measure", "contradictions"]) == 0
    out, _ = lines(capsys)
    assert "1 of 1 group of records" in out
    assert "  twice.jsonl:1 and twice.jsonl:2" in out


REAL = {
    "preferences/hh_harmless/train.jsonl": ([], "Not measured: agreement and the agreement"),
    "preferences/oasst_ranked_replies/ranked.jsonl": ([], "▼ The longer answer is preferred in"),
    "preferences/pandalm_votes/pairs.jsonl": ([], "Votes on the same item give a flip rate of"),
    "preferences/llmbar/pairs.jsonl": ([], "▼ The longer answer is preferred in"),
    "ratings/convabuse/test.jsonl": (
        ["--format=ratings", "--set=data.columns={text: user}", "--set=prompt={agent}"],
        "None of 8 annotators answers as if without looking",
    ),
    "ratings/hate_offensive_votes/test.jsonl": (
        ["--set=feedback.counts={votes_neither: 0, votes_offensive: 1, votes_hate: 2}"],
        "A perfect model correlates with one rater by at most",
    ),
}


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_real_data(name, capsys):
    options, sentence = REAL[name]
    assert main(["feedback", "inspect", str(DATA / name), *options]) == 0
    assert sentence in lines(capsys)[0]
