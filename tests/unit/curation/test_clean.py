"""What stays in a cleaned copy, what the ledger says of it, and that nothing else is written."""

import json
from pathlib import Path

import pytest

from curated import curated, told, write
from madrigal.cli.app import main
from madrigal.curation import of_files
from madrigal.curation.clean import clean
from madrigal.curation.review import Decisions, Reviewed, digest_of
from madrigal.curation.stream import items

LONG = (
    "the quick brown fox jumps over the lazy dog and runs along the river bank until the sun sets"
)


def asked(text: str, **more: str) -> dict[str, str]:
    return {"prompt": text, "completion": "an answer that is long enough", "source": ""} | more


def rows_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_of_near_copies_the_fullest_stays_and_the_ledger_names_it(tmp_path):
    """The first goes for the third as it is the same, the third for the second, nearly the same
    and as full; so the first goes for the second."""
    rows = [asked(LONG), asked(f"{LONG}!", source="x"), asked(LONG, source="y"), asked("Another?")]
    clean(curated(tmp_path, rows), tmp_path / "out")
    stays = {one["row"]: one["why"][0]["stays"] for one in rows_of(tmp_path / "out/ledger.jsonl")}
    assert stays == {0: "t/train.jsonl:2", 2: "t/train.jsonl:2"}
    assert rows_of(tmp_path / "out/clean/t/train.jsonl") == [rows[1], rows[3]]
    rows[1]["source"] = ""
    found = curated(tmp_path, rows)
    assert told(found, "near_duplicate")["train.jsonl:2"][0] == "train.jsonl:3"


def test_every_copy_of_what_nearly_leaks_goes(tmp_path):
    rows = [asked(LONG), asked("Another?"), asked(LONG, source="a book"), asked(LONG)]
    found = curated(tmp_path, rows, [asked(f"{LONG} now", completion="no")])
    assert set(told(found, "near_leak")) == {f"train.jsonl:{k}" for k in (1, 3, 4)}
    clean(found, tmp_path / "out")
    assert rows_of(tmp_path / "out/clean/t/train.jsonl") == [rows[1]]


def test_every_training_record_that_gives_a_held_out_one_away_is_named(tmp_path):
    rows = [asked(f"{chr(97 + k) * 9} {LONG} {chr(107 + k) * 9}") for k in range(9)]
    found = curated(tmp_path, rows, [asked(LONG), asked("Another?")], deep=["contamination"])
    assert set(told(found, "contamination", "train")) == {f"train.jsonl:{k + 1}" for k in range(9)}


def test_what_one_task_finds_in_a_file_is_not_done_for_another(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = [{"text": f"{k * 37} {chr(97 + k) * 9} {k * 911}", "mood": "ab"[k % 2],
             "topic": "xyz"[k % 3]} for k in range(12)]  # fmt: skip
    rows[3]["mood"] = ""
    rows[4]["topic"] = ""
    write(tmp_path / "f.jsonl", rows)
    task = "{{data: {{train: f.jsonl, columns: {{label: {0}}}, split: {{test: 0}}}}}}"
    (tmp_path / "r.yaml").write_text(
        "name: r\nmodel: {base: madrigal/base-xs}\ntasks:\n"
        + "".join(f"  {name}: {task.format(name)}\n" for name in ("mood", "topic"))
        + "stages: [{name: s, learn: [mood, topic], steps: 1}]\n"
    )
    assert main(["curate", "r.yaml", "--out", "out", "--clean"]) == 0
    said = capsys.readouterr().out
    assert "f.jsonl (mood) -> " in said
    assert "f.jsonl (topic) -> " in said
    assert rows_of(tmp_path / "out/clean/mood/f.jsonl") == [*rows[:3], *rows[4:]]
    assert rows_of(tmp_path / "out/clean/topic/f.jsonl") == [*rows[:4], *rows[5:]]


def test_a_table_keeps_its_mark_and_what_cannot_be_copied_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"{'abcdef'[k] * 9} and {k * 911};{'xy'[k % 2]}" for k in range(6)]
    (tmp_path / "t.csv").write_text("\n".join(["text;label", "no label", *rows]) + "\n")
    assert main(["curate", "t.csv", "--out", "out", "--clean", "--keep", "unreadable"]) == 0
    assert (tmp_path / "out/clean/t/t.csv").read_text() == "\n".join(["text;label", *rows]) + "\n"
    (entry,) = rows_of(tmp_path / "out/ledger.jsonl")
    assert (entry["where"], entry["action"]) == ("t.csv:2", "dropped")
    assert entry["why"][0]["evidence"].startswith("no copy: t.csv:2: 1 cells")


