"""What becomes of rows about which something was found, and what the ledger says of it."""

import json
from dataclasses import replace

import pytest

from curated import curated, write
from madrigal.curation import curate
from madrigal.curation.clean import clean
from madrigal.curation.finding import Finding
from madrigal.curation.remedies import (
    CHANGES,
    DROPPED,
    Decision,
    Orders,
    decisions,
    without_people,
    without_secrets,
)
from madrigal.curation.review import Reviewed, digest_of
from madrigal.curation.sources import of_recipe
from madrigal.curation.stream import items
from madrigal.curation.table import TASK
from madrigal.recipe.load import load_recipe

KEY = "AKIAABCDEFGHIJKLMNOP"


def finding(check, record=0, split="train", **more) -> Finding:
    return Finding("t", split, "a.jsonl", record, f"a.jsonl:{record + 1}", check, "error", "seen",
                   **more)  # fmt: skip


def ledger(out) -> list[dict]:
    return [json.loads(line) for line in (out / "ledger.jsonl").read_text("utf-8").splitlines()]


def test_only_rows_of_training_are_touched_and_none_for_what_is_said_of_a_task():
    found = [
        finding("leak", 1), finding("leak", 2, "test"), finding("encoding", 3, "validation"),
        finding("leak", TASK), finding("repetition", 4),
    ]  # fmt: skip
    assert list(decisions(found, Orders())) == [("t", "a.jsonl", 1)]
    assert list(decisions(found, Orders(drop=("repetition",)))) == [("t", "a.jsonl", 4)]


@pytest.mark.parametrize(("chance", "put_right"), [(0.69, False), (0.7, True), (0.9, True)])
def test_a_label_is_put_right_from_the_chance_that_was_asked_for(chance, put_right):
    one = finding("label_noise", given="a", instead="b", chance=chance)
    (decision,) = (decisions([one], Orders(relabel=0.7)) or {(): Decision()}).values()
    assert (decision.relabel is not None) == put_right
    assert decisions([one], Orders()) == {}


def test_changes_are_made_in_one_order_and_once():
    """Repaired text may show an address that broken text hid."""
    found = [finding(check) for check in ("personal_data", "encoding", "secret", "encoding")]
    (decision,) = decisions(found, Orders()).values()
    assert decision.changes == ["encoding", "secret", "personal_data"]
    assert list(CHANGES) == ["encoding", "control_characters", "secret", "personal_data"]


def test_a_row_of_several_examples_goes_where_each_of_them_does():
    drops = [finding("leak", part=0), finding("near_leak", part=0), finding("leak", part=2)]
    assert not Decision(drops=drops).dropped(3)
    assert Decision(drops=[*drops, finding("leak", part=1)]).dropped(3)
    assert Decision(drops=drops[:1]).dropped(1)
    assert Decision(drops=[finding("unreadable")]).dropped(0)
    assert not Decision().dropped(0)


def test_a_person_s_word_comes_before_every_rule():
    keep, drop = (Reviewed("a.jsonl", 0, "a.jsonl:1", one, "") for one in ("keep", "drop"))
    (decision,) = decisions([finding("leak"), finding("encoding")], Orders()).values()
    assert decision.dropped(1)
    assert not decision.stays_as_it_is
    assert not replace(decision, reviewed=keep).dropped(1)
    assert replace(decision, reviewed=keep).stays_as_it_is
    assert Decision(reviewed=drop).dropped(5)
    assert "label_noise" not in DROPPED


def test_all_that_is_masked_in_a_text_is_masked_in_its_place():
    said = "Ask jane.roe@mail.net or joe.doe@mail.net, or call +44 20 7946 0958 then"
    assert without_people(said) == "Ask [mail] or [mail], or call [phone] then"
    assert without_secrets(f"first {KEY} and {KEY[:-1]}Q") == "first [AWS key] and [AWS key]"


def test_the_ledger_shows_neither_people_nor_keys(tmp_path):
    rows = [{"text": f"it is {KEY} here", "label": "x"}, {"text": "ask a.b@mail.net", "label": "y"},
            {"text": "the cafÃ© is fine", "label": "x"}]  # fmt: skip
    clean(curated(tmp_path, rows), tmp_path / "out")
    one, other, third = ledger(tmp_path / "out")
    assert one["after"] == {"text": "it is [AWS key] here"}
    assert other["after"] == {"text": "ask [mail]"}
    assert "before" not in one
    assert "before" not in other
    assert third["before"] == {"text": "the cafÃ© is fine"}


def test_files_of_one_name_are_copied_beside_each_other_and_held_out_ones_are_not(tmp_path):
    for folder in ("a", "b"):
        write(tmp_path / folder / "train.jsonl", [{"text": f"of {folder}", "label": "x"}])
    write(tmp_path / "a" / "test.jsonl", [{"text": "held out", "label": "x"}])
    settings = {"train": ["a/train.jsonl", "b/train.jsonl"], "test": "a/test.jsonl"}
    (tmp_path / "r.yaml").write_text(
        "name: r\nmodel: {base: madrigal/base-xs}\n"
        f"tasks: {{t: {{data: {json.dumps(settings)}}}}}\n"
        "stages: [{name: s, learn: [t], steps: 1}]\n"
    )
    found = curate(of_recipe(load_recipe(tmp_path / "r.yaml").recipe, tmp_path), tmp_path / "out")
    copies = clean(found, tmp_path / "out").copies
    assert {name: json.loads(path.read_text())["text"] for name, path in copies.items()} == {
        "a/train.jsonl": "of a", "b/train.jsonl": "of b",
    }  # fmt: skip
    assert len({*copies.values()}) == 2
    assert sorted(path.name for path in (tmp_path / "out" / "clean" / "t").iterdir()) == [
        "2-train.jsonl", "train.jsonl",
    ]  # fmt: skip
    first, _ = json.loads((tmp_path / "out" / "clean.json").read_text())
    assert (first["before"], first["after"]) == (1, 1)


def test_what_a_fix_takes_away_is_told(tmp_path):
    found = curated(tmp_path, [{"text": "one", "label": "x", "note": "odd"}] * 1)
    (source,) = found.table.sources.files
    (item,) = items(source.found)
    fix = Reviewed(source.name, 0, item.where, "fix", digest_of(item),
                   values={"text": "two", "label": "x"})  # fmt: skip
    clean(found, tmp_path / "out", Orders(reviewed={fix.place: fix}))
    (entry,) = ledger(tmp_path / "out")
    assert (entry["before"], entry["after"]) == ({"text": "one"}, {"text": "two"})
    assert entry["removed"] == ["note"]


def test_a_label_of_which_nobody_can_tell_where_it_stands_stays_and_is_told(tmp_path):
    rows = [{"prompt": "is it x?", "completion": "x", "kind": "x"}, {"prompt": "b", "completion":
            "y", "kind": "z"}]  # fmt: skip
    found = curated(tmp_path, rows)
    said = [
        Finding("t", "train", "t/train.jsonl", k, "", "label_noise", "warning", "", given="xy"[k],
                instead="yx"[k], chance=0.9)
        for k in range(2)
    ]  # fmt: skip
    (tmp_path / "out" / "findings.jsonl").write_text(
        "".join(json.dumps(one.as_json()) + "\n" for one in said)
    )
    made = clean(found, tmp_path / "out", Orders(relabel=0.5))
    copy = [json.loads(line) for line in made.copies["t/train.jsonl"].read_text().splitlines()]
    assert [row["completion"] for row in copy] == ["x", "x"]
    assert any(note.startswith("1 labels stay: it is not plain which field") for note in made.notes)
