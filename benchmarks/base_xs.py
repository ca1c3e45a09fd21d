"""Bits per byte of madrigal/base-xs on held-out text, beside xz -9 and order-5 Kneser-Ney.

python benchmarks/base_xs.py        writes results/base_xs.json and the table of the model's card

All three know the same training text: xz compresses it before the held-out text and is charged the
difference, Kneser-Ney counts the same rows of tokens. Model and Kneser-Ney are charged for the same
tokens, all of a row but its first.
"""

import lzma
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from kneser_ney import KneserNey
from record import Line, save

from madrigal.model.base import BUNDLED
from madrigal.model.language_model import LanguageModel
from madrigal.model.load import load_model
from madrigal.pipeline.build import build
from madrigal.recipe.load import load_recipe
from madrigal.recipe.model import FullAdapter, ModelSettings
from madrigal.tasks.encode import Coder

HERE = Path(__file__).parent
ORDER = 5


def xz_bits(training: bytes, held_out: bytes) -> int:
    def size(data: bytes) -> int:
        return len(lzma.compress(data, preset=9))

    return 8 * (size(training + held_out) - size(training))


def model_nats(model: LanguageModel, rows: list[np.ndarray]) -> float:
    total = 0.0
    with torch.inference_mode():
        for row in rows:
            tokens = torch.from_numpy(row.astype(np.int64))[None]
            states = model.states(tokens)[0, :-1]
            total -= float(model.logps(states, tokens[0, 1:])[0].double().sum())
    return total


def token_bytes(model: LanguageModel) -> np.ndarray:
    """Bytes that each token stands for: a character of a byte-level token is one byte."""
    special = set(model.tokenizer.all_special_ids)
    names = model.tokenizer.convert_ids_to_tokens(range(len(model.tokenizer)))
    return np.array([0 if i in special else len(name) for i, name in enumerate(names)])


def table(rows: list[dict[str, float | str]]) -> str:
    lines = [
        "| held-out text | bytes | base-xs | xz -9 | Kneser-Ney, order 5 |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {r['domain']} | {r['bytes']:,} | {r['model']:.3f} | {r['xz']:.3f} | {r['kn']:.3f} |"
        for r in rows
    ]
    return "\n".join(lines)


def main() -> None:
    loaded = load_recipe(HERE.parent / "recipes" / "base-xs.yaml")
    settings = ModelSettings(base="madrigal/base-xs", adapter=FullAdapter())
    model = load_model(settings, HERE, 0)
    model.network.eval()
    recipe = loaded.recipe.model_copy(update={"model": settings})
    built = build(replace(loaded, recipe=recipe))
    coder: Coder = built.coder
    trained = {n: [r.tokens for e in rows for r in e] for n, rows in built.examples.items()}
    kn = KneserNey([row for rows in trained.values() for row in rows], ORDER, len(model.tokenizer))
    text = "\n".join(r.text for t in built.tasks.values() for r in t.splits["train"]).encode()
    sizes = token_bytes(model)
    found = []
    for name, task in built.tasks.items():
        records = task.splits["test"]
        rows = [window.tokens for window in coder.windows(records) if window.length > 1]
        count = int(sum(sizes[row[1:]].sum() for row in rows))
        held_out = "\n".join(record.text for record in records).encode()
        bits = {
            "model": model_nats(model, rows) / np.log(2) / count,
            "xz": xz_bits(text, held_out) / len(held_out),
            "kn": -sum(kn.logps(row).sum() for row in rows) / np.log(2) / count,
        }
        found.append({"domain": name, "bytes": count, **{k: float(v) for k, v in bits.items()}})
        print(found[-1], flush=True)
    total = sum(r["bytes"] for r in found)
    mean = {k: sum(r[k] * r["bytes"] for r in found) / total for k in ("model", "xz", "kn")}
    found.append({"domain": "all", "bytes": total, **mean})
    lines = [
        Line(f"{r['domain']}: bits per byte", r["model"], "bits", f"< {r['xz']:.3f} (xz -9)",
             r["model"] < r["xz"])
        for r in found
    ]  # fmt: skip
    save("base_xs", lines, domains=found)
    card = BUNDLED["madrigal/base-xs"] / "README.md"
    shown = table(found)
    marked = re.compile(r"(?s)(<!-- bits per byte -->\n).*?(\n<!-- end -->)")
    old = card.read_text(encoding="utf-8")
    card.write_text(marked.sub(lambda m: m[1] + shown + m[2], old), encoding="utf-8")
    print(shown)


if __name__ == "__main__":
    main()
