"""Examples that the model writes: of the data only what all prompts share, lengths and labels."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml

import retained
import tiny
from madrigal.errors import DataError
from madrigal.evaluation.evaluate import still
from madrigal.evaluation.generate import generate
from madrigal.evaluation.rank import rank, told_apart
from madrigal.pipeline.build import build
from madrigal.pipeline.generated import generated
from madrigal.recipe.load import load_recipe
from madrigal.tasks.encoded import Encoded
from madrigal.tasks.record import Turn

COUNT = 12


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    retained.write(folder)
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(retained.keys([retained.REPLAY])), encoding="utf-8")
    return build(load_recipe(path))


@pytest.fixture(scope="module")
def model():
    return tiny.model(seed=5)


def written(built, model, name, count=COUNT, seed=3):
    with still(model):
        return generated(built, model, name, count, seed)


def rows(examples):
    return [(row.tokens.tolist(), row.trained.tolist()) for (row,) in examples]


def prompts_of(examples):
    return [tuple(row.tokens[: int(np.argmax(row.trained))].tolist()) for (row,) in examples]


def others(built, name):
    """The task with all that its training examples say replaced, and no length changed."""
    chance = np.random.default_rng(1)
    task, examples = built.tasks[name], built.examples[name]
    whole = prompts_of(examples)
    head = len(commonly(whole))
    tail = len(commonly([one[head:][::-1] for one in whole]))
    changed = []
    for (row,), prompt in zip(examples, whole, strict=True):
        first, last = (1, row.length) if task.kind == "text" else (head, len(prompt) - tail)
        tokens = row.tokens.copy()
        tokens[first:last] = chance.integers(1, tiny.VOCABULARY, last - first)
        changed.append((Encoded(tokens, row.trained),))
    records = tuple(
        replace(record, turns=(Turn("user", "some other words here"),))
        for record in task.splits["train"]
    )
    anew = replace(task, splits={**task.splits, "train": records})
    return replace(
        built,
        tasks={**built.tasks, name: anew},
        examples={**built.examples, name: changed},
    )


def commonly(rows):
    shared = 0
    while all(len(row) > shared and row[shared] == rows[0][shared] for row in rows):
        shared += 1
    return rows[0][:shared]


@pytest.mark.parametrize("name", ["m1", "echo", "text"])
def test_nothing_that_an_example_says_is_used(built, model, name):
    other = others(built, name)
    if name != "text":
        assert not set(prompts_of(other.examples[name])) & set(prompts_of(built.examples[name]))
    assert rows(written(other, model, name)) == rows(written(built, model, name))


def test_prompts_begin_and_end_as_those_of_the_task_and_are_as_long(built, model):
    examples = built.examples["echo"]
    real, made = prompts_of(examples), prompts_of(written(built, model, "echo", 30))
    head, tail = commonly(real), commonly([prompt[::-1] for prompt in real])[::-1]
    assert len(head) > 3
    assert len(tail) > 3
    assert all(one[: len(head)] == head and one[-len(tail) :] == tail for one in made)
    assert {len(one) for one in made} <= set(range(max(map(len, real)) + 1))
    assert len({len(one) for one in made}) > 2
    assert len(set(made)) > 20
    assert not set(made) & set(real)


def test_a_prompt_stops_where_the_model_writes_the_end_itself(built, model):
    said = [row.tokens[4:].tolist() for (row,) in written(built, model, "text", 30)]
    last = max({t for text in said for t in text}, key=lambda t: sum(t in text for text in said))
    prompts = [[5, *[other] * 30, last] for other in (8, 9)]
    examples = [(Encoded(np.array([*p, 3]), np.arange(len(p) + 1) == len(p)),) for p in prompts]
    made = prompts_of(written(replace(built, examples={"m1": examples}), model, "m1", 40))
    assert all(one.count(last) == 1 and one[-1] == last for one in made)
    assert {len(one) for one in made} > {len(prompts[0])}


def test_the_answer_is_the_likeliest_label(built, model):
    coder, task = built.coder, built.tasks["m1"]
    found = written(built, model, "m1")
    labels = told_apart([coder.answer(task.splits["train"][0], x) for x in task.labels], coder.end)
    with still(model):
        prompts = [np.array(one) for one in prompts_of(found)]
        wanted = [int(s.argmax()) for s in rank(model, prompts, [labels] * COUNT, 512)]
    said = [row.tokens[row.trained].tolist() for (row,) in found]
    assert said == [[*labels[n].tolist(), coder.end] for n in wanted]


def test_a_free_answer_is_the_greedy_one_and_ends_only_if_it_ended(built, model):
    found = written(built, model, "echo", 30)
    most, end = built.tasks["echo"].max_new_tokens, built.coder.end
    with still(model):
        wanted = generate(model, [np.array(one) for one in prompts_of(found)], most, end, 512)
    said = [row.tokens[row.trained].tolist() for (row,) in found]
    assert said == [text if len(text) == most else [*text, end] for text in wanted]


def test_text_is_all_trained_but_where_it_begins(built, model):
    longest = max(row.length for (row,) in built.examples["text"])
    for (row,) in written(built, model, "text"):
        assert row.length <= longest
        assert row.trained.tolist() == [False] + [True] * (row.length - 1)
        ends = np.flatnonzero(row.tokens[1:] == built.coder.end)
        assert set(ends.tolist()) <= {row.length - 2}


def test_chance_belongs_to_seed_task_and_number(built, model):
    found = rows(written(built, model, "m1"))
    assert rows(written(built, model, "m1", COUNT + 5))[:COUNT] == found
    assert rows(written(built, model, "m1", seed=4)) != found
    assert rows(written(built, tiny.model(seed=6), "m1")) != found
    assert torch.is_grad_enabled()


def test_too_few_prompts_are_refused_before_the_run(tmp_path):
    retained.write(tmp_path)
    lines = (tmp_path / "m1.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "m1.jsonl").write_text("".join(lines[:7] * 2), encoding="utf-8")
    path = tmp_path / "recipe.yaml"
    refused = {}
    for select in ("random", "generated"):
        keys = retained.keys([{**retained.REPLAY, "select": select}])
        path.write_text(yaml.safe_dump(keys), encoding="utf-8")
        try:
            build(load_recipe(path))
        except DataError as error:
            refused[select] = error.mistakes
    assert refused == {
        "generated": (
            "stages[2].retain: 'm1' has 5 different training prompts, and what they share may be "
            "their text; `select: generated` needs 8 or more, so choose another `select`",
        )
    }
