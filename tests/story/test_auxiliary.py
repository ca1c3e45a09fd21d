"""A recipe with an auxiliary task: it trains, it is weighed by agreement, and it is not scored."""

import json

import tiny_run
from madrigal.pipeline.run import run


def test_an_auxiliary_task_trains_and_is_not_scored(tmp_path):
    keys = tiny_run.keys()
    keys["tasks"]["echo"]["role"] = "auxiliary"
    keys["stages"] = [{**keys["stages"][0], "steps": 6, "balance": "equal"}]
    out = run(tiny_run.tiny(tmp_path, keys), tmp_path / "run")
    lines = (out / "stages" / "01-together" / "steps.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in lines.splitlines()]
    assert all(row["weight"]["mood"] > 0 for row in rows if "mood" in row["weight"])
    weights = [row["weight"]["echo"] for row in rows if "echo" in row["weight"]]
    assert max(weights) > 0
    assert all(0 <= weight <= 0.75 for weight in weights)
    assert sum(row["tokens"].get("echo", 0) for row in rows) > 0
    validated = (out / "stages" / "01-together" / "validation.jsonl").read_text(encoding="utf-8")
    assert set(json.loads(validated.splitlines()[0])["scores"]) == {"mood"}
    assert {path.stem for path in (out / "predictions").rglob("*.jsonl")} == {"mood"}
    assert {path.name for path in (out / "baselines").iterdir()} == {"mood"}
    scores = json.loads((out / "scores.json").read_text(encoding="utf-8"))
    assert set(scores["baselines"]) == {"mood"}
    assert (out / "report.html").exists()
