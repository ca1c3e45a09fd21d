"""Look at everything that a run would use, and train nothing."""

import os
import shutil
import time
from collections.abc import Iterator, Sequence

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from madrigal.mixture import Mixture
from madrigal.mixture.competence import allowed
from madrigal.model.freezable import check_freeze
from madrigal.model.inspect import Size, model_size, weights
from madrigal.pipeline.build import Built, build
from madrigal.pipeline.estimate import estimate
from madrigal.pipeline.inspected import inspected
from madrigal.pipeline.inspected import told as told_of_data
from madrigal.pipeline.work import Part
from madrigal.recipe.load import LoadedRecipe
from madrigal.recipe.stage import StageSettings
from madrigal.tasks.card import CLOSE, OPEN, marked
from madrigal.tasks.encoded import Encoded, cut
from madrigal.tasks.told import told

_SHOWN = 600  # characters of an example


def check(loaded: LoadedRecipe, console: Console | None = None) -> Built:
    """Load data, tokenizer and the model's shape, and show what a run would do. Writes nothing.

    Raises:
        UserMistake: with every mistake that a run would meet before its first step.
    """
    console = console or Console()
    built = build(loaded)
    size = model_size(loaded.recipe.model, loaded.root, tuple(built.examples))
    _refuse_freezes(loaded)
    sources = [built.source(stage) for stage in loaded.recipe.stages]
    console.print(_head(built, size))
    if size is not None and loaded.recipe.model.shard:
        console.print(_held(size), highlight=False)
    console.print(_task_table(built))
    for name in built.tasks:
        for note in built.tasks[name].notes:
            console.print(f"[dim]{escape(name)}: {escape(note)}[/dim]")
    for line in _cut_warnings(built):
        console.print(f"[yellow]{escape(line)}[/yellow]")
    found = inspected(built, quick=True)
    for line in told_of_data(found) if found is not None else ():
        console.print(f"[yellow]{escape(line)}[/yellow]", highlight=False, soft_wrap=True)
    for name in built.examples:
        console.print(f"\n[bold]{escape(name)}[/bold], one example, [green]trained part[/green]:")
        for row in built.examples[name][0]:
            if row.judged is not None:
                console.print(f"[dim]{escape(told(row.judged))}[/dim]", highlight=False)
            console.print(shown(built, row))
    for stage, source in zip(loaded.recipe.stages, sources, strict=True):
        achieved = source.achieved()
        tokens = sum(got.tokens for got in achieved.values())
        parts = ", ".join(
            f"{task} {got.share_of_examples:.0%} ({got.epochs:.2g} epochs)"
            for task, got in achieved.items()
        )
        console.print(
            f"\n[bold]stage {stage.name}[/bold]: {source.steps} steps, {tokens:,} tokens; {parts}",
            highlight=False,
        )
        for line in curriculum_lines(stage, source):
            console.print(f"  {line}", highlight=False)
    console.print()
    console.print(_estimate_table(estimate(built, sources), size, matrix_speed()))
    console.print("\nNothing was trained and nothing was written.")
    return built


def _refuse_freezes(loaded: LoadedRecipe) -> None:
    """Parts to freeze that the base does not have; whether an adapter leaves anything to train is
    known when there is one."""
    if all(stage.freeze is None for stage in loaded.recipe.stages):
        return
    names = weights(loaded.recipe.model, loaded.root)
    for number, stage in enumerate(loaded.recipe.stages):
        if stage.freeze is not None and names is not None:
            check_freeze(f"stages[{number}].freeze", stage.freeze, names)


def curriculum_lines(stage: StageSettings, source: Mixture) -> Iterator[str]:
    """What a stage's curriculum does, in numbers of steps and examples."""
    curriculum = stage.curriculum
    if curriculum is None:
        return
    for name in sorted(curriculum.enter, key=lambda task: curriculum.enter[task]):
        place = int(np.argmax(source.task == source.names.index(name)))
        first = 1 + int(np.searchsorted(source.ends, place, side="right"))
        yield f"{name} comes in at step {first} of {source.steps}"
    difficulty = curriculum.difficulty
    if difficulty is None:
        return
    what = {"length": "length", "base_loss": "loss of the model before the stage"}[difficulty.by]
    which = "easy" if difficulty.easy_first else "difficult"
    at_first = ", ".join(
        f"{allowed(size, difficulty.start):,} of {size:,} {name}"
        for name, size in zip(source.names, source.sizes, strict=True)
    )
    yield (
        f"{which} examples first, by {what}: {at_first}; all of them at {difficulty.full_at:.0%} "
        "of a task's way"
    )
    if stage.goes_by_loss():
        yield (
            "which ones is known only when the loss has been measured; tokens and epochs above "
            "are those of a random order"
        )


