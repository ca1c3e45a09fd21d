"""What choosing, estimating and merging at the end of a stage compute, counted by formula.

B stands for the operations of a token that is trained on, F for those of one that is only scored
(`model.inspect.Size`), both without attention, as everywhere.
"""

from collections.abc import Sequence

from madrigal.model.inspect import Size
from madrigal.pipeline.build import Built
from madrigal.recipe import retain
from madrigal.tasks.encoded import Example
from madrigal.tasks.task import Task


def of_fisher(size: Size, trained: int, drawn: Sequence[tuple[str, Example]], labels: str) -> float:
    """B a token of the examples, F more where the model draws their targets, and 2 a trained
    parameter and example: the square and its sum."""
    tokens = _tokens([example for _, example in drawn])
    each = size.flops_per_token() + (size.flops_per_scored_token() if labels == "model" else 0.0)
    return each * tokens + 2.0 * trained * len(drawn)


def of_choice(
    built: Built,
    size: Size,
    width: int,
    settings: retain.Replay,
    task: str,
    kept: Sequence[Example],
) -> float:
    """Of choosing what is kept of one task: nothing by chance; F a token of all its examples by
    their losses; F a token and 5 n D an example chosen by features of width D; of writing, F a
    token of what was written, prompts once more to be answered, and every label with them."""
    examples, scored = built.examples[task], size.flops_per_scored_token()
    match settings.select:
        case "random" | "balanced":
            return 0.0
        case "hardest":
            return scored * _tokens(examples)
        case "herding":
            first = sum(example[0].length for example in examples)
            return scored * first + 5.0 * len(kept) * len(examples) * width
        case "generated":
            return scored * _written(built, built.tasks[task], kept)


def of_router(size: Size, width: int, lengths: Sequence[int]) -> float:
    """Operations of the base for each token of the new prompts, and 2 D^2 a prompt for the scatter
    of features of width D."""
    return size.flops_per_base_token() * sum(lengths) + 2.0 * len(lengths) * width**2


def of_merging(how: str, changes: int, trained: int) -> float:
    """A trained parameter takes K + 3 for the mean or the sum of K changes, their difference to the
    start and the way from there; TIES 11 K + 6: sizes, comparisons, signs and means of what agrees,
    but for finding the border of the largest."""
    return float((11 * changes + 6 if how == "ties" else changes + 3) * trained)


def of_interpolation(trained: int) -> float:
    """Difference, product and sum."""
    return 3.0 * trained


def _tokens(examples: Sequence[Example]) -> int:
    return sum(row.length for example in examples for row in example)


def _written(built: Built, task: Task, kept: Sequence[Example]) -> int:
    whole = _tokens(kept)
    if task.kind == "text":
        return whole
    answers = sum(row.answer_tokens for example in kept for row in example)
    if not task.labels:
        return 2 * whole - answers
    record = next((one for held in task.splits.values() for one in held), None)
    if record is None:  # none of the task's data is left: labels as long as those written
        return 2 * (whole - answers) + answers * len(task.labels)
    labels = sum(len(built.coder.answer(record, label)) for label in task.labels)
    return 2 * (whole - answers) + labels * len(kept)
