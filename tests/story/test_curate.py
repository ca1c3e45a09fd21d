"""`madrigal curate`: a user looks at data before training on them."""

import json
from collections import Counter

import pytest

from madrigal.cli.app import main
from madrigal.curation import of_files
from madrigal.curation.review import Decisions, Reviewed, digest_of
from madrigal.curation.stream import items


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
        (["reviews", "--clean"], "--clean: needs --out, the folder for the copies"),
        (["reviews", "--drop", "leak"], "--drop: says how to clean; add --clean"),
        (["reviews", "--keep", "leek", "--clean", "--out", "o"],
         "--keep leek: unknown; did you mean 'leak'?"),
        (["reviews", "--balance", "up"], "--balance: says how to clean; add --clean"),
        (["reviews", "--balance", "upp", "--clean", "--out", "o"],
         "--balance upp: unknown; did you mean 'up'?"),
        (["reviews", "--balance", "stratified", "--clean", "--out", "o"],
         "--balance stratified: needs --by, the field in whose groups labels are made even"),
        (["reviews", "--by", "place"],
         "--by place: says what to balance; add --balance down, up, ..."),
        (["reviews", "--relabel", "0.9", "--clean", "--out", "o"],
         "--relabel: wrong labels are looked for with --deep; add it"),
        (["reviews", "--normalise", "quote", "--clean", "--out", "o"],
         "--normalise quote: unknown; did you mean 'quotes'?"),
        (["review", "nowhere"], "nowhere: nothing was curated there; first: madrigal curate "
         "RECIPE|FILE... --out DIR"),
        (["review"], "curate review: give the one folder that --out named"),
        (["reviews", "--check", "leak"],
         "--check leak: belongs to `madrigal curate review DIR`"),
        (["reviews", "--shard", "1/2"], "--shard: needs --out, the folder where the parts meet"),
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_one_line(faulty, capsys, arguments, says):
    assert main(["curate", *arguments]) == 2
    assert capsys.readouterr().err == f"{says}\n"


def ledger_of(out) -> list[dict]:
    return [json.loads(line) for line in (out / "ledger.jsonl").read_text("utf-8").splitlines()]


def test_cleaned_copies_lose_what_the_ledger_says_and_nothing_else(faulty, capsys):
    before = (faulty / "reviews" / "train.jsonl").read_bytes()
    assert main(["curate", "reviews", "--out", "out", "--clean"]) == 0
    assert (faulty / "reviews" / "train.jsonl").read_bytes() == before
    rows = before.splitlines()
    copy = (faulty / "out" / "clean" / "reviews" / "train.jsonl").read_bytes().splitlines()
    ledger = ledger_of(faulty / "out")
    gone = {one["where"]: one["why"][0] for one in ledger if one["action"] == "dropped"}
    assert {where: why["check"] for where, why in gone.items()} == {
        "reviews/train.jsonl:11": "exact_duplicate",
        "reviews/train.jsonl:13": "leak",
        "reviews/train.jsonl:21": "unreadable",
    }
    assert gone["reviews/train.jsonl:11"]["stays"] == "reviews/train.jsonl:4"
    changed = {one["row"]: one for one in ledger if one["action"] == "changed"}
    assert changed[13]["before"]["text"] == "the cafÃ© of it was number 9"
    assert changed[13]["after"]["text"] == "the café of it was number 9"
    assert changed[14]["after"]["text"] == "ask [mail] of it"
    assert "jane" not in (faulty / "out" / "ledger.jsonl").read_text("utf-8")
    # Everything else keeps its bytes and its order.
    same = [row for i, row in enumerate(rows) if i not in (10, 12, 20, 13, 14)]
    assert [row for row in copy if row in rows] == same
    assert len(copy) == len(rows) - 3
    assert "3 rows left out, 2 changed" in capsys.readouterr().out


