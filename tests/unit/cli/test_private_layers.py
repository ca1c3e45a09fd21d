"""`madrigal diagnose RUN --private-layers`: private parts where, and only where, tasks fight."""

import json

import pytest
import yaml

from fake_run import ONE_STAGE, write_run
from madrigal.cli.app import main
from madrigal.recipe.load import load_recipe
from planted import Fight, Gradients

FIGHT = Gradients(every=2, fight=Fight(("inference", "titles"), -0.7, blocks=(1, 3)))


def made(folder, gradients=FIGHT, adapter=None):
    """A run whose recipe loads, and says where it came from."""
    run = write_run(folder / "run", examples=40, steps=120, stages=ONE_STAGE, gradients=gradients)
    recipe = yaml.safe_load((run / "recipe.yaml").read_text(encoding="utf-8"))
    learnt = {task for stage in recipe["stages"] for task in stage["learn"]}
    recipe["tasks"] = {name: keys for name, keys in recipe["tasks"].items() if name in learnt}
    if adapter is not None:
        recipe["model"]["adapter"] = adapter
    (run / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    manifest["root"] = str(folder)
    (run / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return run


def test_blocks_that_fight_are_private_and_the_rest_shared(tmp_path, capsys):
    run = made(tmp_path)
    assert main(["diagnose", str(run), "--private-layers"]) == 0
    said = capsys.readouterr().out.splitlines()
    target = tmp_path / "support-desk-layers.yaml"
    assert said[0].startswith("inference and titles pull against each other throughout: cosine −0.")
    assert said[0].endswith("in blocks 1 and 3.")
    assert said[1] == (
        "Each task gets a part of its own, of rank 16, in blocks 1 and 3; "
        "in blocks 0 and 2 the adapter stays shared."
    )
    assert said[2] == f"wrote {target}; next: madrigal check {target}"
    before = load_recipe(run / "recipe.yaml", root=tmp_path).recipe
    after = load_recipe(target).recipe
    adapter = after.model.adapter
    assert adapter.layers == (0, 2)
    assert (adapter.private.layers, adapter.private.rank) == ((1, 3), 16)
    assert adapter.dropout == before.model.adapter.dropout == 0.05
    assert after.stages == before.stages
    assert after.tasks == before.tasks
    assert after.name == "support-desk-layers"
    assert target.read_text(encoding="utf-8").startswith("# inference and titles pull")


def test_where_every_block_fights_nothing_stays_shared(tmp_path, capsys):
    fight = Fight(("inference", "titles"), -0.7, blocks=(0, 1, 2, 3))
    run = made(tmp_path, Gradients(every=2, fight=fight))
    out = tmp_path / "own.yaml"
    assert main(["diagnose", str(run), "--private-layers", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "of rank 16, in blocks 0 to 3; no block stays shared." in said
    adapter = load_recipe(out).recipe.model.adapter
    assert adapter.layers == "none"
    assert (adapter.private.layers, adapter.private.rank) == ((0, 1, 2, 3), 16)


@pytest.mark.parametrize("fight", [None, Fight(cosine=-0.02)], ids=["none", "within the margin"])
def test_nothing_surely_fights(tmp_path, capsys, fight):
    run = made(tmp_path, Gradients(every=2, fight=fight))
    before = sorted(tmp_path.rglob("*"))
    assert main(["diagnose", str(run), "--private-layers"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("together: No pair of tasks conflicts over")
    assert said[-1] == (
        "No pair surely conflicts in any block, so none needs private parts; nothing written."
    )
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("gradients", "adapter", "said"),
    [
        (
            Gradients(every=2, blocks=0),
            None,
            "the gradients were not measured by layer; run it again with "
            "`gradients: {by_layer: true}` in the stage",
        ),
        (
            None,
            None,
            "the gradients were not measured by layer; run it again with "
            "`gradients: {by_layer: true}` in the stage",
        ),
        (FIGHT, "full", "model.adapter: every parameter was trained, and private parts are low"),
        (
            FIGHT,
            {"kind": "lora", "private": 4},
            "model.adapter.private: the run had private parts; run it without them to choose",
        ),
    ],
    ids=["whole", "never", "full", "private"],
)
def test_runs_that_say_nothing_about_it(tmp_path, capsys, gradients, adapter, said):
    run = made(tmp_path, gradients, adapter)
    assert main(["diagnose", str(run), "--private-layers"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{run}: {said}")
    assert not list(tmp_path.glob("*.yaml"))


def test_places_to_write_to(tmp_path, capsys):
    run = made(tmp_path)
    away = tmp_path / "away"
    away.mkdir()
    there = tmp_path / "there.yaml"
    there.write_text("mine", encoding="utf-8")
    for out, said in (
        (away / "x.yaml", f"paths in the recipe start at its folder, {tmp_path}; write --out ther"),
        (there, "is there already; remove it or choose another --out"),
    ):
        assert main(["diagnose", str(run), "--private-layers", "--out", str(out)]) == 2
        assert f"{out}: {said}" in capsys.readouterr().err
    assert there.read_text(encoding="utf-8") == "mine"
    assert main(["diagnose", str(run), "--out", str(there)]) == 2
    assert "only --private-layers writes a recipe; add it" in capsys.readouterr().err
    assert main(["diagnose", str(run), "--private-layers", "--stage", "law"]) == 2
    assert "no stage 'law'; found together" in capsys.readouterr().err
