"""Score boards of tasks in sequence, made by hand."""

import itertools
from pathlib import Path

from fake_run import write_json, write_lines
from madrigal.report.folder import read_run
from madrigal.report.scoreboard import read_scores

TASKS = ("a", "b", "c")
STAGES = ("01-one", "02-two", "03-three")
# By row: the scores of a, b and c, in hundredths.
SCORES = {
    "base": (20, 30, 10),
    "01-one": (90, 40, 12),
    "02-two": (50, 80, 15),
    "03-three": (48, 79, 70),
}


def change(first, second, half=0.04, p=0.001, **more):
    """A stored paired difference between two scores in hundredths."""
    found = {
        "difference": (second - first) / 100,
        "low": (second - first) / 100 - half,
        "high": (second - first) / 100 + half,
        "p": p,
        "p_holm": p,
    }
    return found | more


def scores(rows=SCORES, learned=None, half=0.04, **more):
    """The content of scores.json for one task a stage, every change stored with its test."""
    learned = dict(zip(STAGES, TASKS, strict=True)) if learned is None else learned
    names = [row for row in rows if rows[row] is not None]
    by_task = {task: {r: rows[r][i] for r in names} for i, task in enumerate(TASKS)}
    last = names[-1]
    since = {task: row for row, some in learned.items() for task in some}
    summary = {
        "stage_to_stage": {
            task: [
                {"from": x, "to": y} | change(of[x], of[y], half)
                for x, y in itertools.pairwise(names)
            ]
            for task, of in by_task.items()
        },
        "since_learned": {
            task: {"from": row, "to": last} | change(by_task[task][row], by_task[task][last], half)
            for task, row in since.items()
            if row != last and row in names
        },
        "learning_accuracy": {"value": 0.8, "low": 0.75, "high": 0.85},
        "average": {"value": 0.65, "low": 0.6, "high": 0.7},
        "bwt": {"value": -0.2, "low": -0.25, "high": -0.15},
    }
    return {
        "confidence": 0.95,
        "tasks": {t: {"metric": "accuracy", "n": 200, "chance": 0.1} for t in TASKS},
        "rows": [
            {
                "stage": row,
                "learned": list(learned.get(row, ())),
                "scores": {
                    task: {"value": v / 100, "low": v / 100 - 0.05, "high": v / 100 + 0.05}
                    for task, v in zip(TASKS, rows[row], strict=True)
                },
            }
            for row in names
        ],
        "summary": summary | more.pop("summary", {}),
    } | more


def write_stage(folder: Path, stage: str, learn: str, retain=(), replayed=0, spent=None, kept=None):
    """Ten steps of a stage: a second each; of ten tokens and more a step `replayed` are of a."""
    tokens = {learn: 10} | ({"a": replayed} if replayed else {})
    line = {"loss": {learn: 1.0}, "tokens": tokens, "rows": {learn: 2}, "seconds": 1.0}
    if spent:
        line["retention_seconds"] = spent
    write_lines(folder / "stages" / stage / "steps.jsonl", [{"step": s} | line for s in range(10)])
    if kept:
        write_json(folder / "stages" / stage / "kept" / "costs.json", kept)
    if retain:
        write_json(folder / "stages" / stage / "retention.json", retain)


def board_of(folder: Path, body=None):
    """A board read back from a file."""
    write_json(folder / "scores.json", scores() if body is None else body)
    return read_scores(read_run(folder))
