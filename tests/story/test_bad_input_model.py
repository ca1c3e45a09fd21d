"""Every way in which a model cannot be used gives its one line, exit code 2, and writes nothing."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import tiny
from madrigal.cli.app import main


@pytest.fixture
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole model folder."""
    folder = tmp_path_factory.mktemp("model") / "model"
    network = tiny.network(max_position_embeddings=512)
    network.save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    return folder


RECIPE = """
name: x
model: {{base: {base}, adapter: {adapter}{more}}}
tasks: {{t: {{data: {{train: t.jsonl, test: u.jsonl}}}}}}
stages: [{{name: s, learn: [t], steps: 1}}]
"""


def _config(folder: Path) -> None:
    body = {
        "model_type": "llama",
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "vocab_size": 300,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "max_position_embeddings": 64,
    }
    (folder / "config.json").write_text(json.dumps(body))


def _no_config(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")


def _pickled(folder: Path) -> None:
    _config(folder)
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x02}q\x00.")
    (folder / "tokenizer.json").write_text("{}")


def _no_tokenizer(folder: Path) -> None:
    _config(folder)
    (folder / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")


def _broken_tokenizer(folder: Path) -> None:
    _no_tokenizer(folder)
    (folder / "tokenizer.json").write_text("{broken")


def _no_weights(folder: Path) -> None:
    _config(folder)
    (folder / "tokenizer.json").write_text("{}")


CASES: list[tuple[Callable[[Path], None], str, str]] = [
    (_no_config, "full", "no config.json; this is not a transformers model folder"),
    (_pickled, "full", "no *.safetensors weights; found pickled pytorch_model.bin, which could"),
    (_no_tokenizer, "full", "no tokenizer.json; copy the model's tokenizer files beside it"),
    (_no_weights, "full", "no *.safetensors weights; save it with save_pretrained"),
    (_broken_tokenizer, "full", "model.base: cannot load './model'"),
]


@pytest.mark.parametrize(("make", "adapter", "sentence"), CASES)
def test_a_model_folder_that_cannot_be_used(
    make: Callable[[Path], None],
    adapter: str,
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "model").mkdir()
    make(tmp_path / "model")
    _refused(tmp_path, "./model", adapter, "", sentence, capsys)


@pytest.mark.parametrize(
    ("base", "adapter", "more", "sentence"),
    [
        ("./nowhere", "full", "", "model.base: no folder './nowhere'; give a folder, a hub id"),
        ("SHARED", "full", ", context: 4096", "is more than the model's 512 positions"),
        ("SHARED", "{kind: lora, targets: [no_such_layer]}", "", "model.adapter.targets: "),
    ],
)
def test_a_model_setting_that_does_not_fit(
    base: str,
    adapter: str,
    more: str,
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    tiny_model_folder: Path,
) -> None:
    if base == "SHARED":
        shutil.copytree(tiny_model_folder, tmp_path / "model")
        base = "./model"
    _refused(tmp_path, base, adapter, more, sentence, capsys)


def _refused(
    folder: Path,
    base: str,
    adapter: str,
    more: str,
    sentence: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [json.dumps({"text": f"word {i}", "label": "ab"[i % 2]}) for i in range(20)]
    (folder / "t.jsonl").write_text("\n".join(rows[:16]) + "\n")
    (folder / "u.jsonl").write_text("\n".join(rows[16:]) + "\n")
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE.format(base=base, adapter=adapter, more=more))
    before = sorted(folder.rglob("*"))
    code = main(["run", str(recipe), "--out", str(folder / "out")])
    told = capsys.readouterr().err.strip()
    assert code == 2
    assert sentence in told, told
    assert "\n" not in told
    assert sorted(folder.rglob("*")) == before
