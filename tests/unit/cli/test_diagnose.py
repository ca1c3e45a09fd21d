"""`madrigal diagnose`: the page's verdict in a terminal."""

import pytest

from fake_run import ONE_STAGE, write_run
from madrigal.cli.app import main
from planted import Fight, Gradients


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    gradients = Gradients(every=2, fight=Fight(("inference", "titles"), -0.7))
    return write_run(tmp_path_factory.mktemp("fight"), examples=120, steps=120,
                     stages=ONE_STAGE, gradients=gradients)  # fmt: skip


def test_verdict_remedy_evidence_and_pairs(folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["diagnose", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    text = " ".join(" ".join(lines).split())
    assert "Sharing one model hurt 2 of 5 tasks" in text
    assert "because inference and titles pull against each other throughout: cosine −0." in text
    assert "try keep titles and inference apart" in text
    row = next(line for line in lines if line.startswith("inference, titles"))
    assert "conflict throughout" in row
    assert "the 6 lowest of 10 pairs" in text


def test_a_stage_that_is_not_there(folder, capsys):
    assert main(["diagnose", str(folder), "--stage", "law"]) == 2
    assert capsys.readouterr().err == f"{folder}: no stage 'law'; found together\n"


def test_a_folder_that_is_no_run(tmp_path, capsys):
    assert main(["diagnose", str(tmp_path)]) == 2
    assert "not a run folder" in capsys.readouterr().err
