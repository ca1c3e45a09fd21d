"""Export: folders that plain transformers and peft load, whole or not there."""

from pathlib import Path

import pytest
import torch

from madrigal.cli.app import main
from madrigal.pipeline.trained import find_trained, load_trained

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
