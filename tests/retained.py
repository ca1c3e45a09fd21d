"""Tiny runs of three stages under every retention: their recipes, their deaths, what they leave."""

import json
import os
import random
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from itertools import product
from pathlib import Path
from typing import Literal, get_args, get_origin
from unittest.mock import patch

import pytest
import torch
import yaml
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import tiny
import tiny_run
from deaths import DEAD, arm
from madrigal.evaluation.evaluate import evaluate_task
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline import run
from madrigal.recipe.load import load_recipe
from madrigal.recipe.objective import Likelihood, ObjectiveSettings
from madrigal.recipe.retain import RetentionSettings
from madrigal.tasks.encode import Coder
from madrigal.tasks.load import load_tasks

KINDS = get_args(get_args(RetentionSettings)[0])
STAGES = ("01-one", "02-two", "03-three")
ROWS = 8
CONTEXT = 128  # room for an example before a prompt
FULL, LORA = "full", {"kind": "lora", "rank": 3, "dropout": 0.1}

# What keeps a tiny run tiny, and makes each kind say something in it.
SMALL = {"replay": {"share": 0.5, "keep": 6}, "ewc": {"examples": 8}, "o_lora": {"strength": 0.1}}
LIKED = {
    "data": {"train": "liked.train.jsonl", "test": "liked.test.jsonl"},
    "max_new_tokens": 4,
}
REPLAY = {"kind": "replay", **SMALL["replay"]}
BESIDE = {"distill": {"on": {"replayed": [REPLAY], "all": [REPLAY]}}}  # what a value needs
FURTHER = {"replay, count": [{"kind": "replay", "count": 3, "keep": 6}]}
APART = ("o_lora",)  # does not go with these:
NOT_WITH = ("merge",)


def choices(settings) -> dict[str, tuple]:
    """Every key of some settings that has a few values to choose from, with its values."""
    found = {}
    for name, field in settings.model_fields.items():
        if get_origin(field.annotation) is Literal and name != "kind":
            found[name] = get_args(field.annotation)
    return found


def name(kind) -> str:
    return kind.model_fields["kind"].default


def variants() -> dict[str, list[dict]]:
    """Every retention, and every one of its choices, as `retain` of a stage."""
    found = {}
    for kind in KINDS:
        plain = {"kind": name(kind), **SMALL.get(name(kind), {})}
        found[name(kind)] = [plain]
        for key, values in choices(kind).items():
            beside = BESIDE.get(name(kind), {}).get(key, {})
            for value in values:
                if value != kind.model_fields[key].default:
                    found[f"{name(kind)}, {key} {value}"] = [
                        *beside.get(value, []),
                        {**plain, key: value},
                    ]
    return found | FURTHER


def combined() -> dict[str, list[dict]]:
    """All kinds in one stage, as far as they go together."""
    plain = {name(kind): {"kind": name(kind), **SMALL.get(name(kind), {})} for kind in KINDS}
    plain["distill"]["on"] = "all"
    return {
        "all but o_lora": [held for kind, held in plain.items() if kind not in APART],
        "all with o_lora": [held for kind, held in plain.items() if kind not in NOT_WITH],
    }


def packed() -> list[tuple[list[dict], list[dict]]]:
    """Every retention and every one of its choices but o_lora, as few recipes: the `retain` of the
    second and of the third stage, each with one of every kind."""
    left = {kind: [] for kind in map(name, KINDS) if kind not in APART}
    for held in variants().values():
        if held[-1]["kind"] in left:
            left[held[-1]["kind"]].append(held[-1])
    most = max(map(len, left.values()))
    rounds = [[some[n % len(some)] for some in left.values()] for n in range(most + most % 2)]
    return list(zip(rounds[::2], rounds[1::2], strict=True))


def adapters(retain) -> list:
    """The adapters that a retention goes with."""
    return [LORA] if any(one["kind"] in APART for one in retain) else [FULL, LORA]


def objectives() -> list[dict]:
    """Every objective that these tasks can be trained by, with every one of its choices."""
    return [
        {"kind": name(kind), **dict(zip(choices(kind), values, strict=True))}
        for kind in get_args(get_args(ObjectiveSettings)[0])
        if kind is Likelihood
        for values in product(*choices(kind).values())
    ]