def decide(folder: Path, name: str, row: int, **values: str) -> None:
    item = [*items(of_files([name], folder).files[0].found)][row]
    fixed = ("fix", digest_of(item), "language", values) if values else ("drop", digest_of(item))
    Decisions(folder / "out").decide(Reviewed(name, row, item.where, *fixed))


def test_a_row_that_changed_since_its_review_changes_no_copy(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    texts = [f"{chr(97 + k) * 9} {k * 911}" for k in range(6)]
    for name in ("a", "b"):
        write(tmp_path / f"{name}.jsonl", [asked(text) for text in texts])
    call = ["curate", "a.jsonl", "b.jsonl", "--out", "out", "--clean"]
    assert main(call) == 0
    decide(tmp_path, "b.jsonl", 2)
    write(tmp_path / "b.jsonl", [asked(f"{text} now") for text in texts])
    before = {path: path.read_bytes() for path in (tmp_path / "out/clean").rglob("*.jsonl")}
    ledger = (tmp_path / "out/ledger.jsonl").read_bytes()
    assert main([*call, "--drop", "licence"]) == 2
    assert "b.jsonl:3: another row than the one that was reviewed" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in before} == before
    assert (tmp_path / "out/ledger.jsonl").read_bytes() == ledger
    assert not (tmp_path / "out/.clean").exists()


def test_a_field_that_a_table_has_no_column_for_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("text,label\na first one,x\na second one,y\n")
    decide(tmp_path, "t.csv", 1, text="another", label="y", why="so")
    assert main(["curate", "t.csv", "--out", "out", "--clean"]) == 2
    assert "t.csv: a reviewed row has a field 'why', and the table has" in capsys.readouterr().err


@pytest.mark.parametrize("linked", ["out/clean/t/t.jsonl", "out/clean/t"])
def test_a_link_in_the_folder_leads_nowhere(tmp_path, monkeypatch, capsys, linked):
    """A copy through it would be written over the original."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "data/t.jsonl", [asked(LONG), asked(LONG)])
    before = (tmp_path / "data/t.jsonl").read_bytes()
    link = tmp_path / linked
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / ("data/t.jsonl" if link.suffix else "data"))
    assert main(["curate", "data/t.jsonl", "--out", "out", "--clean"]) == 2
    assert "leads to data/t.jsonl itself; choose another --out" in capsys.readouterr().err
    assert (tmp_path / "data/t.jsonl").read_bytes() == before


def test_a_readme_of_something_else_is_not_written_over(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "t.jsonl", [asked(LONG)])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/README.md").write_text("my own")
    assert main(["curate", "t.jsonl", "--out", "mine"]) == 2
    assert "--out mine: holds a README.md of something else" in capsys.readouterr().err
    assert (tmp_path / "mine/README.md").read_text() == "my own"


def test_changed_rows_that_go_over_to_the_held_out_ones_are_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = [{"text": f"{k * 37} {chr(97 + k % 26) * 9} {k * 911} to a{k}@firm.de",
             "label": "xy"[k % 2]} for k in range(80)]  # fmt: skip
    write(tmp_path / "f.jsonl", rows)
    recipe = (
        "name: r\nmodel: {base: madrigal/base-xs}\ntasks: {t: {data: %s}}\n"
        "stages: [{name: s, learn: [t], steps: 1}]\n"
    )
    (tmp_path / "r.yaml").write_text(recipe % "f.jsonl")
    assert main(["curate", "r.yaml", "--out", "out", "--clean"]) == 0
    said = capsys.readouterr().out
    (tmp_path / "s.yaml").write_text(recipe % "out/clean/t/f.jsonl")
    assert main(["curate", "r.yaml", "--out", "one"]) == 0
    assert main(["curate", "s.yaml", "--out", "two"]) == 0
    train = [json.loads((tmp_path / name / "cards/t.json").read_text())["records"]["train"]
             for name in ("one", "two")]  # fmt: skip
    assert train[0] > train[1]
    assert f"{train[0] - train[1]} changed rows will be held out by a run" in said
