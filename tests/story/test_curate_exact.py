"""The same files give the same bytes, with every check and every remedy; files are only read."""

import json
from pathlib import Path

import pytest

from madrigal.cli.app import main
from madrigal.curation import curate, of_files
from madrigal.curation.clean import clean
from madrigal.errors import DataError

EVERYTHING = (
    "--deep", "--clean", "--normalise", "unicode", "--normalise", "whitespace", "--normalise",
    "quotes", "--relabel", "0.7", "--drop", "refusal", "--balance", "up",
)  # fmt: skip


def rows() -> list[dict]:
    words = {"good": ("warm", "bright", "kind"), "bad": ("cold", "dull", "rude")}
    made = [
        {"text": f"a {words[label][k % 3]} and {words[label][(k + 1) % 3]} day, number {k * 7919}",
         "label": label}
        for k in range(50) for label in words
    ]  # fmt: skip
    made[7]["label"] = "good"
    made[9] = {**made[3]}
    made[12]["text"] = "the cafÃ© “was”  kind and warm"
    made[13]["text"] = "ask jane.roe@mail-server.org for a dull and cold one"
    return made


def everything(out: Path) -> dict[str, bytes]:
    """All files but the stored blocks, which hold the time of the files they were made of."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and "work" not in path.relative_to(out).parts
    }


def test_all_checks_and_remedies_give_the_same_bytes_and_the_files_keep_theirs(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    path = tmp_path / "a" / "train.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows()), "utf-8")
    path.chmod(0o444)
    before, state = path.read_bytes(), path.stat().st_mtime_ns
    for out in ("one", "two"):
        assert main(["curate", "a", "--out", out, *EVERYTHING]) == 0
    one, two = (everything(tmp_path / out) for out in ("one", "two"))
    assert one.keys() >= {
        "README.md", "cards/a.json", "findings.jsonl", "ledger.jsonl", "clean.json",
        "clean/a/train.jsonl",
    }  # fmt: skip
    assert one == two
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, state)
    checks = {
        why["check"] for line in one["ledger.jsonl"].splitlines() for why in json.loads(line)["why"]
    }
    assert checks >= {
        "exact_duplicate", "encoding", "personal_data", "label_noise", "normalise quotes",
        "balance",
    }  # fmt: skip


def test_a_file_that_changes_between_looking_and_cleaning_is_told(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows()))
    found = curate(of_files(["a.jsonl"], tmp_path), tmp_path / "out")
    path.write_text(path.read_text() + json.dumps({"text": "one more", "label": "bad"}) + "\n")
    with pytest.raises(DataError, match="a file changed since it was curated; curate again"):
        clean(found, tmp_path / "out")
    assert not (tmp_path / "out" / "clean").exists()
