"""What a run takes, told before it: each part counted apart, against what is really fed."""

import io
import subprocess
import sys

import pytest
from rich.console import Console

import tiny_run
from madrigal.evaluation.few_shot import with_examples
from madrigal.model.inspect import Size
from madrigal.pipeline.build import build
from madrigal.pipeline.check import check
from madrigal.pipeline.estimate import estimate, scored_tokens
from madrigal.pipeline.work import EFFICIENCY, Part


def made(folder, **evaluate):
    keys = tiny_run.keys()
    keys["evaluate"] |= evaluate
    return build(tiny_run.tiny(folder, keys))


def parts_of(built):
    sources = [built.source(stage) for stage in built.recipe.stages]
    return {part.name: part for part in estimate(built, sources)}, sources


def test_every_part_of_a_run_is_counted(tmp_path):
    built = made(tmp_path, few_shot=2)
    parts, sources = parts_of(built)
    assert list(parts) == [
        "train together", "train after", "validation", "single-task baselines", "score base",
        "score base, 2 shots", "score after together", "score after after", "score baselines",
    ]  # fmt: skip
    joint = [sum(got.tokens for got in source.achieved().values()) for source in sources]
    assert [parts[n].tokens for n in ("train together", "train after")] == joint
    assert parts["single-task baselines"].tokens == sum(joint)
    assert {n for n, part in parts.items() if part.trained} == {
        "train together", "train after", "single-task baselines"
    }  # fmt: skip
    both = scored_tokens(built, "mood") + scored_tokens(built, "echo")
    for name in ("score base", "score after together", "score after after", "score baselines"):
        assert parts[name].tokens == both
    twice = sum(scored_tokens(built, name, "validation") for name in ("mood", "echo"))
    assert parts["validation"].tokens == 2 * twice  # 8 steps, every 4


def test_the_tokens_of_a_task_are_those_of_its_prompts_and_answers(tmp_path):
    built = made(tmp_path)
    coder, tasks = built.coder, built.tasks
    moods = tasks["mood"].splits["test"]
    expected = sum(
        len(coder.prompt(r)) + sum(len(coder.answer(r, c)) for c in r.choices) for r in moods
    )
    assert scored_tokens(built, "mood") == expected
    shown = with_examples(tasks["mood"], moods, 2, built.recipe.seed, coder)
    more = sum(len(coder.prompt(s.record)) for s in shown)
    choices = expected - sum(len(coder.prompt(r)) for r in moods)
    assert scored_tokens(built, "mood", shots=2) == more + choices
    echoes = tasks["echo"].splits["test"]
    assert scored_tokens(built, "echo") == sum(len(coder.prompt(r, room=6)) + 6 for r in echoes)


def test_what_is_not_asked_for_takes_nothing(tmp_path):
    built = made(tmp_path, baselines=False, base=False)
    parts, _ = parts_of(built)
    assert not {"single-task baselines", "score baselines", "score base"} & set(parts)


def test_an_auxiliary_task_has_no_baseline(tmp_path):
    keys = tiny_run.keys()
    keys["tasks"]["mood"]["role"] = "auxiliary"
    built = build(tiny_run.tiny(tmp_path, keys))
    parts, (together, after) = parts_of(built)
    echo = together.achieved()["echo"].tokens + after.achieved()["echo"].tokens
    assert parts["single-task baselines"].tokens == echo


def test_seconds():
    full, lora = Size(100, 100, 80), Size(110, 10, 80)
    trained, scored = Part("a", 1000, True), Part("b", 1000, False)
    assert trained.seconds(full, 1e3) == pytest.approx(6 * 80 / EFFICIENCY)
    assert scored.seconds(full, 1e3) == pytest.approx(2 * 80 / EFFICIENCY)
    assert scored.seconds(lora, 1e3) == pytest.approx(2 * 90 / EFFICIENCY)


def test_check_shows_the_parts_and_their_total(tmp_path):
    console = Console(file=io.StringIO(), width=120)
    built = check(tiny_run.tiny(tmp_path), console)
    lines = console.file.getvalue().splitlines()
    parts, _ = parts_of(built)
    for name, part in parts.items():
        (line,) = (line for line in lines if line.startswith(f"{name} "))
        assert f" {part.tokens:,} " in line
        assert line.rstrip().endswith(" s")
    (total,) = (line for line in lines if line.startswith("total "))
    assert f" {sum(part.tokens for part in parts.values()):,} " in total


def test_the_estimate_does_not_import_torch():
    code = "import sys, madrigal.pipeline.check; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_retention_is_counted_on_top_of_its_stage(tmp_path):
    keys = tiny_run.keys()
    keys["stages"][0]["learn"] = ["mood"]
    replay = {"kind": "replay", "count": 3}
    ewc = {"kind": "ewc", "examples": 4}
    keys["stages"][1]["retain"] = [{"kind": "distill", "on": "all"}, replay, ewc]
    built = build(tiny_run.tiny(tmp_path, keys))
    parts, sources = parts_of(built)
    moods = [sum(row.length for row in example) for example in built.examples["mood"]]
    mean = sum(moods) / len(moods)
    assert parts["replay in after"].tokens == round(5 * 3 * mean)
    assert parts["Fisher information for after"].tokens == round(4 * mean)
    drawn = parts["targets of the Fisher information for after"]
    assert (drawn.tokens, drawn.trained) == (round(4 * mean), False)
    own = sum(got.tokens for got in sources[1].achieved().values())
    assert parts["teacher in after"].tokens == own + round(5 * 3 * mean)
    assert not parts["teacher in after"].trained


def test_what_the_model_says_itself_is_counted_at_its_longest(tmp_path):
    keys = tiny_run.keys()
    keys["stages"][0]["learn"] = ["mood"]
    replay = {"kind": "replay", "count": 3, "select": "generated", "keep": 10}
    keys["stages"][1]["retain"] = [{"kind": "distill", "on": "own"}, replay]
    built = build(tiny_run.tiny(tmp_path, keys))
    parts, sources = parts_of(built)
    moods = [sum(row.length for row in example) for example in built.examples["mood"]]
    assert parts["examples written for after"].tokens == round(20 * sum(moods) / len(moods))
    shown = sum(got.tokens for got in sources[1].achieved().values())
    longest = shown + 20 * built.tasks["echo"].max_new_tokens  # five steps of four rows
    assert parts["own answers in after"].tokens == 2 * longest + shown
    assert parts["training on own answers in after"].tokens == longest
    assert parts["training on own answers in after"].trained


@pytest.mark.parametrize(
    ("select", "looks"), [("herding", True), ("hardest", True), ("random", False)]
)
def test_choosing_by_the_model_reads_every_example(tmp_path, select, looks):
    keys = tiny_run.keys()
    keys["stages"][0]["learn"] = ["mood"]
    keys["stages"][1]["retain"] = [{"kind": "replay", "select": select}]
    built = build(tiny_run.tiny(tmp_path, keys))
    parts, _ = parts_of(built)
    assert ("examples chosen for after" in parts) == looks
    if looks:
        every = sum(row.length for example in built.examples["mood"] for row in example)
        assert parts["examples chosen for after"].tokens == every
