"""What a router needs shows only beside the data."""

import pytest

import tiny_run
from madrigal.errors import DataError
from madrigal.pipeline.build import build


def recipe(**tasks):
    keys = tiny_run.keys()
    adapter = {"kind": "lora", "layers": "none", "private": {"rank": 2, "router": True}}
    keys["model"] = {"base": "madrigal/base-xs", "adapter": adapter}
    keys["tasks"] |= tasks
    keys["stages"] = [{"name": t, "learn": [t], "steps": 1} for t in ("mood", "echo")]
    return keys


def test_raw_text_leaves_nothing_to_choose(tmp_path):
    (tmp_path / "pages.txt").write_text("a long night by the river\n\n" * 40, encoding="utf-8")
    keys = recipe(echo={"data": {"train": "pages.txt", "test": "pages.txt"}})
    with pytest.raises(DataError, match=r"private.router: .* nothing is left to choose; remove it"):
        build(tiny_run.tiny(tmp_path, keys))


def test_an_auxiliary_task_is_no_choice(tmp_path):
    keys = recipe()
    keys["tasks"]["echo"]["role"] = "auxiliary"
    keys["stages"] = [{"name": "all", "learn": ["mood", "echo"], "steps": 1}]
    with pytest.raises(DataError, match="auxiliary tasks have no prompts to answer"):
        build(tiny_run.tiny(tmp_path, keys))