def matrix_speed() -> float:
    """Operations per second of a large matrix product on this process's device, right now."""
    if shutil.which("nvidia-smi"):
        return _torch_speed()
    # numpy: without an accelerator nothing else here needs torch, whose import takes seconds.
    side, products = 1024, 3
    matrix = np.ones((side, side), dtype=np.float32)
    product = matrix @ matrix  # the first one warms up
    began = time.perf_counter()
    for _ in range(products):
        np.matmul(matrix, matrix, out=product)
    return products * 2 * side**3 / (time.perf_counter() - began)


def _torch_speed() -> float:
    import torch

    from madrigal.model.host import choose_device

    device = choose_device()
    side, products = (1024 if device.type == "cpu" else 8192), 3
    matrix = torch.ones(side, side, device=device)
    product = matrix @ matrix
    began = time.perf_counter()
    for _ in range(products):
        torch.mm(matrix, matrix, out=product)
    float(product[0, 0])  # waits for the accelerator
    return products * 2 * side**3 / (time.perf_counter() - began)


def _estimate_table(parts: Sequence[Part], size: Size | None, speed: float) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("work of a run", overflow="fold")
    for title in ("tokens", "on this machine") if size is not None else ("tokens",):
        table.add_column(title, justify="right", no_wrap=True)
    for part in parts:
        time = [] if size is None else [_words(part.seconds(size, speed))]
        table.add_row(part.name, f"{part.tokens:,}", *time)
    whole = [] if size is None else [_words(sum(part.seconds(size, speed) for part in parts))]
    table.add_row("total", f"{sum(part.tokens for part in parts):,}", *whole, style="bold")
    table.caption = (
        "scoring: prompts, choices, and answers as long as they may be; baselines: the same "
        "tokens again, one task after another or all in the same passes"
    )
    table.caption_justify = "left"
    return table


def _words(seconds: float) -> str:
    if seconds < 1:
        return "under 1 s"
    return f"about {seconds:.0f} s" if seconds < 90 else f"about {seconds / 60:.0f} min"


def _head(built: Built, size: Size | None) -> str:
    model = built.recipe.model
    text = f"[bold]{escape(built.recipe.name)}[/bold]: {escape(model.base)}"
    if size is not None:
        text += f", {size.parameters:,} parameters, {size.trainable:,} trained"
    return f"{text} ({model.adapter.kind}), context {built.coder.context} tokens"


def _held(size: Size) -> str:
    """Memory for parameters with as many processes as there are now, or with some."""
    now = int(os.environ.get("WORLD_SIZE", "1"))
    counts = (now,) if now > 1 else (1, 2, 4, 8)
    parts = (f"{size.bytes_held(n) / 1e6:,.1f} MB with {n}" for n in counts)
    return f"parameters in the memory of each process: {', '.join(parts)}"


def _task_table(built: Built) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("task", "format", "metric"):
        table.add_column(title, overflow="fold")
    for title in ("train", "valid", "test", "tokens", "cut"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, task in built.tasks.items():
        examples = built.examples.get(name, ())
        rows = [row for example in examples for row in example]
        table.add_row(
            name,
            task.format,
            task.metric,
            *(f"{len(task.splits[split]):,}" for split in ("train", "validation", "test")),
            f"{sum(row.length for row in rows):,}" if rows else "not trained",
            f"{len(cut(examples)):,}" if rows else "",
        )
    table.caption = "tokens: in one epoch; cut: examples whose prompt was too long and lost a part"
    table.caption_justify = "left"
    return table


def _cut_warnings(built: Built) -> list[str]:
    """One line for each task most of whose training prompts do not fit."""
    lines = []
    for name, examples in built.examples.items():
        lost, count = len(cut(examples)), len(examples)
        if 2 * lost > count:
            lines.append(
                f"{name}: {lost:,} of {count:,} training prompts are cut to fit the context of "
                f"{built.coder.context} tokens; put less into the prompt or raise `model.context`"
            )
    return lines


def shown(built: Built, row: Encoded) -> Text:
    """A row decoded, its trained part marked in colour and by brackets."""
    text = Text()
    for piece, trained in marked(row, built.coder):
        if trained:
            text.append(f"{OPEN}{_short(piece)}{CLOSE}", style="green")
        else:
            text.append(_short(piece))
    return text


def _short(piece: str) -> str:
    return piece if len(piece) <= _SHOWN else f"{piece[: _SHOWN // 2]} ... {piece[-_SHOWN // 2 :]}"
