"""What `check` says before anything is trained."""

import copy
import io

import pytest
from rich.console import Console

import tiny_run
from madrigal.pipeline.check import check


def said(folder, **task):
    keys = copy.deepcopy(tiny_run.keys())
    keys["tasks"]["echo"].update(task)
    console = Console(file=io.StringIO(), width=200)
    check(tiny_run.tiny(folder, keys), console)
    return console.file.getvalue()


LONG = " ".join(str(i * 7919) for i in range(120))  # no merges of a few prompts make it short


@pytest.mark.parametrize(("system", "warned"), [("Be brief.", False), (LONG, True)])
def test_a_task_most_of_whose_prompts_are_cut_is_told(tmp_path, system, warned):
    text = said(tmp_path, system=system)
    line = (
        "echo: 40 of 40 training prompts are cut to fit the context of 96 tokens; put less into "
        "the prompt or raise `model.context`\n"
    )
    assert (line in text) == warned
    assert ("are cut to fit" in text) == warned
