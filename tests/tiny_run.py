"""A tiny recipe on files: two tasks, two stages, baselines, dropout; a run takes seconds."""

import json
import random
from pathlib import Path

import yaml

from madrigal.recipe.load import LoadedRecipe, load_recipe

GOOD = ("warm", "bright", "kind", "sweet", "calm")
BAD = ("cold", "dull", "rude", "bitter", "loud")
PLACES = ("river", "garden", "market", "tower", "harbour", "mill", "chapel", "forest")
TIMES = ("morning", "evening", "winter", "summer", "night")


def _moods(count, chance):
    for _ in range(count):
        good = chance.random() < 0.5
        word = chance.choice(GOOD if good else BAD)
        place, time = chance.choice(PLACES), chance.choice(TIMES)
        text = f"a {word} {time} by the {place} number {chance.randrange(1000)}"
        yield {"text": text, "label": "good" if good else "bad", "place": place}


def _echoes(count, chance):
    for _ in range(count):
        place, time = chance.choice(PLACES), chance.choice(TIMES)
        number = chance.randrange(1000)
        prompt = f"where in the {time}? at the {place}, door {number}. answer:"
        yield {"prompt": prompt, "completion": place}


def write_data(folder: Path) -> None:
    """mood.*.jsonl and echo.*.jsonl with train, validation and test."""
    for number, (name, make) in enumerate((("mood", _moods), ("echo", _echoes))):
        for place, (split, count) in enumerate((("train", 40), ("validation", 6), ("test", 8))):
            chance = random.Random(10 * number + place)
            rows = [json.dumps(row) + "\n" for row in make(count, chance)]
            (folder / f"{name}.{split}.jsonl").write_text("".join(rows), encoding="utf-8")


def _task(name):
    splits = ("train", "validation", "test")
    return {"data": {split: f"{name}.{split}.jsonl" for split in splits}}


def keys() -> dict:
    """The recipe as plain data."""
    return {
        "name": "tiny",
        "seed": 3,
        "model": {
            "base": "new",
            "adapter": "full",
            "new": {
                "vocabulary": 300, "width": 32, "layers": 2, "heads": 4, "key_value_heads": 2,
                "mlp": 48, "context": 96, "dropout": 0.1,
            },
        },
        "tasks": {"mood": _task("mood"), "echo": {**_task("echo"), "max_new_tokens": 6}},
        "stages": [
            {
                "name": "together",
                "learn": ["mood", "echo"],
                "steps": 8,
                "batch": {"rows": 4},
                "validate_every": 4,
                "checkpoint_every": 3,
            },
            {
                "name": "after",
                "learn": ["echo"],
                "steps": 5,
                "batch": {"rows": 4},
                "checkpoint_every": 2,
            },
        ],
        "evaluate": {"baselines": True, "draws": 200},
    }  # fmt: skip


def write_recipe(folder: Path, recipe: dict | None = None) -> Path:
    """Data and recipe.yaml in a folder; returns the path of the recipe."""
    folder.mkdir(parents=True, exist_ok=True)
    write_data(folder)
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe or keys(), sort_keys=False), encoding="utf-8")
    return path


def tiny(folder: Path, recipe: dict | None = None, sets: tuple[str, ...] = ()) -> LoadedRecipe:
    """The recipe, written and loaded."""
    return load_recipe(write_recipe(folder, recipe), sets)
