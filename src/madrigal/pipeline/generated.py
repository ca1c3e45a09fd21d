"""Examples that the model writes itself, for replay where old data may not be kept."""

from collections.abc import Sequence

import numpy as np

from madrigal.evaluation.generate import generate
from madrigal.evaluation.rank import rank, told_apart
from madrigal.evaluation.sample import sample
from madrigal.mixture.chance import bits
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.build import Built
from madrigal.retention.frame import Frame, frame
from madrigal.tasks.encoded import Encoded, Example
from madrigal.tasks.task import Task

Tokens = Sequence[int]


def generated(
    built: Built, model: LanguageModel, name: str, count: int, seed: int
) -> list[Example]:
    """`count` examples of a task, prompt and answer, in the words of the model as it is.

    Deep generative replay (Shin et al., 2017; earlier pseudo-rehearsal, Robins, 1995), with one
    model that is learner and generator as in LAMOL (Sun et al., 2020). A prompt is what all
    training prompts of the task begin with, then tokens drawn from the model at temperature 1,
    as many as a training prompt drawn by chance has of its own, then what all of them end with,
    which may come earlier where the model writes it, or where it would end the text. The answer
    is the likeliest label, or where there are no fixed labels the greedy answer. Raw text is drawn
    from its start token on, to the end token or the length of a training row.

    Of the training data nothing is used but the beginning, the end, the lengths, and the labels;
    where it is gone they are those of the test prompts.
    What the model has learnt by heart it can still write.

    Differs from LAMOL: prompts are no training targets, so they are as good as what the model can
    write of itself, and a small model that was trained on answers alone may write answers where a
    prompt should stand; no token stands for the task but the beginning of its prompts.
    """
    task = built.tasks[name]
    with model.routed(name):
        if task.kind == "text":
            return _texts(built, model, name, count, seed)
        between = frame([_prompt(example[-1]) for example in _examples(built, name)])
        prompts = _prompts(built, model, task, between, count, seed)
        answers = _answers(built, model, task, prompts)
    return [(_row(*pair),) for pair in zip(prompts, answers, strict=True)]


def _examples(built: Built, name: str) -> Sequence[Example]:
    return built.examples[name] or built.coder.training(built.tasks[name], "test")


def _prompt(row: Encoded) -> tuple[int, ...]:
    """The tokens before the last answer."""
    return tuple(row.tokens[: int(np.flatnonzero(~row.trained)[-1]) + 1].tolist())


def _row(prompt: Tokens, answer: Tokens) -> Encoded:
    tokens = np.array([*prompt, *answer], dtype=np.int64)
    return Encoded(tokens, np.arange(len(tokens)) >= len(prompt))


def _prompts(
    built: Built, model: LanguageModel, task: Task, between: Frame, count: int, seed: int
) -> list[tuple[int, ...]]:
    end = built.coder.end
    # Where nothing stands before a text, the end of the one before does.
    before = np.array(between.head or (end,), dtype=np.int64)
    limits = _lengths(between.lengths, count, seed, task.name)
    bodies: list[list[int]] = [[] for _ in limits]
    asked = [n for n, limit in enumerate(limits) if limit]
    said, _ = sample(
        model,
        [before] * len(asked),
        [limits[n] for n in asked],
        [(end,), between.tail],
        [(seed, task.name, n) for n in asked],
        built.recipe.evaluate.batch_tokens,
    )
    for n, text in zip(asked, said, strict=True):
        bodies[n] = text
    return [between.around(_without(body, end)) or (end,) for body in bodies]


def _without(text: list[int], end: int) -> list[int]:
    return text[:-1] if text[-1:] == [end] else text


def _lengths(found: Sequence[int], count: int, seed: int, task: str) -> list[int]:
    """`count` of some lengths by chance, with replacement."""
    return [found[int(n % len(found))] for n in bits(count, seed, "lengths", task)]


def _answers(
    built: Built, model: LanguageModel, task: Task, prompts: Sequence[Tokens]
) -> list[Tokens]:
    """What the model says to each prompt, with the end token where it ends by itself."""
    coder, budget = built.coder, built.recipe.evaluate.batch_tokens
    asked = [np.array(prompt, dtype=np.int64) for prompt in prompts]
    if not task.labels:
        most = task.max_new_tokens
        said = generate(model, asked, most, coder.end, budget)
        room = [min(most, model.context - len(prompt)) for prompt in prompts]
        pairs = zip(said, room, strict=True)
        return [[*text, coder.end] if len(text) < left else text for text, left in pairs]
    # How a label is written after a prompt is the template's, and so the same for all records.
    record = next(one for some in task.splits.values() for one in some)
    labels = [coder.answer(record, label) for label in task.labels]
    said = told_apart(labels, coder.end)
    sizes = {
        "none": [1] * len(said),
        "tokens": [len(label) for label in said],
        "bytes": [max(1, len(label.encode())) for label in task.labels],
    }[task.normalise_choices]
    found = rank(model, asked, [said] * len(asked), budget)
    best = [int(np.argmax(totals / np.array(sizes))) for totals in found]
    return [[*labels[n].tolist(), coder.end] for n in best]


def _texts(built: Built, model: LanguageModel, name: str, count: int, seed: int) -> list[Example]:
    end, start = built.coder.end, built.coder.start
    before = start or (end,)
    lengths = [example[0].length - len(before) for example in _examples(built, name)]
    limits = [max(1, limit) for limit in _lengths(lengths, count, seed, name)]
    said, _ = sample(
        model,
        [np.array(before, dtype=np.int64)] * count,
        limits,
        [(end,)],
        [(seed, name, n) for n in range(count)],
        built.recipe.evaluate.batch_tokens,
    )
    return [(_row(before, text),) for text in said]
