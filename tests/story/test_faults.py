"""Whatever ends a run, what it then becomes with --resume is what it would have become."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

import tiny
import tiny_run
from madrigal.pipeline.folder import locked
from madrigal.report import write_report

KILLS = 20


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    return tiny_run.write_recipe(tmp_path_factory.mktemp("recipe"))


@pytest.fixture(scope="module")
def whole(forker, recipe, tmp_path_factory):
    """A run that nothing interrupts, and the seconds that it took."""
    out = tmp_path_factory.mktemp("whole") / "run"
    answer = forker.madrigal("run", recipe, "--out", out)
    assert answer["code"] == 0, answer["said"]
    return out, answer["seconds"]


def without_times(run, work, manifest):
    """A copy of a run as if it had taken no time: name to bytes of every file that must agree.

    Checkpoints are left out (an interruption leaves one of its own), but for the newest of each
    stage. The report and the card are made anew, with the times of `manifest`.
    """
    shutil.copytree(run, work)
    for path in work.rglob("steps.jsonl"):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        kept = [json.dumps({k: v for k, v in row.items() if k != "seconds"}) for row in rows]
        path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    for path in work.rglob("retention.json"):
        costs = json.loads(path.read_text(encoding="utf-8"))
        del costs["peak_memory_bytes"], costs["seconds"]
        path.write_text(json.dumps(costs), encoding="utf-8")
    shutil.copy(manifest, work / "manifest.json")
    (work / "README.md").unlink()
    write_report(work)
    for folder in work.rglob("checkpoints"):
        for old in sorted(folder.iterdir())[:-1]:
            shutil.rmtree(old)
    return {
        path.relative_to(work).as_posix(): path.read_bytes()
        for path in sorted(work.rglob("*"))
        if path.is_file()
    }


def assert_same(run, whole, tmp_path):
    """Weights, journals, predictions, scores and report are the same bytes."""
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "finished"
    told = whole / "manifest.json"
    theirs = without_times(whole, tmp_path / "theirs", told)
    ours = without_times(run, tmp_path / "ours", told)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []
    for wanted in ("report.html", "README.md", "scores.json", "stages/01-together/steps.jsonl",
                   "stages/02-after/model/model.safetensors", "predictions/single/echo.jsonl",
                   "baselines/mood/01-together/model/model.safetensors"):  # fmt: skip
        assert wanted in ours
    before = json.loads(told.read_text(encoding="utf-8"))
    for key in ("seed", "recipe_sha256", "data", "model", "shares", "tokens", "flops"):
        assert manifest[key] == before[key], key


def test_the_reference_is_no_accident(forker, recipe, whole, tmp_path):
    """The same run once more is the same bytes; another seed is not."""
    out = tmp_path / "run"
    assert forker.madrigal("run", recipe, "--out", out)["code"] == 0
    assert_same(out, whole[0], tmp_path)
    answer = forker.madrigal("run", recipe, "--out", tmp_path / "other", "--set", "seed=4")
    assert answer["code"] == 0
    name = "stages/01-together/model/model.safetensors"
    assert (tmp_path / "other" / name).read_bytes() != (whole[0] / name).read_bytes()


def test_killed_at_twenty_random_points(forker, recipe, whole, tmp_path):
    reference, seconds = whole
    chance = random.Random(20)
    kills = lives = 0
    while kills < KILLS:
        lives += 1
        out = tmp_path / f"run-{lives}"
        while True:
            wait = chance.uniform(0.02, 0.6) * seconds if kills < KILLS else None
            answer = forker.madrigal("run", recipe, "--out", out, "--resume", kill_after=wait)
            if answer["code"] == 0:
                break
            assert answer["code"] == -signal.SIGKILL, answer["said"]
            kills += 1
        assert_same(out, reference, tmp_path / str(lives))
    assert kills == KILLS


def test_a_finished_run_resumed_changes_nothing(forker, recipe, whole, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(whole[0], out)
    answer = forker.madrigal("run", recipe, "--out", out, "--resume")
    assert answer["code"] == 0, answer["said"]
    assert_same(out, whole[0], tmp_path)


def test_a_damaged_newest_checkpoint_costs_some_steps_and_nothing_else(
    forker, recipe, whole, tmp_path
):
    """The end of the first stage is not there, its newest checkpoint is torn."""
    out = tmp_path / "run"
    shutil.copytree(whole[0], out)
    for name in ("stages/01-together/done.json", "scores.json", "report.html", "README.md"):
        (out / name).unlink()
    for name in ("stages/02-after", "predictions/01-together", "predictions/02-after"):
        shutil.rmtree(out / name)
    newest = max((out / "stages/01-together/checkpoints").iterdir())
    weights = newest / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-7])
    answer = forker.madrigal("run", recipe, "--out", out, "--resume")
    assert answer["code"] == 0, answer["said"]
    assert_same(out, whole[0], tmp_path)


def test_a_finished_stage_whose_weights_are_damaged_is_said_to_be(forker, recipe, whole, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(whole[0], out)
    (out / "stages/01-together/checkpoints/step-000008/weights.safetensors").write_bytes(b"")
    answer = forker.madrigal("run", recipe, "--out", out, "--resume")
    assert answer["code"] == 2
    assert answer["said"].splitlines()[-1] == (
        f"{out}/stages/01-together: the checkpoint of step 8 is missing or damaged; "
        "start anew with another --out"
    )


def test_control_c(forker, recipe, whole, tmp_path):
    """The real command, the real signal: a checkpoint, how to go on, exit code 130."""
    out = tmp_path / "run"
    words = ["run", str(recipe), "--out", str(out)]
    running = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "madrigal", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"MADRIGAL_DEVICE": "cpu", "OMP_NUM_THREADS": "1"},
    )
    steps = out / "stages" / "01-together" / "steps.jsonl"
    while not steps.exists() and running.poll() is None:
        time.sleep(0.002)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=120)
    assert running.returncode == 130
    assert said.splitlines()[-1] == (
        f"interrupted; go on with: madrigal run {recipe} --out {out} --resume"
    )
    assert "Traceback" not in said
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "interrupted"
    done = len(steps.read_text(encoding="utf-8").splitlines())
    assert (steps.parent / "checkpoints" / f"step-{done:06d}" / "sha256.json").exists()
    answer = forker.madrigal(*words, "--resume")
    assert answer["code"] == 0, answer["said"]
    assert_same(out, whole[0], tmp_path)


@pytest.fixture
def small_disk(forker, tmp_path):
    """A folder on a file system of its own; `resize(bytes)` gives it another size."""
    if not forker.can_mount:
        pytest.skip("this kernel lets no user mount a file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    forker.shell(f"mount -t tmpfs -o size=64k tmpfs {folder}")
    yield folder, lambda size: forker.shell(f"mount -o remount,size={size} {folder}")
    forker.shell(f"umount {folder}")


def test_a_full_disk(forker, recipe, whole, small_disk, tmp_path):
    """Wherever the room ends: exit code 3, one sentence; with more room it goes on as if nothing
    had been."""
    disk, resize = small_disk
    out = disk / "run"
    told = []
    for kilobytes in (64, 300, 700, 1100, 1500):
        resize(f"{kilobytes}k")
        answer = forker.madrigal("run", recipe, "--out", out, "--resume")
        assert answer["code"] == 3, (kilobytes, answer["said"])
        said = answer["said"].splitlines()
        told.append(said[-1])
        assert said[-1].startswith("stopped: disk full while writing ")
        assert said[-1].endswith(
            "; the last checkpoint is intact: make room and go on with --resume"
        )
        assert not any("Traceback" in line for line in said)
    assert len(set(told)) > 1, "the disk was always full at the same place"
    resize("64m")
    answer = forker.madrigal("run", recipe, "--out", out, "--resume")
    assert answer["code"] == 0, answer["said"]
    forker.shell(f"cp -r {out} {tmp_path}/copy")
    assert_same(tmp_path / "copy", whole[0], tmp_path)


class TestFolder:
    """Nobody's work is overwritten, and two runs do not write into one folder."""

    def refused(self, forker, *words):
        answer = forker.madrigal("run", *words)
        assert answer["code"] == 2
        return answer["said"].splitlines()[-1]

    def test_in_use(self, recipe, whole, forker, tmp_path):
        """Held by another living process; free as soon as that lets go."""
        out = tmp_path / "run"
        shutil.copytree(whole[0], out)
        with locked(out):
            assert self.refused(forker, recipe, "--out", out, "--resume") == (
                f"{out}: another run is writing here; wait for it or choose another --out"
            )
        assert forker.madrigal("run", recipe, "--out", out, "--resume")["code"] == 0

    def test_holds_a_run(self, recipe, whole, forker):
        before = {p: p.stat().st_mtime_ns for p in whole[0].rglob("*")}
        assert self.refused(forker, recipe, "--out", whole[0]) == (
            f"{whole[0]}: holds a run already; go on with --resume, or choose another --out"
        )
        assert before == {p: p.stat().st_mtime_ns for p in whole[0].rglob("*")}

    @pytest.mark.parametrize("resume", [(), ("--resume",)])
    def test_foreign(self, recipe, forker, tmp_path, resume):
        (tmp_path / "thesis.md").write_text("years of work", encoding="utf-8")
        assert self.refused(forker, recipe, "--out", tmp_path, *resume) == (
            f"{tmp_path}: not a run folder, it holds 'thesis.md'; choose another --out"
        )
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.md"]

    def test_a_file(self, recipe, forker, tmp_path):
        place = tmp_path / "thesis.md"
        place.write_text("years of work", encoding="utf-8")
        assert self.refused(forker, recipe, "--out", place) == (
            f"{place}: not a run folder, it holds 'thesis.md'; choose another --out"
        )

    def test_another_recipe(self, recipe, whole, forker):
        words = (recipe, "--out", whole[0], "--resume", "--set", "stages.0.optimiser.clip=0.5")
        assert self.refused(forker, *words) == (
            f"{whole[0]}: was made by another recipe than the one given; "
            "give the same recipe and --set, or choose another --out"
        )

    def test_other_data(self, whole, forker, recipe, tmp_path):
        out = tmp_path / "run"
        shutil.copytree(whole[0], out)
        train = recipe.parent / "mood.train.jsonl"
        before = train.read_text(encoding="utf-8")
        cards = (out / "data" / "mood.json").read_bytes()
        try:
            row = json.dumps({"text": "a new and sour noon", "label": "bad"})
            train.write_text(before + row + "\n", encoding="utf-8")
            assert self.refused(forker, recipe, "--out", out, "--resume") == (
                f"{out}: the data of task 'mood' changed since this run began; "
                "put the old data back, or choose another --out"
            )
        finally:
            train.write_text(before, encoding="utf-8")
        assert (out / "data" / "mood.json").read_bytes() == cards

    def test_an_empty_folder_and_a_new_one_are_welcome_with_resume(self, forker, tmp_path):
        keys = tiny_run.keys() | {"stages": [], "evaluate": {"draws": 200}}
        recipe = tiny_run.write_recipe(tmp_path / "recipe", keys)
        (tmp_path / "empty").mkdir()
        for name in ("empty", "new"):
            answer = forker.madrigal("run", recipe, "--out", tmp_path / name, "--resume")
            assert answer["code"] == 0, answer["said"]
            assert (tmp_path / name / "report.html").exists()