def keys(retain, adapter=FULL, dropout=0.1) -> dict:
    """A recipe whose second and third stage retain; every objective in each of them."""
    every = objectives()
    assert len(every) == 2, "the stages need more tasks, one for each objective"
    stages = [
        {
            "name": label[3:],
            "learn": learn,
            "steps": 3,
            "batch": {"rows": ROWS},
            "checkpoint_every": 2,
            "optimiser": {"learning_rate": 0.01, "epsilon": 1e-3},
            "objective": dict(zip(learn, every, strict=True)),
        }
        for label, learn in zip(STAGES, (["m1", "text"], ["m2", "echo"], ["m3", "m1"]), strict=True)
    ]
    liked = {} if _written(retain) else {"liked": LIKED}
    for stage, objective in zip(stages, ({"kind": "dpo"}, {}, {"kind": "dpo"}), strict=True):
        if liked and objective:
            stage["learn"].append("liked")
            stage["objective"]["liked"] = objective
    for stage in stages[1:]:
        stage["retain"] = retain
    moods = {
        n: {"data": {"train": f"{n}.jsonl", "test": f"{n}.test.jsonl"}} for n in ("m1", "m2", "m3")
    }
    echo = {"data": {"train": "echo.train.jsonl", "test": "echo.short.jsonl"}, "max_new_tokens": 2}
    text = {"data": {"train": ["a.txt", "b.txt"], "test": "c.txt"}}
    if adapter != FULL:
        adapter = {**adapter, "dropout": dropout}
    return {
        "name": "retained",
        "seed": 3,
        "model": {
            "base": "base" if dropout else "base-still",
            "adapter": adapter,
            "precision": "float32",
        },
        "tasks": {**moods, "echo": echo, "text": text, **liked},
        "stages": stages,
        "evaluate": {"base": False, "draws": 200},
    }


def _written(retain) -> bool:
    """Whether the model writes earlier examples itself, which judged answers cannot be."""
    return any(one.get("select") == "generated" for one in retain)


