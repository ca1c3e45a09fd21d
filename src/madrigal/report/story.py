"""What was done and what it gave, in plain sentences shared by page, card and terminal."""

from typing import Any

from madrigal.report import numbers
from madrigal.report.folder import RunFolder
from madrigal.report.numbers import counted
from madrigal.report.own_answers import rewarded
from madrigal.report.scoreboard import BASE, SINGLE, Scoreboard
from madrigal.report.verdict import EARLIER, judgements


def story(run: RunFolder, board: Scoreboard) -> tuple[str, ...]:
    """Plain sentences: what was done, what it gave, and which examples say so where they are not
    the test's. Another is the worst task's."""
    others = {
        EARLIER: "since each task was learnt",
        BASE: "against the base model",
        SINGLE: "against single-task models of equal budget",
    }
    told = [f"{others[j.against]}: {j.tally}" for j in judgements(board) if j.tally]
    gave = "; ".join(told)
    found = (
        _done(run, board),
        rewarded(run.stages),
        f"{gave[:1].upper()}{gave[1:]}." if gave else "",
        _by_validation(run),
    )
    return tuple(sentence for sentence in found if sentence)


def _by_validation(run: RunFolder) -> str:
    if numbers.mapping(run.recipe.get("evaluate")).get("split") != "validation":
        return ""
    return "Scores are of validation examples, to choose by; what to report are those of the test."


def _done(run: RunFolder, board: Scoreboard) -> str:
    steps = sum(len(stage.steps) for stage in run.stages)
    if not steps and not board.tasks:
        return ""
    if not steps:
        evaluated = counted(len(board.tasks), "task")
        return f"{base_model(run)} was evaluated on {evaluated}; nothing was trained."
    lines = [step for stage in run.stages for step in stage.steps]
    tasks = {task for step in lines for task in numbers.mapping(step.get("loss"))}
    tokens = sum(_values(run.manifest.get("tokens")))
    seconds = sum(numbers.number(step.get("seconds")) or 0.0 for step in lines)
    amount = [counted(steps, "step")]
    amount += [f"{numbers.compact(tokens)} tokens"] if tokens else []
    amount += [numbers.duration(seconds)] if seconds else []
    order = "together" if len(run.stages) == 1 else f"in {counted(len(run.stages), 'stage')}"
    if len(tasks) == 1:
        order = ""
    learnt = f"{base_model(run)} learnt {counted(len(tasks), 'task')} {order}".strip()
    return f"{learnt} with {method(run).partition(' (')[0]}: {', '.join(amount)}."


def _values(value: Any) -> list[float]:
    parts = numbers.mapping(value).values()
    return [known for part in parts if (known := numbers.number(part)) is not None]


def base_model(run: RunFolder) -> str:
    """The base model as the subject of a sentence."""
    name = base_name(run)
    return {"": "The base model", "new": "A new model"}.get(name, name)


def base_name(run: RunFolder) -> str:
    """The base model's name as the manifest or the recipe has it; `new` for fresh weights."""
    for source in (run.manifest.get("model"), run.recipe.get("model")):
        name = source if isinstance(source, str) else numbers.mapping(source).get("base")
        if name:
            return _short(str(name))
    return ""


def _short(base: str) -> str:
    """A hub id as it is, a folder by its name: its place is one machine's affair."""
    is_id = base.count("/") == 1 and base[0] not in "./~"
    return base if is_id else base.rstrip("/").rpartition("/")[2] or base


def method(run: RunFolder) -> str:
    """LoRA of rank 16 (2.1 M of 12.3 M parameters trained)."""
    model = run.recipe.get("model")
    adapter = model.get("adapter") if isinstance(model, dict) else None
    kind = adapter.get("kind") if isinstance(adapter, dict) else adapter
    names = {"full": "full fine-tuning", "lora": "LoRA", None: "fine-tuning"}
    text = names.get(kind, str(kind))
    if kind == "lora" and isinstance(adapter, dict) and adapter.get("rank"):
        text += f" of rank {adapter['rank']}"
    facts = numbers.mapping(run.manifest.get("model"))
    trained, total = (numbers.number(facts.get(key)) for key in ("trainable", "parameters"))
    if trained and total:
        text += f" ({numbers.compact(trained)} of {numbers.compact(total)} parameters trained)"
    return text
