"""`madrigal curate`: a user looks at data before training on them."""

import json

import pytest

from madrigal.cli.app import main


def lines(rows) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def review(number: int, **more) -> dict[str, object]:
    words = ("film", "plot", "cast", "sound", "light", "end", "joke", "song", "scene", "chase")
    some = " ".join(words[(number * k + k) % 10] for k in (1, 3, 7, number % 9 + 1))
    label = ("negative", "positive")[number % 2]
    return {"text": f"number {number * 7919}: the {some} of it", "label": label} | more


@pytest.fixture
def faulty(tmp_path, monkeypatch):
    """A training file with a fault a line, known by its line, and a test file."""
    rows = [review(i) for i in range(60)]
    test = [review(i) for i in range(1000, 1030)]
    rows[10] = {**rows[3]}
    rows[11] = {"text": rows[4]["text"], "label": "positive"}
    rows[12] = {**test[5]}
    rows[13]["text"] = "the cafÃ© of it was number 9"
    rows[14]["text"] = "ask jane.roe@mail-server.org of it"
    content = lines(rows[:20]) + '{"text": "broken"\n' + lines(rows[20:])
    (tmp_path / "reviews").mkdir()
    (tmp_path / "reviews" / "train.jsonl").write_text(content, "utf-8")
    (tmp_path / "reviews" / "test.jsonl").write_text(lines(test), "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(out) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    for line in (out / "findings.jsonl").read_text("utf-8").splitlines():
        one = json.loads(line)
        told.setdefault(one["check"], []).append(one["where"].removeprefix("reviews/"))
    return told


def test_every_planted_fault_is_found_where_it_is(faulty, capsys):
    assert main(["curate", "reviews/train.jsonl", "reviews/test.jsonl", "--out", "out"]) == 0
    assert found(faulty / "out") == {
        "encoding": ["train.jsonl:14"],
        "personal_data": ["train.jsonl:15"],
        "unreadable": ["train.jsonl:21"],
        "exact_duplicate": ["train.jsonl:11"],
        "leak": ["train.jsonl:13"],
        "contradiction": ["train.jsonl:5", "train.jsonl:12"],
        "licence": ["reviews"],
    }
    said = capsys.readouterr().out
    assert "reviews: classification, 60 train, 30 test, 1 row unreadable" in said
    assert "exact duplicates: counted twice in training" in said
    assert "as reviews/train.jsonl:4" in said
    card = json.loads((faulty / "out" / "cards" / "reviews.json").read_text("utf-8"))
    assert card["records"] == {"train": 60, "validation": 0, "test": 30}
    assert card["found"]["leak"]["examples"][0]["other"] == "reviews/test.jsonl:6"
    page = (faulty / "out" / "README.md").read_text("utf-8")
    assert "| error | held-out records in training | 1 |" in page


def test_nothing_is_written_without_a_folder_and_never_beside_the_data(faulty, capsys):
    before = sorted(faulty.rglob("*"))
    assert main(["curate", "reviews"]) == 0
    assert sorted(faulty.rglob("*")) == before
    assert main(["curate", "reviews", "--out", "reviews"]) == 2
    assert capsys.readouterr().err == (
        "--out reviews: reviews/train.jsonl lies in it, and data are never written over; "
        "name another\n"
    )


def everything(folder) -> dict[str, bytes]:
    paths = [p for p in sorted(folder.rglob("*")) if p.is_file() and "work" not in p.parts]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in paths}


def test_the_same_bytes_come_out_again_in_parts_and_in_several_processes(faulty, monkeypatch):
    monkeypatch.setattr("madrigal.curation.block.SIZE", 7)
    assert main(["curate", "reviews", "--out", "one"]) == 0
    for part in ("3/3", "1/3", "2/3"):
        assert main(["curate", "reviews", "--out", "parts", "--shard", part]) == 0
    assert not (faulty / "parts" / "findings.jsonl").exists()
    # Joining looks at no block again.
    monkeypatch.setattr("madrigal.curation.work._look", None)
    assert main(["curate", "reviews", "--out", "parts"]) == 0
    monkeypatch.undo()
    monkeypatch.chdir(faulty)
    assert main(["curate", "reviews", "--out", "two", "--processes", "2"]) == 0
    assert everything(faulty / "one") == everything(faulty / "parts") == everything(faulty / "two")


def test_a_recipe_names_what_is_curated(faulty, capsys):
    (faulty / "recipe.yaml").write_text(
        "name: a\nmodel: {base: madrigal/base-xs}\n"
        "tasks:\n"
        "  mood: {data: {train: reviews/train.jsonl, test: reviews/test.jsonl, on_bad: drop}}\n"
        "  clock: {data: {bundled: clock}}\n"
        "stages: [{name: s, learn: [mood, clock], steps: 1}]\n"
    )
    assert main(["curate", "recipe.yaml"]) == 0
    said = capsys.readouterr().out
    assert "mood: classification, 57 train, 3 validation, 30 test" in said
    assert "clock: bundled, so there are no files to curate" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.jsonl"], "nowhere.jsonl: no such file"),
        (["recipe.yaml", "reviews"], "recipe.yaml: a recipe stands alone; give it, or data files"),
        (["reviews", "--format", "alpca"], "--format alpca: unknown; did you mean 'alpaca'?"),
        (["reviews", "--set", "a=1"], "--set a=1: only a recipe has keys to set"),
        (["reviews", "--shard", "0/2", "--out", "o"],
         "--shard 0/2: write K/N, as 2/8, with K from 1 to N"),
        (["reviews", "--shard", "1/2"], "--shard: needs --out, the folder where the parts meet"),
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_one_line(faulty, capsys, arguments, says):
    assert main(["curate", *arguments]) == 2
    assert capsys.readouterr().err == f"{says}\n"
