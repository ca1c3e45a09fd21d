"""Export: folders that plain transformers and peft load, whole or not there."""

from pathlib import Path

import pytest
import torch

from madrigal.cli.app import main
from madrigal.pipeline.trained import find_trained, load_trained

RECIPE = """\
name: bundled
model: {{base: {base}, adapter: {{kind: lora, rank: 2}}}}
tasks:
  mood: {{data: {{train: mood.jsonl, test: mood-test.jsonl}}}}
stages: [{{name: one, learn: [mood], steps: 1}}]
"""
TOKENS = torch.tensor([[5, 80, 33, 12, 260, 40]])


def logits(network: torch.nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        return network(input_ids=TOKENS).logits


@pytest.fixture
def expected(run: Path) -> torch.Tensor:
    return logits(load_trained(find_trained(run))[0].network)


def test_the_last_stage_is_taken_and_any_other_by_name_or_label(run: Path):
    assert find_trained(run).label == "02-two"
    assert find_trained(run, "one").label == "01-one"
    assert find_trained(run, "01-one").folder == run / "stages" / "01-one" / "model"


def test_a_merged_adapter_is_a_plain_model(run: Path, tmp_path: Path, expected, capsys):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    assert main(["export", str(run), "--merge", "--out", str(tmp_path / "whole")]) == 0
    assert capsys.readouterr().out.startswith(f"wrote {tmp_path / 'whole'}: a transformers model")
    network = AutoModelForCausalLM.from_pretrained(tmp_path / "whole", dtype=torch.float32)
    torch.testing.assert_close(logits(network), expected, rtol=1e-4, atol=1e-5)
    base = AutoModelForCausalLM.from_pretrained(run.parent / "base", dtype=torch.float32)
    assert (logits(base) - expected).abs().max() > 0.01, "the adapter must do something"
    assert AutoTokenizer.from_pretrained(tmp_path / "whole")("small")["input_ids"]
    assert (tmp_path / "whole" / "README.md").read_text() == "# tiny, the card of the run\n"
    assert {path.name for path in tmp_path.iterdir()} == {"whole"}


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`")
def test_an_adapter_is_one_for_peft(run: Path, tmp_path: Path, expected):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    assert main(["export", str(run), "--out", str(tmp_path / "adapter")]) == 0
    base = AutoModelForCausalLM.from_pretrained(run.parent / "base", dtype=torch.float32)
    network = PeftModel.from_pretrained(base, tmp_path / "adapter")
    torch.testing.assert_close(logits(network), expected)


def test_a_full_stage_is_a_plain_model_already(run: Path, tmp_path: Path):
    from transformers import AutoModelForCausalLM

    out = tmp_path / "full"
    assert main(["export", str(run), "--stage", "one", "--merge", "--out", str(out)]) == 0
    network = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
    trained = load_trained(find_trained(run, "one"))[0].network
    torch.testing.assert_close(logits(network), logits(trained))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--stage", "tow"], "{run}: no finished stage 'tow'; did you mean 'two'?"),
        (["--out", "{run}"], "{run}: is there already; remove it or choose another --out"),
    ],
)
def test_what_cannot_be_exported_says_why(run: Path, capsys, words: list[str], line: str):
    before = sorted(run.rglob("*"))
    assert main(["export", str(run), *(word.format(run=run) for word in words)]) == 2
    assert capsys.readouterr().err == line.format(run=run) + "\n"
    assert sorted(run.rglob("*")) == before


@pytest.mark.parametrize(
    ("own", "line"),
    [
        (["b", "c"], "b, c have models of their own, a, d the shared one"),
        (["b"], "b has a model of its own, a, c, d the shared one"),
    ],
)
def test_every_task_that_may_be_named_is(tmp_path: Path, capsys, own, line):
    """Also those that have no part of their own: they have a model too."""
    stage = tmp_path / "stages" / "01-one"
    names = [f"adapters/{task}" for task in own] + ["adapter"]
    for name in names:
        (stage / name).mkdir(parents=True)
    tasks = "".join(f"  {t}: {{data: {t}.jsonl}}\n" for t in "abcd")
    (tmp_path / "recipe.yaml").write_text(
        f"name: some\nmodel: madrigal/base-xs\ntasks:\n{tasks}"
        "stages: [{name: one, learn: [a, b, c, d], steps: 1}]\n"
    )
    assert main(["export", str(tmp_path)]) == 2
    said = f"{tmp_path}: {line}; add --task with one of them\n"
    assert capsys.readouterr().err == said


def test_where_nothing_is_shared_only_parts_are_named(tmp_path: Path, capsys):
    for task in "ab":
        (tmp_path / "stages" / "01-one" / "adapters" / task).mkdir(parents=True)
    (tmp_path / "recipe.yaml").write_text(
        "name: some\nmodel: madrigal/base-xs\n"
        "tasks: {a: {data: a.jsonl}, b: {data: b.jsonl}, c: {data: c.jsonl}}\n"
        "stages: [{name: one, learn: [a, b], steps: 1}]\nevaluate: {general: [c]}\n"
    )
    assert main(["export", str(tmp_path)]) == 2
    said = f"{tmp_path}: each task has a model of its own; add --task with a, b\n"
    assert capsys.readouterr().err == said


def test_a_folder_that_is_no_run(tmp_path: Path, capsys):
    assert main(["export", str(tmp_path)]) == 2
    line = f"{tmp_path}: no recipe.yaml; give the folder that `madrigal run` wrote\n"
    assert capsys.readouterr().err == line


def test_a_run_without_a_finished_stage(run: Path, tmp_path: Path, capsys):
    (tmp_path / "recipe.yaml").write_bytes((run / "recipe.yaml").read_bytes())
    (tmp_path / "stages" / "01-one" / "checkpoints").mkdir(parents=True)
    assert main(["chat", str(tmp_path)]) == 2
    line = f"{tmp_path}: no stage has finished; go on with `madrigal run ... --resume`\n"
    assert capsys.readouterr().err == line


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with an adapter of the bundled base, saved as a stage saves it."""
    from madrigal.model.adapter_files import save_task_adapter
    from madrigal.model.load import load_model
    from madrigal.pipeline.save import save_shared
    from madrigal.recipe.model import LoraAdapter, ModelSettings

    folder = tmp_path_factory.mktemp("bundled") / "run"
    (folder / "stages").mkdir(parents=True)
    settings = ModelSettings(base="madrigal/base-xs", adapter=LoraAdapter(rank=2))
    model = load_model(settings, folder, 0)
    with torch.no_grad():
        for name, parameter in model.network.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.5)
    save_shared(model, folder / "stages" / "01-one" / "adapter")
    save_task_adapter(model, "mood", folder / "single" / "mood" / "adapter")
    text = RECIPE.format(base="madrigal/base-xs")
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    (folder / "README.md").write_text("# the card of the run\n", encoding="utf-8")
    return folder


def texts(folder: Path) -> str:
    files = [file for file in folder.rglob("*") if file.suffix in (".json", ".md")]
    assert files
    return "".join(file.read_text(encoding="utf-8") for file in files)


def test_a_stage_names_the_bundled_base_and_no_place_of_this_machine(bundled: Path):
    from madrigal.model.base import BUNDLED

    for kept in (texts(bundled / "stages"), texts(bundled / "single")):
        assert '"base_model_name_or_path": "madrigal/base-xs"' in kept
        assert str(BUNDLED["madrigal/base-xs"]) not in kept


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`")
def test_an_adapter_of_the_bundled_base_brings_it_along(
    bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    from peft import AutoPeftModelForCausalLM, PeftModel
    from transformers import AutoModelForCausalLM

    from madrigal.model.base import BUNDLED

    expected = logits(load_trained(find_trained(bundled))[0].network)
    first = tmp_path / "out"
    assert main(["export", str(bundled), "--out", str(first)]) == 0
    said = capsys.readouterr().out
    assert "with the base in base/; its README.md says how to load both" in said
    elsewhere = first.rename(tmp_path / "elsewhere")
    assert str(BUNDLED["madrigal/base-xs"]) not in texts(elsewhere)
    card = (elsewhere / "README.md").read_text(encoding="utf-8")
    assert card.startswith("# the card of the run\n\n## Loading\n")
    # What the card says, line by line.
    base = AutoModelForCausalLM.from_pretrained(elsewhere / "base", dtype=torch.float32)
    without = logits(base)
    assert (without - expected).abs().max() > 0.01, "the adapter must do something"
    torch.testing.assert_close(logits(PeftModel.from_pretrained(base, elsewhere)), expected)
    monkeypatch.chdir(elsewhere)
    inside = AutoPeftModelForCausalLM.from_pretrained(".", dtype=torch.float32)
    torch.testing.assert_close(logits(inside), expected)


def test_a_merged_adapter_of_the_bundled_base_needs_no_base(bundled: Path, tmp_path: Path):
    assert main(["export", str(bundled), "--merge", "--out", str(tmp_path / "whole")]) == 0
    assert not (tmp_path / "whole" / "base").exists()
    assert (tmp_path / "whole" / "README.md").read_text() == "# the card of the run\n"