def test_what_is_kept_is_kept_and_what_is_dropped_on_request_goes(faulty):
    wish = ["--clean", "--keep", "leak", "--keep", "personal_data", "--drop", "contradiction"]
    assert main(["curate", "reviews", "--out", "out", *wish]) == 0
    ledger = ledger_of(faulty / "out")
    assert [(one["row"], one["action"]) for one in ledger] == [
        (4, "dropped"), (10, "dropped"), (11, "dropped"), (13, "changed"), (20, "dropped"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "text,label\none of them,x\nanother,y\none of them,x\n"),
        ("a.json", '{"data": [{"text": "one of them", "label": "x"}, {"text": "another", '
         '"label": "y"}, {"text": "one of them", "label": "x"}], "version": 2}'),
        ("a.txt", "one of them\n<|endoftext|>\nanother\n<|endoftext|>\none of them"),
    ],
)  # fmt: skip
def test_a_copy_has_the_shape_of_its_file(tmp_path, monkeypatch, name, content):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(content)
    assert main(["curate", name, "--out", "out", "--clean"]) == 0
    copy = (tmp_path / "out" / "clean" / "a" / name).read_text()
    assert copy.count("one of them") == 1
    assert copy.count("another") == 1
    assert ('"version": 2' in copy) == (name == "a.json")
    assert main(["curate", str(tmp_path / "out" / "clean" / "a" / name), "--out", "again"]) == 0
    assert "exact_duplicate" not in found(tmp_path / "again")


