"""Four tasks on a tiny model: two pairs, alike in prompts, contrary in answers."""

import json
import random
from pathlib import Path

import tiny

PLACES = ("river", "garden", "market", "tower")
ANSWERS = {"north": "yes", "south": "no"}
TASKS = ("north-a", "south-a", "north-b", "south-b")

RECIPE = """\
# Four tasks, two of a kind.
name: winds # of the run
model:
  base: base # a tiny one
  adapter: {kind: lora, rank: 4}
tasks:
  north-a: {data: {train: north-a.jsonl, test: test.jsonl}}
  south-a: {data: {train: south-a.jsonl, test: test.jsonl}}
  north-b: {data: {train: north-b.jsonl, test: test.jsonl}}
  south-b: {data: {train: south-b.jsonl, test: test.jsonl}}
stages:
  - name: together
    learn: [north-a, south-a, north-b, south-b]
    steps: 60
    batch: {rows: 16}
    optimiser: {learning_rate: 1.0e-2}
"""


def rows(rule: str, count: int, seed: int):
    """Prompts of one kind; each rule always answers the same, and the two answer otherwise."""
    chance = random.Random(seed)
    for _ in range(count):
        place, number = chance.choice(PLACES), chance.randrange(1000)
        prompt = f"{number} doors by the {place}. near?"
        yield {"prompt": prompt, "completion": ANSWERS[rule]}


def write(folder: Path) -> Path:
    """Model, data and recipe; returns the recipe's path."""
    base = folder / "base"
    tiny.network().save_pretrained(base)
    tiny.tokenizer().save_pretrained(base)
    for seed, task in enumerate(TASKS):
        made = rows(task.partition("-")[0], 60, seed)
        text = "".join(json.dumps(row) + "\n" for row in made)
        (folder / f"{task}.jsonl").write_text(text, encoding="utf-8")
    text = "".join(json.dumps(row) + "\n" for row in rows("north", 8, 99))
    (folder / "test.jsonl").write_text(text, encoding="utf-8")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return folder / "recipe.yaml"
