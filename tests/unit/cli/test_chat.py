"""Chat: each line is answered greedily, from the same prompt that training saw."""

import io
from pathlib import Path

import pytest
import torch

from madrigal.cli.app import main
from madrigal.pipeline.trained import find_trained, load_trained
from madrigal.tasks.record import Record, Turn


def greedy(run: Path, text: str, count: int) -> str:
    """The most likely continuation, token by token, without any cache."""
    model, coder = load_trained(find_trained(run))
    tokens = coder.prompt(Record("t", turns=(Turn("user", text),)), count).tolist()
    start = len(tokens)
    for _ in range(count):
        with torch.inference_mode():
            states = model.states(torch.tensor([tokens]))
            best = int(model.logits(states[0, -1:])[0].argmax())
        tokens.append(best)
        if best == coder.end:
            break
    return model.tokenizer.decode(tokens[start:], skip_special_tokens=True)


def test_lines_are_answered_until_the_input_ends(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sys.stdin", io.StringIO("a small\\nthing\n\nabout text\n"))
    assert main(["chat", str(run), "--max-new-tokens", "5"]) == 0
    first, second = greedy(run, "a small\nthing", 5), greedy(run, "about text", 5)
    assert first != second
    assert capsys.readouterr().out == f"{first}\n{second}\n"
