"""The model card: README.md of the run, in the order of the Hugging Face template.

Filled with what the run knows. What only a person can write is marked in its place and listed at
the top, so that an empty card cannot pass for a full one.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from madrigal.report import numbers
from madrigal.report.folder import RunFolder, read_run
from madrigal.report.numbers import number
from madrigal.report.scoreboard import Scoreboard, read_scores
from madrigal.report.story import base_model, base_name, method, story
from madrigal.report.summary import TaskRow, columns, task_rows
from madrigal.report.verdict import headline, judgements
from madrigal.report.worst import worst_task

TO_BE_WRITTEN = {
    "Licence": "under which licence the trained weights may be used, given those of base and data",
    "Direct use": "for whom the model is, and what it does for them without further training",
    "Downstream use": "what it may be built into or tuned further for",
    "Out-of-scope use": "what it must not be used for, and what goes wrong there",
    "Bias, risks and limitations": "who may be harmed and how; what the test data do not show",
    "Factors": "groups, domains and languages over which the scores should be looked at apart",
    "Data sources": "where the data come from, who wrote the labels, under which licences",
    "Citation": "how to cite this model",
}


def model_card(run: Path) -> str:
    """The card of a run folder as Markdown with front matter. Reads files, writes none."""
    folder = read_run(run)
    return card_of(folder, read_scores(folder))


def card_of(run: RunFolder, board: Scoreboard) -> str:
    """The card of a run that was read already."""
    parts = [
        f"---\n{_front_matter(run, board)}---",
        f"# {_plain(run.name)}",
        _opening(run, board),
        _still_to_write(),
        _details(run),
        _uses(),
        f"## Bias, risks and limitations\n\n{_blank('Bias, risks and limitations')}",
        _start(run),
        _training(run),
        _evaluation(board),
        _environment(run),
        f"## Citation\n\n{_blank('Citation')}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(run: RunFolder, board: Scoreboard) -> str:
    results = [
        {
            "task": {"type": _hub_task(task.kind), "name": task.name},
            "dataset": {"type": task.name, "name": task.name, "split": "test"},
            "metrics": [
                {
                    "type": task.metric,
                    "name": f"test {numbers.metric_name(task.metric)}",
                    "value": round(value.value, 6),
                }
            ],
        }
        for task in board.tasks
        if (value := board.score(task, board.last)) is not None
    ]
    base = base_name(run)
    front: dict[str, Any] = {
        **({"base_model": base} if base not in ("", "new") else {}),
        "library_name": "peft" if "/adapter" in _weights(run) else "transformers",
        "tags": ["madrigal", "multi-task"],
    }
    if results:
        front["model-index"] = [{"name": run.name, "results": results}]
    return yaml.safe_dump(front, sort_keys=False, allow_unicode=True)


def _hub_task(kind: str) -> str:
    return "text-classification" if kind == "choice" else "text-generation"


def _opening(run: RunFolder, board: Scoreboard) -> str:
    worst = worst_task(board)
    told = [*story(run, board), *([worst.sentence] if worst else [])]
    return " ".join(told) or headline(judgements(board))


def _still_to_write() -> str:
    items = "\n".join(f"- **{name}**: {what}." for name, what in TO_BE_WRITTEN.items())
    return f"## To be written by a person\n\nThe run does not know these:\n\n{items}"


def _blank(name: str) -> str:
    return f"TO BE WRITTEN: {TO_BE_WRITTEN[name]}."


def _details(run: RunFolder) -> str:
    code = run.manifest.get("code")
    version = code.get("version") if isinstance(code, dict) else run.manifest.get("madrigal")
    facts = [
        ("Base model", f"`{_plain(base_model(run))}`"),
        ("Method", _plain(method(run))),
        ("Trained with", f"Madrigal {_plain(version)}" if version else ""),
        (
            "Finished",
            numbers.when(run.manifest["finished"]) if run.manifest.get("finished") else "",
        ),
        ("Licence", _blank("Licence")),
    ]
    return "## Model details\n\n" + _bullets(facts)


def _uses() -> str:
    names = ("Direct use", "Downstream use", "Out-of-scope use")
    return "## Uses\n\n" + "\n\n".join(f"### {name}\n\n{_blank(name)}" for name in names)


def _weights(run: RunFolder) -> str:
    """The folder of the last stage's weights, relative to the run; with private parts that of the
    first task."""
    found = [
        place.relative_to(run.path).as_posix()
        for stage in run.stages
        for kind in ("adapter", "model", "adapters/*")
        for place in sorted((run.path / "stages" / stage.name).glob(kind), reverse=True)
    ]
    return found[-1] if found else ""


def _start(run: RunFolder) -> str:
    folder = _weights(run)
    if not folder:
        return ""
    adapts = "/adapter" in folder
    auto = "AutoPeftModelForCausalLM" if adapts else "AutoModelForCausalLM"
    library = "peft" if adapts else "transformers"
    code = [
        f"from {library} import {auto}",
        "from transformers import AutoTokenizer",
        "",
        f'model = {auto}.from_pretrained("{folder}")',
        f'tokenizer = AutoTokenizer.from_pretrained("{folder}")',
    ]
    return "## How to start\n\n```python\n" + "\n".join(code) + "\n```"


def _training(run: RunFolder) -> str:
    lines = []
    for name, card in run.cards.items():
        counts = card.get("counts")
        parts = counts.items() if isinstance(counts, dict) else ()
        told = [f"{numbers.count(v)} {k}" for k, raw in parts if (v := number(raw)) is not None]
        lines.append(f"- `{_plain(name)}`: {', '.join(told) or 'no counts'}")
    data = "\n".join(lines) or "No data cards in this run."
    stages = run.recipe.get("stages")
    settings = [_stage_line(stage) for stage in stages if isinstance(stage, dict)] if stages else []
    procedure = "\n".join(settings) or "No stages in this run's recipe."
    return (
        f"## Training\n\n### Data\n\n{data}\n\n{_blank('Data sources')}\n\n"
        f"### Procedure\n\n{procedure}\n\nAll settings stand in `recipe.yaml`."
    )


def _stage_line(stage: dict[str, Any]) -> str:
    optimiser = stage.get("optimiser")
    rate = optimiser.get("learning_rate") if isinstance(optimiser, dict) else None
    mixture, balance = (
        part.get("kind") if isinstance(part := stage.get(key), dict) else part
        for key in ("mixture", "balance")
    )
    facts = [
        f"tasks {', '.join(map(str, stage.get('learn') or ()))}",
        f"{stage['steps']} steps" if stage.get("steps") else "",
        f"{stage['epochs']} epochs" if stage.get("epochs") else "",
        f"mixture {mixture}" if mixture else "",
        f"balance {balance}" if balance else "",
        f"learning rate {rate}" if rate else "",
    ]
    return f"- `{_plain(stage.get('name', 'stage'))}`: {_plain('; '.join(filter(None, facts)))}"


def _evaluation(board: Scoreboard) -> str:
    if not board.tasks:
        return ""
    titles = [title for _, title, _ in columns(board)]
    lines = [
        _table_line(["task", "metric", *titles, "n"]),
        _table_line(["---"] * (len(titles) + 3)),
    ]
    for row in task_rows(board):
        cells = [
            f"{cell.value} ({cell.range})" if cell.range else cell.value for *_, cell in row.cells
        ]
        lines.append(_table_line([row.name, _metric(row), *cells, str(row.n or numbers.DASH)]))
    found = judgements(board)
    verdict = f"{headline(found)}\n\n" if found else ""
    table = "\n".join(lines)
    note = "In brackets: the interval of each score. Every score is recomputed from `predictions/`."
    return f"## Evaluation\n\n{verdict}{table}\n\n{note}\n\n### Factors\n\n{_blank('Factors')}"


def _metric(row: TaskRow) -> str:
    return f"{row.metric} ({row.ceiling})" if row.ceiling else row.metric


def _environment(run: RunFolder) -> str:
    hardware = run.manifest.get("hardware")
    known = hardware.items() if isinstance(hardware, dict) else ()
    facts = [(str(key), str(value)) for key, value in known if not isinstance(value, dict | list)]
    timings = run.manifest.get("timings")
    seconds = (
        [v for raw in timings.values() if (v := number(raw))] if isinstance(timings, dict) else []
    )
    facts += [("time", numbers.duration(sum(seconds)))] if seconds else []
    facts += [("seed", str(run.manifest["seed"]))] if "seed" in run.manifest else []
    return "## Technical specifications\n\n" + _bullets(facts) if facts else ""


def _bullets(facts: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"- {_plain(name)}: {value}" for name, value in facts if value)


def _table_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_plain(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def _plain(value: Any) -> str:
    """One line without markup of its own: names come from the user's files."""
    return " ".join(str(value).split()).replace("`", "'").replace("<", "&lt;")
