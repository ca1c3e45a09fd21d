import json

import pytest

from fake_run import write_json, write_lines
from madrigal.errors import RunFolderError
from madrigal.report.folder import read_lines, read_run


def test_all_pieces_of_a_run_are_found(run):
    found = read_run(run)
    assert found.name == "support-desk"
    assert [stage.name for stage in found.stages] == ["01-together", "02-law"]
    assert len(found.stages[0].steps) == 150
    assert set(found.baselines["titles"]) == {"01-together", "02-law"}
    assert set(found.baselines["statutes"]) == {"02-law"}
    assert set(found.predictions) == {"base", "few-shot", "single", "01-together", "02-law"}
    assert set(found.cards) == {"sentiment", "inference", "passages", "titles", "statutes"}
    assert not found.problems


def test_a_run_of_one_stage_keeps_its_baselines_without_the_stage(tmp_path):
    write_lines(tmp_path / "baselines/titles/steps.jsonl", [{"step": 1}])
    write_json(tmp_path / "manifest.json", {"status": "running"})
    assert set(read_run(tmp_path).baselines["titles"]) == {""}


def test_a_missing_folder_and_a_foreign_one_are_refused(tmp_path):
    with pytest.raises(RunFolderError, match="no such folder; give the folder that `madrigal run`"):
        read_run(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(RunFolderError, match=r"not a run folder; found none of manifest\.json"):
        read_run(tmp_path)


def test_broken_files_are_left_out_and_named(tmp_path):
    write_json(tmp_path / "manifest.json", {"status": "finished"})
    (tmp_path / "scores.json").write_text("{broken")
    (tmp_path / "recipe.yaml").write_text("a: [b")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "titles.json").write_text("[1, 2]")
    found = read_run(tmp_path)
    assert found.scores == {}
    assert found.recipe == {}
    assert found.cards == {}
    assert found.problems == (
        "recipe.yaml: not valid YAML; left out",
        "scores.json: not a JSON object; left out",
        "data/titles.json: not a JSON object; left out",
    )


def test_a_torn_last_line_is_silent_and_a_broken_one_is_counted(tmp_path):
    path = tmp_path / "steps.jsonl"
    path.write_text('{"step": 1}\n[]\nnonsense\n\n{"step": 2}\n{"step": 3')
    problems = []
    assert [row["step"] for row in read_lines(path, tmp_path, problems)] == [1, 2]
    assert problems == ["steps.jsonl: 2 lines are not JSON objects; left out"]


def test_lines_end_at_line_feeds_only(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"a": "x\u2028y"}, ensure_ascii=False) + "\n", encoding="utf-8")
    assert read_lines(path, tmp_path, []) == ({"a": "x\u2028y"},)
