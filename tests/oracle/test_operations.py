"""Operations that retention is said to take, against a count of what went through the network."""

from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
import torch
import yaml

import retained
import tiny
from madrigal.model.inspect import Size
from madrigal.pipeline.build import build
from madrigal.pipeline.choose import for_replay
from madrigal.pipeline.on_policy import OnPolicy
from madrigal.pipeline.operations import of_choice, of_fisher, of_merging, of_router
from madrigal.pipeline.past import Past
from madrigal.pipeline.routed import router_after
from madrigal.recipe import retain
from madrigal.recipe.load import load_recipe
from madrigal.retention import merge
from madrigal.tasks.encode import Coder
from madrigal.training import fisher as room

SIZE = Size(parameters=1_000_100, trainable=100, matrices=1_000_000)
B, F = SIZE.flops_per_token(), SIZE.flops_per_scored_token()
CONTEXT = 128


@dataclass
class Tokens:
    """How many went through the first layer, with a gradient to come and without."""

    trained: int = 0
    read: int = 0


@contextmanager
def counting(model):
    seen = Tokens()

    def look(_, inputs):
        count = inputs[0].shape[:-1].numel()
        if torch.is_grad_enabled():
            seen.trained += count
        else:
            seen.read += count

    first = next(m for n, m in model.causal.named_modules() if n.endswith("gate_proj"))
    hook = first.register_forward_pre_hook(look)
    try:
        yield seen
    finally:
        hook.remove()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("operations")
    retained.write(folder)
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(retained.keys([retained.REPLAY])), encoding="utf-8")
    found = build(load_recipe(path))
    alone = found.recipe.evaluate.model_copy(update={"batch_tokens": 1})  # so nothing is padded
    found = replace(found, recipe=found.recipe.model_copy(update={"evaluate": alone}))
    return replace(found, coder=Coder(found.tokenizer, CONTEXT, use_chat_template=False))


@pytest.fixture(scope="module")
def model():
    return replace(tiny.model(seed=5, max_position_embeddings=CONTEXT), context=CONTEXT)


@pytest.mark.parametrize("labels", ["data", "model"])
def test_fisher(labels, monkeypatch):
    monkeypatch.setattr(room, "_TOGETHER", 1)
    held = tiny.model()
    some = tiny.drawn(a=5, b=4)
    with counting(held) as seen:
        room.fisher(tiny.parts(held), some, labels)
    assert seen.read == (seen.trained if labels == "model" else 0)
    squares = 2 * 100 * len(some)
    assert of_fisher(SIZE, 100, some, labels) == B * seen.trained + F * seen.read + squares


@pytest.mark.parametrize("select", ["random", "balanced", "hardest", "herding"])
def test_what_is_chosen(built, model, select):
    stage, settings = built.recipe.stages[0], retain.Replay(select=select, keep=3)
    with counting(model) as seen:
        kept = for_replay(built, stage, model, settings)
    said = sum(of_choice(built, SIZE, 32, settings, task, some) for task, some in kept.items())
    assert (seen.read > 0) == (select in ("hardest", "herding"))
    assert seen.trained == 0
    features = 0
    if select == "herding":
        features = sum(5 * len(some) * len(built.examples[t]) * 32 for t, some in kept.items())
    assert said == F * seen.read + features


@pytest.mark.parametrize("task", ["m1", "text", "echo"])
def test_what_is_written(built, model, task):
    """A token that ends a row is not read again, so a little less goes through than is said."""
    settings = retain.Replay(select="generated", keep=3)
    number = next(n for n, s in enumerate(built.recipe.stages) if task in s.learn)
    with counting(model) as seen:
        kept = for_replay(built, built.recipe.stages[number], model, settings)
    every = [of_choice(built, SIZE, 32, settings, name, some) for name, some in kept.items()]
    assert 0.5 * sum(every) < F * seen.read <= sum(every)


def test_a_router(built, model):
    stage = built.recipe.stages[0]
    with counting(model) as seen:
        grown = router_after(built, stage, model, Past())
    assert seen.read == sum(grown.lengths) > 0
    wide = len(grown.router.scatter)
    expected = 2 * SIZE.matrices * seen.read + 2 * len(grown.lengths) * wide**2
    assert of_router(SIZE, wide, grown.lengths) == expected


def test_its_own_words(built, model):
    stage = built.recipe.stages[1]
    batch = stage.batch.model_copy(update={"microbatch_tokens": 1})
    term = OnPolicy(built, stage.model_copy(update={"batch": batch}), model, 1.0)
    drawn = [built.examples[task][n] for task, n in (("m2", 0), ("echo", 3), ("m2", 1))]
    with counting(model) as seen:
        said = term.add_gradient(2, drawn, {"m2": 1.0, "echo": 1.0})
    assert said.trained == seen.trained
    # The last token that is drawn is not read while drawing.
    assert said.read == seen.read + len(drawn)


@pytest.mark.parametrize("how", ["sum", "ties"])
def test_merging(how):
    """Operations entry by entry, counted as numbers that each of them makes."""
    size, changes = 1_000, 3
    start = {"w": torch.zeros(size)}
    ends = [{"w": torch.randn(size)} for _ in range(changes)]
    with _Elementwise() as seen:
        moved = [merge.change(start, end) for end in ends[-1:]]
        every = [*({"w": end["w"]} for end in ends[:-1]), *moved]
        by = merge.arithmetic(every) if how == "sum" else merge.ties(every, 0.5)
        merge.moved(start, by, 0.5)
    assert of_merging(how, changes, size) == pytest.approx(seen.operations, rel=0.01)


class _Elementwise(torch.utils._python_dispatch.TorchDispatchMode):
    """Counts the numbers that sums read and that other arithmetic writes."""

    WRITES = ("sub", "add", "mul", "abs", "gt", "eq", "sign", "div", "clamp")

    def __init__(self):
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__.rstrip("_")
        if name == "sum":
            self.operations += args[0].numel()
        elif name in self.WRITES:
            self.operations += found.numel()
        return found