def write(folder: Path) -> None:
    """Data of six tasks, and two equal base models, one of them with dropout."""
    tiny_run.write_data(folder)
    numbers = random.Random(4)
    pairs = [
        {
            "prompt": f"say what the {place} was like on day {numbers.randrange(99)}:",
            "chosen": f"kind and {numbers.choice(tiny_run.GOOD)}",
            "rejected": numbers.choice(tiny_run.BAD),
        }
        for place in 2 * tiny_run.PLACES
    ]
    for split, some in (("train", pairs[3:]), ("test", pairs[:3])):
        lines = "".join(json.dumps(row) + "\n" for row in some)
        (folder / f"liked.{split}.jsonl").write_text(lines, encoding="utf-8")
    lines = (folder / "mood.train.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    for n, start in (("m1", 0), ("m2", 13), ("m3", 26)):
        (folder / f"{n}.jsonl").write_text("".join(lines[start : start + 13]), encoding="utf-8")
        (folder / f"{n}.test.jsonl").write_text(
            "".join(lines[39:] + lines[start : start + 1]), encoding="utf-8"
        )
    few = (folder / "echo.test.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)[:2]
    (folder / "echo.short.jsonl").write_text("".join(few), encoding="utf-8")
    chance = random.Random(0)
    for n in "abc":
        words = chance.choices(" ".join(tiny.TEXTS).split(), k=150)
        (folder / f"{n}.txt").write_text(" ".join(words), encoding="utf-8")
    for place, dropout in (("base", 0.1), ("base-still", 0.0)):
        held = tiny.model(attention_dropout=dropout, max_position_embeddings=CONTEXT)
        held.network.save_pretrained(folder / place)
        held.tokenizer.save_pretrained(folder / place)


@contextmanager
def quick() -> Iterator[None]:
    """Without what takes time and is not looked at: flushing disks, git, the report."""
    with (
        patch("os.fsync"),
        patch.object(run, "_report"),
        patch("madrigal.pipeline.manifest._code", return_value={}),
        redirect_stdout(StringIO()),
    ):
        yield


def train(folder: Path, recipe: dict, out: Path, resume: bool = False) -> Path:
    """Run a recipe in this process."""
    path = folder / f"{out.name}.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    with quick():
        return run.run(load_recipe(path), out, resume)


def dies(folder: Path, recipe: dict, out: Path, at: tuple[str, object]) -> bool:
    """Run or resume a recipe in a process of its own that dies `at` a place, as `arm` has them;
    whether it did."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            arm(out, *at)
            train(folder, recipe, out, out.exists())
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, DEAD), "see the captured error output"
    return code == DEAD


TIMES = ("seconds", "retention_seconds", "peak_memory_bytes")


def untimed(run: Path) -> dict[str, object]:
    """Every file of a run but its manifest, as bytes; of JSON what is neither time nor memory.

    Of the checkpoints of a stage the newest: older ones may not have been removed yet.
    """
    return {
        path.relative_to(run).as_posix(): _content(path)
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.name not in ("manifest.json", ".lock") and not _old(path)
    }


def _old(path: Path) -> bool:
    folder = path.parent
    return folder.parent.name == "checkpoints" and folder != max(folder.parent.iterdir())


def _content(path: Path) -> object:
    if path.name in ("steps.jsonl", "rollouts.jsonl", "looks.jsonl"):
        return [_without_times(row) for row in rows(path)]
    if path.name in ("costs.json", "retention.json"):
        return _without_times(json.loads(path.read_text(encoding="utf-8")))
    return path.read_bytes()


def _without_times(body: object) -> object:
    if isinstance(body, dict):
        return {key: _without_times(held) for key, held in body.items() if key not in TIMES}
    return body


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def assert_agree(ours, theirs):
    """Journals, what was kept and what was learnt, to rounding; choices of examples exactly."""
    for stage in STAGES:
        one, two = (rows(run / f"stages/{stage}/steps.jsonl") for run in (ours, theirs))
        for left, right in zip(one, two, strict=True):
            assert left["rows"] == right["rows"]
            assert left.get("terms", {}).keys() == right.get("terms", {}).keys()
            for key in ("loss", "weight", "grad_norm", "terms"):
                wanted = pytest.approx(right.get(key, {}), rel=1e-3, abs=1e-6)
                assert left.get(key, {}) == wanted, key
    files = [path for path in sorted(theirs.rglob("*")) if "checkpoints" not in path.parts]
    for path in files:
        other = ours / path.relative_to(theirs)
        if path.suffix == ".safetensors":
            found, wanted = load_file(other), load_file(path)
            assert found.keys() == wanted.keys()
            for name in wanted:
                torch.testing.assert_close(
                    found[name], wanted[name], rtol=1e-3, atol=2e-5, msg=f"{path}: {name}"
                )
        elif path.parent.name == "kept" and path.suffix == ".jsonl":
            (found, known), (wanted, asked) = (_without_reference(one) for one in (other, path))
            assert found == wanted, path
            assert known == pytest.approx(asked, rel=1e-3), path


def _without_reference(path: Path) -> tuple[list[dict], list[float]]:
    """Kept examples, and apart what the reference said of their rows, which is a rounded number."""
    held = rows(path)
    judged = [row["judged"] for one in held for row in one["rows"] if "judged" in row]
    return held, [one.pop("reference") for one in judged]


def scores(folder: Path, recipe: dict, run_folder: Path, stage: str) -> dict[str, list[float]]:
    """Scores of what a stage left, loaded by transformers and peft alone, as `numbers`."""
    place = run_folder / "stages" / stage
    if (place / "adapter").exists():
        base = AutoModelForCausalLM.from_pretrained(folder / recipe["model"]["base"])
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`")  # peft's own
            network = PeftModel.from_pretrained(base, place / "adapter")
        tokenizer = AutoTokenizer.from_pretrained(place / "adapter")
    else:
        network = AutoModelForCausalLM.from_pretrained(place / "model")
        tokenizer = AutoTokenizer.from_pretrained(place / "model")
    model = LanguageModel(network.eval(), tokenizer, torch.device("cpu"), CONTEXT)
    tasks = load_tasks(load_recipe(folder / f"{run_folder.name}.yaml").recipe, folder)
    coder = Coder(tokenizer, CONTEXT, use_chat_template=False)
    found = {}
    for named, task in tasks.items():
        made = evaluate_task(model, coder, task, task.splits["test"])
        found[named] = numbers([row.to_json() for row in made])
    return found


def numbers(predictions: list[dict]) -> list[float]:
    """What was measured of each example, in its order: score, nats, log-likelihoods of choices."""
    return [
        number
        for row in predictions
        for number in (row["score"], row.get("nats", 0.0), *row.get("choices", {}).values())
    ]
