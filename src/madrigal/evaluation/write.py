"""Let a model write answers of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from madrigal.evaluation.evaluate import still
from madrigal.evaluation.generate import Tokens
from madrigal.evaluation.prediction import numbered
from madrigal.evaluation.sample import sample
from madrigal.evaluation.written import Written, repeated
from madrigal.model.language_model import LanguageModel
from madrigal.tasks.encode import Coder
from madrigal.tasks.record import Record
from madrigal.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer to a prompt; its tokens with the end token, where it came to an end."""

    id: str
    cluster: str
    prompt: str
    output: str
    written: Sequence[int]
    ended: bool


def written(
    model: LanguageModel,
    coder: Coder,
    task: Task,
    records: Sequence[Record],
    batch_tokens: int = 8192,
    seed: int = 0,
) -> list[Written]:
    """An answer to each prompt, drawn at temperature 1, of at most the task's `max_new_tokens`.

    Chance belongs to the prompt, so models that are compared draw with the same numbers.
    """
    asked = [record for record in records if record.turns]  # a text by itself answers nothing
    prompts = [coder.prompt(record, room=task.max_new_tokens) for record in asked]
    limits = [task.max_new_tokens] * len(asked)
    found = []
    for one in answered(model, coder, task, asked, prompts, limits, batch_tokens, seed):
        said = one.written[:-1] if one.ended else one.written
        shown = (one.prompt, one.output, len(said), one.ended, repeated(said))
        found.append(Written(one.id, one.cluster, *shown))
    return found


def answered(
    model: LanguageModel,
    coder: Coder,
    task: Task,
    records: Sequence[Record],
    prompts: Sequence[Tokens],
    limits: Sequence[int],
    batch_tokens: int,
    seed: int,
) -> list[Answered]:
    """The same with tokens, behind prompts that are encoded already, each up to a limit of its
    own."""
    ids = numbered([record.key for record in records])
    keys = [(seed, task.name, "written", id_) for id_ in ids]
    with still(model), model.routed(task.name):
        texts, _ = sample(model, prompts, limits, [(coder.end,)], keys, batch_tokens)
    found = []
    for record, id_, text in zip(records, ids, texts, strict=True):
        ended = text[-1:] == [coder.end]
        said = text[:-1] if ended else text
        cluster = record.fields.get(task.cluster, "") if task.cluster else ""
        output = coder.tokenizer.decode(said, skip_special_tokens=True).strip()
        found.append(Answered(id_, cluster or id_, record.prompt, output, text, ended))
    return found
