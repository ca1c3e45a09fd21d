"""Every retention of the settings union keeps the contract, under every objective in use."""

from uuid import uuid4

import pytest

import retained
from retained import FULL, STAGES, combined, variants

KINDS = [retained.name(kind) for kind in retained.KINDS]
ALONE, TOGETHER = variants(), combined()
ALL = ALONE | TOGETHER


def case(name, adapter):
    return pytest.param(name, adapter, id=f"{name}, {'full' if adapter == FULL else 'lora'}")


# Every kind and choice with full fine-tuning where it goes; all together with LoRA as well.
EACH = [case(name, retained.adapters(ALL[name])[0]) for name in ALONE]
JOINED = [case(name, held) for name in TOGETHER for held in retained.adapters(ALL[name])]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("retained")
    retained.write(found)
    return found


@pytest.fixture(scope="module")
def whole(folder):
    """Runs that nothing interrupts, each made once. Their recipes: `retained.keys`."""
    done = {}

    def run(name, adapter, **changes):
        key = (name, str(adapter), *changes.items())
        if key not in done:
            recipe, out = retained.keys(ALL[name], adapter, **changes), folder / str(uuid4())
            done[key] = retained.train(folder, recipe, out)
        return done[key]

    return run


def test_the_union_is_found():
    assert {"replay", "ewc", "distill", "o_lora", "merge", "interpolate"} <= set(KINDS)
    assert {"replay, select herding", "ewc, form online", "ewc, labels data", "distill, on all",
            "merge, how ties", "interpolate, to base"} <= set(ALL)  # fmt: skip


DEATHS = (
    ("after", "stages/01-one/checkpoints/step-000003"),  # trained, and nothing kept
    ("after", "stages/01-one/kept"),
    ("line", "stages/02-two/steps.jsonl", 1),
    ("line", "stages/02-two/steps.jsonl", 3),  # the last checkpoint is of step 2
    ("before", "stages/02-two/kept"),
    ("after", "stages/02-two/kept"),
    ("before", "stages/02-two/done.json"),
    ("before", "predictions/02-two/m3.jsonl"),
    ("line", "stages/03-three/steps.jsonl", 3),
    ("before", "stages/03-three/kept"),
    ("before", "stages/03-three/done.json"),
)
FEW = DEATHS[3:7]


def assert_survives(folder, there, recipe, deaths):
    """A run that dies again and again becomes the one that nothing interrupted."""
    out = folder / str(uuid4())
    for death in deaths:
        if (there / death[1]).exists():  # not every stage keeps something
            assert retained.dies(folder, recipe, out, death), death
    retained.train(folder, recipe, out, resume=True)
    ours, theirs = retained.untimed(out), retained.untimed(there)
    assert ours.keys() == theirs.keys()
    assert [path for path in theirs if ours[path] != theirs[path]] == []


@pytest.mark.parametrize(("name", "adapter"), EACH)
def test_killed_and_resumed_is_the_same_run(folder, whole, name, adapter):
    there = whole(name, adapter, dropout=0.0)
    assert_survives(folder, there, retained.keys(ALL[name], adapter, 0.0), FEW)


@pytest.mark.parametrize(("name", "adapter"), JOINED)
def test_killed_anywhere_with_all_of_them_and_dropout(folder, whole, name, adapter):
    there = whole(name, adapter)
    assert_survives(folder, there, retained.keys(ALL[name], adapter), DEATHS)


@pytest.mark.parametrize(("name", "adapter"), EACH + JOINED)
def test_one_microbatch_of_a_step_is_as_one_for_each_row(folder, whole, name, adapter):
    there = whole(name, adapter, dropout=0.0)
    recipe = retained.keys(ALL[name], adapter, 0.0)
    for stage in recipe["stages"]:
        stage["batch"]["microbatch_tokens"] = 16
    out = retained.train(folder, recipe, folder / str(uuid4()))
    retained.assert_agree(out, there)
    padded, tokens = (
        [
            sum(
                row[key] if key == "padded_tokens" else sum(row[key].values())
                for row in retained.rows(run / "stages/02-two/steps.jsonl")
            )
            for run in (there, out)
        ]
        for key in ("padded_tokens", "tokens")
    )
    assert padded[0] > tokens[0], "rows went through one by one"
    assert padded[1] == tokens[1]


BALANCED = [
    *(case(kind, retained.adapters(ALL[kind])[-1]) for kind in KINDS),
    *(case(name, retained.adapters(ALL[name])[0]) for name in TOGETHER),
]


@pytest.mark.parametrize("balance", ["upgrad", "agem"])
@pytest.mark.parametrize(("name", "adapter"), BALANCED)
def test_measured_steps_train_the_same_under_a_balancer_by_gradient(
    folder, whole, name, adapter, balance
):
    retain = ALL[name]
    if balance == "agem" and all(one["kind"] != "replay" for one in retain):
        retain = [retained.REPLAY, *retain]
    runs = []
    for every in (0, 1):
        recipe = retained.keys(retain, adapter, 0.0)
        for stage in recipe["stages"][1:]:
            stage |= {"balance": balance, "gradients": {"measure_every": every}}
        runs.append(retained.train(folder, recipe, folder / str(uuid4())))
    retained.assert_agree(*runs)
    for run, expected in zip(runs, (False, True), strict=True):
        for stage in STAGES[1:]:
            steps = retained.rows(run / f"stages/{stage}/steps.jsonl")
            assert [("conflict" in row) for row in steps] == [expected] * len(steps)


@pytest.mark.parametrize(("name", "adapter"), EACH + JOINED)
def test_what_a_stage_leaves_scores_the_same_outside(folder, whole, name, adapter):
    """Loaded with transformers and peft alone."""
    dropout = 0.1 if name in TOGETHER else 0.0
    run = whole(name, adapter, dropout=dropout)
    recipe = retained.keys(ALL[name], adapter, dropout)
    scored = {stage: retained.scores(folder, recipe, run, stage) for stage in STAGES}
    assert len({str(found) for found in scored.values()}) == len(STAGES), "stages change nothing"
    for stage, found in scored.items():
        for task, rows in found.items():
            written = retained.rows(run / f"predictions/{stage}/{task}.jsonl")
            assert rows == pytest.approx(retained.numbers(written), rel=1e-4, abs=1e-5), task
