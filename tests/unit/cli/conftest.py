"""A run folder with a finished full stage and a finished LoRA stage of a tiny model."""

import json
from pathlib import Path

import pytest
import torch

RECIPE = """\
name: tiny
model: {{base: {base}, adapter: {{kind: lora, rank: 2}}}}
tasks:
  mood: {{data: {{train: mood.jsonl, test: mood-test.jsonl}}}}
stages:
  - {{name: one, learn: [mood], steps: 1}}
  - {{name: two, learn: [mood], steps: 1}}
"""


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from madrigal.model.base import fresh_tokenizer
    from madrigal.model.load import add_adapter, load_model
    from madrigal.recipe.model import LoraAdapter, ModelSettings

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    new = {"width": 32, "layers": 1, "heads": 2, "mlp": 32, "vocabulary": 300, "context": 64}
    settings = ModelSettings.model_validate({"base": "new", "new": new, "adapter": "full"})
    tokenizer = fresh_tokenizer(["a small text about small things"], settings)
    model = load_model(settings, folder, 0, tokenizer)
    with torch.no_grad():  # large enough that what is said depends on what was asked
        for parameter in model.network.parameters():
            parameter.mul_(8 if parameter.ndim > 1 else 1)
    for place in (folder.parent / "base", folder / "stages" / "01-one" / "model"):
        model.network.save_pretrained(place)  # type: ignore[operator]
        tokenizer.save_pretrained(place)
    base = folder.parent / "base"
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    adapted = add_adapter(network, LoraAdapter(rank=2), 0)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.5)
    adapted.save_pretrained(folder / "stages" / "02-two" / "adapter")
    tokenizer.save_pretrained(folder / "stages" / "02-two" / "adapter")
    (folder / "recipe.yaml").write_text(RECIPE.format(base=base), encoding="utf-8")
    for name, count in (("mood", 12), ("mood-test", 10)):
        rows = [{"text": f"{name} {i}", "label": ["sad", "happy"][i % 2]} for i in range(count)]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder.parent / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    (folder / "manifest.json").write_text(json.dumps({"root": ".."}), encoding="utf-8")
    (folder / "README.md").write_text("# tiny, the card of the run\n", encoding="utf-8")
    return folder
