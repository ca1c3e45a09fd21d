"""Writes natural_lengths.json: prompt and answer lengths of real Natural Instructions examples.

MADRIGAL_DATA=FOLDER python benchmarks/natural_lengths.py

The examples are rendered as a recipe renders them by default (definition and input), with a
byte-level BPE of 32,000 made from all text in the data folder. Only lengths are kept, so the speed
benchmarks need no data.
"""

import json
import os
from pathlib import Path

import numpy as np

from madrigal.model.base import fresh_tokenizer
from madrigal.recipe.model import ModelSettings, NewModel
from madrigal.recipe.task import TaskSettings
from madrigal.tasks.encode import Coder
from madrigal.tasks.load import load_task

HERE = Path(__file__).parent
KEPT = 1024


def main() -> None:
    data = Path(os.environ.get("MADRIGAL_DATA", HERE.parents[1] / "shared/data"))
    texts = (
        path.read_text(encoding="utf-8", errors="ignore")
        for path in sorted(data.rglob("*"))
        if path.suffix in {".txt", ".json", ".jsonl"}
    )
    settings = ModelSettings(base="new", new=NewModel(vocabulary=32000, context=1024))
    coder = Coder(fresh_tokenizer(texts, settings), 1024, use_chat_template=False)
    pairs = []
    for path in sorted(data.glob("natural_instructions/*/*.json")):
        task = load_task(path.stem, TaskSettings.model_validate({"data": str(path)}), data, 0)
        for (row,) in coder.training(task, "train"):
            pairs.append((row.length - row.answer_tokens, row.answer_tokens))
    chosen = np.random.default_rng(0).permutation(len(pairs))[:KEPT]
    kept = {"prompt": [pairs[i][0] for i in chosen], "answer": [pairs[i][1] for i in chosen]}
    (HERE / "natural_lengths.json").write_text(json.dumps(kept) + "\n", encoding="utf-8")
    for name, lengths in kept.items():
        print(name, np.percentile(lengths, [0, 10, 50, 90, 100]), np.mean(lengths))


if __name__ == "__main__":
    main()