def test_deep_checks_of_a_recipe_hear_its_model(faulty, monkeypatch):
    """The states of the bundled model reach the check: what is told names both voices."""
    rows = [
        {"text": f"{'a fine warm film' if i % 2 else 'a dull cold film'} with scene {i}",
         "label": "good" if (i % 2) ^ (i in (20, 61)) else "bad"}
        for i in range(80)
    ]  # fmt: skip
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (faulty / "mood.jsonl").write_text(lines)
    (faulty / "recipe.yaml").write_text(
        "name: a\nmodel: {base: madrigal/base-xs}\ntasks: {mood: {data: mood.jsonl}}\n"
        "stages: [{name: s, learn: [mood], steps: 1}]\n"
    )
    assert main(["curate", "recipe.yaml", "--deep", "--out", "out"]) == 0
    lines = (faulty / "out" / "findings.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    said = {one["where"]: one["evidence"] for one in found if one["check"] == "label_noise"}
    assert set(said) == {"mood.jsonl:21", "mood.jsonl:62"}
    assert all("words and the model say" in one for one in said.values())


def test_a_reviewed_decision_comes_before_the_rules_and_stands_in_the_ledger(faulty, capsys):
    assert main(["curate", "reviews", "--out", "out"]) == 0
    found = of_files(["reviews"], faulty)
    rows = {
        item.where: (source.name, number, item)
        for source in found.files
        for number, item in enumerate(items(source.found))
    }
    made = Decisions(faulty / "out")
    for line, action, values in (
        (11, "keep", None),  # an exact duplicate
        (14, "fix", {"text": "the cafe, mended", "label": "bad"}),
        (3, "drop", None),  # nothing was found there
    ):
        file, number, item = rows[f"reviews/train.jsonl:{line}"]
        made.decide(
            Reviewed(file, number, item.where, action, digest_of(item), "label_noise", values)
        )
    assert main(["curate", "reviews", "--out", "out", "--clean"]) == 0
    ledger = {one["row"] + 1: one for one in ledger_of(faulty / "out")}
    assert 11 not in ledger
    assert ledger[3]["why"] == [{"check": "review", "evidence": "seen for label_noise"}]
    assert ledger[14]["after"]["text"] == "the cafe, mended"
    copy = (faulty / "out" / "clean" / "reviews" / "train.jsonl").read_text("utf-8")
    assert '"the cafe, mended"' in copy
    # The same decisions about a file that changed: told, and nothing is done.
    path = faulty / "reviews" / "train.jsonl"
    path.write_text("\n" + path.read_text("utf-8").replace("number 2", "number two"), "utf-8")
    capsys.readouterr()
    assert main(["curate", "reviews", "--out", "out", "--clean"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "another row than the one that was reviewed; curate and review again" in told


@pytest.mark.parametrize(
    ("how", "counts"),
    [
        (["--balance", "down"], {"x": 10, "y": 10}),
        (["--balance", "up"], {"x": 30, "y": 30}),
        (["--balance", "stratified", "--by", "place"], {"x": 10, "y": 10}),
        (["--balance", "down", "--by", "place"], {"a": 12, "b": 12}),
    ],
)
def test_groups_are_made_even_by_leaving_out_or_by_marked_copies(
    tmp_path, monkeypatch, how, counts
):
    monkeypatch.chdir(tmp_path)
    rows = [
        {"text": f"{['river', 'tower', 'chapel'][k % 3]} {k * 37} and {k * 911}",
         "label": "y" if k % 4 == 3 else "x", "place": "a" if k // 4 % 4 else "b"}
        for k in range(40)
    ]  # fmt: skip
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    copies = []
    for out in ("one", "two"):
        assert main(["curate", "a.jsonl", "--out", out, "--clean", *how]) == 0
        copies.append((tmp_path / out / "clean" / "a" / "a.jsonl").read_bytes())
    assert copies[0] == copies[1]
    made = [json.loads(line) for line in copies[0].splitlines()]
    field = "place" if how[1:] == ["down", "--by", "place"] else "label"
    assert Counter(row[field] for row in made) == counts
    marked = [row for row in made if "copy_of" in row]
    assert len(marked) == max(0, sum(counts.values()) - 40)
    assert all(row["copy_of"].startswith("a.jsonl:") for row in marked)
    ledger = ledger_of(tmp_path / "one")
    assert {why["check"] for one in ledger for why in one["why"]} == {"balance"}
    told = sum(one.get("copies", 0) for one in ledger) - sum(
        one["action"] == "dropped" for one in ledger
    )
    assert len(made) == 40 + told
    summary = json.loads((tmp_path / "one" / "clean.json").read_text("utf-8"))
    assert (summary[0]["before"], summary[0]["after"]) == (40, len(made))


def test_texts_are_written_in_one_way_and_labels_put_right_where_asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = {"good": ("warm", "bright", "kind"), "bad": ("cold", "dull", "rude")}
    rows = [
        {"text": f"a {words[label][k % 3]} and {words[label][(k + 1) % 3]} day, number {k}",
         "label": label}
        for k in range(60) for label in words
    ]  # fmt: skip
    rows[7]["label"] = "good"
    rows[20]["text"] = "a  “warm”   and bright cafe\u0301 day "
    rows.append({"text": "as it was", "label": "good"})
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    wish = ["--normalise", "unicode", "--normalise", "whitespace", "--relabel", "0.6", "--deep"]
    keep = ["--keep", "near_duplicate"]
    assert main(["curate", "a.jsonl", "--out", "out", "--clean", *wish, *keep]) == 0
    ledger = {one["row"]: one for one in ledger_of(tmp_path / "out")}
    assert ledger[7]["after"] == {"label": "bad"}
    assert ledger[7]["before"] == {"label": "good"}
    assert ledger[7]["why"][0]["check"] == "label_noise"
    assert ledger[20]["after"] == {"text": "a “warm” and bright café day"}
    assert [one["check"] for one in ledger[20]["why"]] == [
        "normalise unicode", "normalise whitespace",
    ]  # fmt: skip
    lines = (tmp_path / "a.jsonl").read_bytes().splitlines()
    copy = (tmp_path / "out" / "clean" / "a" / "a.jsonl").read_bytes().splitlines()
    assert [k for k, (old, new) in enumerate(zip(lines, copy, strict=True)) if old != new] == [
        *ledger
    ]


def test_a_table_gets_a_column_for_copies_and_a_number_stays_a_number(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"text {k} of {k * 7919},{'y' if k % 3 else 'x'}\n" for k in range(12))
    (tmp_path / "a.csv").write_text("text,label\n" + rows)
    assert main(["curate", "a.csv", "--out", "out", "--clean", "--balance", "up"]) == 0
    copy = (tmp_path / "out" / "clean" / "a" / "a.csv").read_text().splitlines()
    assert copy[0] == "text,label,copy_of"
    assert sum(line.split(",")[2] != "" for line in copy[1:]) == 4
    assert len(copy) == 17
