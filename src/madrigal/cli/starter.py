"""The text of a starter recipe."""

from collections.abc import Iterator, Sequence

from madrigal.recipe.dump import scalar
from madrigal.tasks.divide import SLICE
from madrigal.tasks.inspect import Inspected

# More labels than this are left to be found in the data.
_MOST_LABELS = 30
# Sizes that differ by more than this starve the small task under proportional sampling.
_UNEVEN = 5


def starter(tasks: Sequence[Inspected], file: str) -> str:
    """A recipe that trains all tasks together, with the choices that a user will want to change.

    Tasks with a problem stand there as comments, to be filled in.
    """
    usable = [task for task in tasks if not task.problem]
    lines = [
        f"# Look at it with `madrigal check {file}`, then train with `madrigal run {file}`.",
        "# Every key is on the reference page docs/reference/recipe.md.",
        "",
        "name: first-run # the run goes to runs/first-run",
        "seed: 0",
        "",
        "model:",
        "  base: madrigal/base-xs # bundled and small; or a folder, or a hub id owner/name",
        "  adapter: {kind: lora, rank: 16} # or {kind: full}: train every parameter",
        "",
        "tasks:",
        *(f"  {line}".rstrip() for task in tasks for line in _written(task)),
        "stages:",
        "  - name: together",
        f"    learn: [{', '.join(task.name for task in usable)}]",
        "    epochs: 3 # passes over all examples together; or steps: 500",
        "    batch: {rows: 32} # examples a step; or {tokens: 4096}",
        *_mixture(usable),
        *_objective(usable),
        "    optimiser: {learning_rate: 1e-3} # for {kind: full} try 3e-4",
        "",
        "evaluate:",
        *_evaluate(usable),
    ]
    return "".join(f"{line}\n" for line in lines)


def _written(task: Inspected) -> Iterator[str]:
    if not task.problem:
        yield from _task(task)
        return
    yield f"# Not trained yet: {task.problem}".replace("\n", " ")
    yield from (f"# {line.removeprefix('# ')}".rstrip() for line in _task(task) if line)
    yield ""


def _task(task: Inspected) -> Iterator[str]:
    counts = ", ".join(f"{count:,} {split}" for split, count in task.records.items())
    fields = f"; fields {', '.join(task.fields[:8])}" if task.fields else ""
    kind = "no known format" if task.format == "auto" else task.format
    yield f"# {kind}: {counts}{fields}".replace("\n", " ")
    yield f"{task.name}:"
    paths = task.paths if "train" in task.paths else {"train": next(iter(task.paths.values()))}
    parts = ", ".join(f"{split}: {scalar(path)}" for split, path in paths.items())
    held = "" if "test" in paths else f" # {_held_out(task)} held out for test"
    unknown = task.format == "auto"
    columns = ", columns: {text: ..., label: ...}" if unknown else ""
    yield f"  data: {{{parts}{columns}}}{held}"
    if task.kind in ("choice", "answer"):
        yield '  # prompt: "..." # a template with fields in braces; left out: the format\'s own'
    if len(task.labels) == 1:
        yield f"  labels: [{scalar(next(iter(task.labels)))}, ...] # all that there can be"
    if 2 <= len(task.labels) <= _MOST_LABELS:
        words = ", ".join(scalar(label) for label in task.labels)
        yield f"  labels: [{words}] # or a map from label to the words that the model says"
    if unknown:
        return
    yield f"  metric: auto # {_METRICS[task.kind]}"
    yield ""


def _held_out(task: Inspected) -> str:
    return f"the first {SLICE} (at most half) are" if task.test_slice else "a tenth is"


_METRICS = {
    "choice": "accuracy; or macro_f1 where labels are uneven",
    "answer": "token_f1 or rouge_l by length; or exact_match, bleu, chrf",
    "text": "perplexity",
    "feedback": "agreement, the share of pairs of answers ordered as people did",
}


def _mixture(tasks: Sequence[Inspected]) -> Iterator[str]:
    if len(tasks) < 2:
        return
    # Records of raw text are whole documents and compare with nothing.
    sizes = [sum(task.records.values()) for task in tasks if task.kind != "text"] or [1]
    if max(sizes) > _UNEVEN * min(sizes):
        yield "    # The tasks differ in size; this gives the small ones more than their share."
        yield "    mixture: {kind: temperature, temperature: 2.0}"
    else:
        yield "    mixture: proportional # or uniform, temperature, balanced, weights"


def _objective(tasks: Sequence[Inspected]) -> Iterator[str]:
    """How judged answers are learnt. What was judged one by one gives no pairs for certain, and KTO
    needs none."""
    said = {
        task.name: _OBJECTIVES.get(task.format, "dpo") for task in tasks if task.kind == "feedback"
    }
    if said:
        given = ", ".join(f"{name}: {kind}" for name, kind in said.items())
        others = "or reward: a head that scores answers; likelihood: learn the best alone"
        yield f"    objective: {{{given}}} # {others}"


_OBJECTIVES = {"ratings": "kto", "thumbs": "kto", "corrections": "correction"}


def _evaluate(tasks: Sequence[Inspected]) -> Iterator[str]:
    if len(tasks) > 1:
        yield "  baselines: true # also train one model a task, equally long, to compare with"
    yield "  general: [] # tasks that are watched and never trained, to see what is forgotten"
