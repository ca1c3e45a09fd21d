"""What a run says while it looks at its data."""

import copy
import io

import pytest
from rich.console import Console

import tiny_run
from madrigal.curation.inspect import inspect
from madrigal.curation.loaded import Loaded
from madrigal.pipeline.build import build
from madrigal.pipeline.cards import write_cards
from madrigal.pipeline.folder import RunFolder
from madrigal.pipeline.inspected import takes_longer
from madrigal.pipeline.watch import Screen


def made(folder, checks):
    keys = copy.deepcopy(tiny_run.keys())
    return build(tiny_run.tiny(folder, keys | {"curate": checks}))


@pytest.mark.parametrize("deep", [False, True])
def test_every_part_is_named_and_the_share_only_grows(tmp_path, deep):
    built, seen = made(tmp_path, "cheap"), []
    loaded = Loaded.of(built.tasks, built.recipe.tasks)
    inspect(loaded, deep, lambda what, share: seen.append((what, share)))
    shares = [share for _, share in seen]
    assert shares == sorted(shares)
    assert 0 < shares[0] < 1
    assert shares[-1] < 1  # the last search is still to be made
    names = list(dict.fromkeys(what for what, _ in seen))
    assert names[:3] == ["records", "pairs", "contamination"]
    assert ("label noise" in names) is deep
    begins = next(share for what, share in seen if what == "pairs")
    assert (begins < 0.2) is deep  # labels take longer than all the rest


def test_only_what_takes_long_has_a_bar(tmp_path):
    for checks, wanted in (("none", False), ("cheap", False), ("deep", True)):
        built = made(tmp_path / checks, checks)
        assert bool(takes_longer(built)) is wanted
        console = Console(file=io.StringIO(), width=120)
        folder = RunFolder(tmp_path / checks / "run")
        folder.data.mkdir(parents=True)
        write_cards(built, folder, Screen(console))
        assert ("look at the data: done" in console.file.getvalue()) is wanted