def test_losses_that_are_not_finite_end_with_exit_code_3(forker, tmp_path):
    """A base model whose head overflows: skipped, taken back, given up."""
    held = tiny.model()
    held.causal.lm_head.weight.data.fill_(3e38)
    held.network.save_pretrained(tmp_path / "base")
    held.tokenizer.save_pretrained(tmp_path / "base")
    keys = tiny_run.keys()
    keys |= {"model": {"base": str(tmp_path / "base"), "adapter": "full"}}
    keys["evaluate"] = {"base": False}
    # A validation would find the broken weights first, and stop with a sentence of its own.
    keys["stages"][0] |= {"steps": 20, "validate_every": 0, "early_stop": None}
    recipe = tiny_run.write_recipe(tmp_path / "recipe", keys)
    answer = forker.madrigal("run", recipe, "--out", tmp_path / "run")
    assert answer["code"] == 3, answer["said"]
    assert answer["said"].splitlines()[-1] == (
        "stopped: stage together: 3 non-finite steps in a row at step 9 (echo, mood); the last "
        "good checkpoint is kept: lower optimiser.learning_rate, or look at these tasks' data"
    )
    stage = tmp_path / "run" / "stages" / "01-together"
    events = [json.loads(x) for x in (stage / "events.jsonl").read_text("utf-8").splitlines()]
    kinds = ["skipped"] * 3 + ["rolled_back"]
    assert [event["kind"] for event in events] == kinds + kinds + ["skipped"] * 3
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"].startswith("stopped: stage together: 3 non-finite steps")
    assert not (tmp_path / "run" / "predictions").exists()
