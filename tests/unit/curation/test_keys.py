"""Which stored blocks are taken again, which blocks are a shard's, and on which side rows stand."""

import json
from dataclasses import replace

import pytest

from curated import write
from madrigal.curation import block, curate, of_files, work
from madrigal.curation.block import blocks
from madrigal.curation.marks import SPLITS
from madrigal.curation.sources import Sources, of_recipe
from madrigal.curation.work import Shard, key_of
from madrigal.errors import DataError
from madrigal.recipe.load import load_recipe
from madrigal.recipe.task import DataSettings, TaskSettings
from madrigal.tasks.load import load_tasks

ROWS = [{"text": f"number {k * 7919} of them", "label": "ab"[k % 3 == 0]} for k in range(200)]


def test_blocks_are_of_one_state_of_the_files_one_reading_and_one_code(tmp_path, monkeypatch):
    write(tmp_path / "a.jsonl", ROWS)
    sources = of_files(["a.jsonl"], tmp_path)
    (source,) = sources.files
    other = TaskSettings(data=DataSettings.model_validate("a.jsonl"), prompt="Say: {text}")
    changed = (
        replace(source, task="b"), replace(source, split="test"), replace(source, settings=other),
        replace(source, format="alpaca"), replace(source, cut=frozenset({"test"})),
        replace(source, languages=("en", "")),
    )  # fmt: skip
    keys = {key_of(sources), *(key_of(Sources((one,))) for one in changed)}
    keys.add(key_of(Sources((source, source))))
    for name, value in (("SIZE", 7), ("_VERSION", -1)):
        with monkeypatch.context() as patch:
            patch.setattr(work, name, value)
            keys.add(key_of(sources))
    write(tmp_path / "a.jsonl", ROWS[:-1])
    keys.add(key_of(sources))
    assert len(keys) == 11
    assert key_of(sources) == key_of(of_files(["a.jsonl"], tmp_path))


@pytest.mark.parametrize("of", [1, 3, 4])
def test_every_block_is_one_shard_s(of):
    assert [
        [number for number in range(1, of + 1) if Shard(number, of).mine(count)]
        for count in range(8)
    ] == [[count % of + 1] for count in range(8)]


def test_every_file_that_cannot_be_read_is_told_at_once(tmp_path):
    write(tmp_path / "good.jsonl", ROWS[:3])
    (good,) = of_files(["good.jsonl"], tmp_path).files
    bad = []
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_bytes(b"")
        bad.append(replace(good, found=replace(good.found, path=tmp_path / name, name=name)))
    with pytest.raises(DataError) as told:
        curate(Sources((bad[0], good, bad[1])), tmp_path / "out")
    assert told.value.mistakes == ("a.jsonl: the file is empty", "b.jsonl: the file is empty")


def test_a_block_of_long_rows_is_a_short_one(tmp_path, monkeypatch):
    monkeypatch.setattr(block, "_MOST_BYTES", 100)
    write(tmp_path / "a.jsonl", [{"text": "x" * size, "label": "a"} for size in (90, 1, 1, 80, 9)])
    (source,) = of_files(["a.jsonl"], tmp_path).files
    assert [(one.number, one.first, len(one.items)) for one in blocks(0, source)] == [
        (0, 0, 1), (1, 1, 3), (2, 4, 1),
    ]  # fmt: skip


@pytest.mark.parametrize("given", [(), ("test",), ("validation",)])
def test_rows_stand_on_the_side_that_loading_puts_them_on(tmp_path, given):
    """Shares of 0.2 and 0.3, so that a side taken for another would be seen."""
    write(tmp_path / "train.jsonl", ROWS)
    shares = {"test": 0.2, "validation": 0.3}
    data: dict = {"train": "train.jsonl", "split": {k: v for k, v in shares.items()
                                                    if k not in given}}  # fmt: skip
    for split in given:
        write(tmp_path / f"{split}.jsonl", [{"text": f"{split} {k}", "label": "a"} for k in "xy"])
        data |= {split: f"{split}.jsonl"}
    (tmp_path / "r.yaml").write_text(
        "name: r\nmodel: {base: madrigal/base-xs}\n"
        f"tasks: {{t: {{data: {json.dumps(data)}}}}}\n"
        "stages: [{name: s, learn: [t], steps: 1}]\n"
    )
    recipe = load_recipe(tmp_path / "r.yaml").recipe
    table = curate(of_recipe(recipe, tmp_path), tmp_path / "out").table
    loaded = load_tasks(recipe, tmp_path)["t"].splits
    side = table.column("side")
    for number, split in enumerate(SPLITS):
        mine = {table.where(k) for k in range(len(table)) if side[k] == number}
        assert mine == {record.where for record in loaded[split]}
        assert mine
