"""What keeping the past cost, counted by hand from a few made-up steps."""

import pytest

from fake_run import write_json
from in_sequence import scores, write_stage
from madrigal.report.cost_figure import Place, cost_figure
from madrigal.report.folder import read_run
from madrigal.report.numbers import Interval
from madrigal.report.retention import kind_costs, stage_costs
from madrigal.report.retention_view import retention_view, stage_change
from madrigal.report.scoreboard import read_scores

TWO = {
    "settings": {"replay": {"share": 0.1}, "ewc": {}},
    "replayed": {"a": 5},
    "flops": {"own": 1000, "replay": 500, "ewc": 10},
    "seconds": {"replay": 0.25},
    "memory_bytes": {"replay": 70, "ewc": 800},
    "inference_bytes": 2000,
    "peak_memory_bytes": 9000,
}
THREE = {"settings": {"o_lora": {}}, "flops": {"own": 900, "o_lora": 9}, "inference_bytes": 3500}


@pytest.fixture
def run(tmp_path):
    ewc = {"seconds": 2.5, "bytes": 300, "flops": 100, "peak_memory_bytes": 5000}
    kept = {"ewc": ewc, "replay": {"seconds": 0.5, "bytes": 40}}
    write_stage(tmp_path, "01-one", "a", kept=kept)
    write_stage(tmp_path, "02-two", "b", TWO, replayed=30, spent={"ewc": 0.2}, kept=kept)
    write_stage(tmp_path, "03-three", "c", THREE, spent={"o_lora": 0.1})
    write_json(tmp_path / "scores.json", scores())
    return tmp_path


def test_a_step_is_shared_out_between_own_work_and_remedies(run):
    one, two, three = stage_costs(read_run(run))
    assert (one.own_seconds, one.seconds, one.words) == (10, {}, "")
    # Ten steps of 1 s: 0.2 s of EWC, the rest by tokens, 30 replayed beside 10 of its own.
    assert two.seconds == pytest.approx({"ewc": 2.0, "replay": 6.0})
    assert two.own_seconds == pytest.approx(2.0)
    assert (two.share, two.words) == (pytest.approx(4.0), "replay and EWC")
    assert three.step_seconds == pytest.approx(0.9)


def test_a_kind_is_summed_over_the_stages_in_which_it_was_on(run):
    replay, ewc, o_lora = kind_costs(stage_costs(read_run(run)))
    assert (replay.kind, replay.stages, replay.seconds) == (
        "replay",
        ("02-two",),
        pytest.approx(6.0),
    )
    assert (replay.flops, replay.flops_share) == (500, 0.5)
    assert (replay.memory, replay.kept, replay.between) == (70, 80, 1.25)
    assert (ewc.kept, ewc.between, ewc.share) == (600, 5.0, pytest.approx(1.0))
    # Each of two stages estimated what was important in it; the steps of the second used it.
    assert (ewc.flops, ewc.flops_share, ewc.peak) == (210, 0.21, 5000)
    assert (replay.peak, o_lora.peak) == (None, None)
    assert (replay.inference, ewc.inference, o_lora.inference) == (0, 0, 1500)


def test_a_run_from_before_these_files_says_what_it_can(tmp_path):
    write_stage(tmp_path, "01-one", "a")
    write_stage(tmp_path, "02-two", "b", replayed=10, spent={"distill": 0.5})
    stages = [{"name": "one", "learn": ["a"]}, {"name": "two", "learn": ["b"]}]
    stages[1]["retain"] = [{"kind": "replay"}, {"kind": "distill"}]
    write_json(tmp_path / "recipe.yaml", {"stages": stages})
    replay, distill = kind_costs(stage_costs(read_run(tmp_path)))
    assert (replay.seconds, distill.seconds) == (2.5, 5.0)
    assert (replay.flops, replay.memory, distill.kept) == (None, None, 0)
    view = retention_view(read_scores(read_run(tmp_path)), stage_costs(read_run(tmp_path)))
    assert [(kind.name, kind.flops, kind.memory) for kind in view.kinds] == [
        ("replay", "–", "–"),
        ("distillation", "–", "–"),
    ]


def test_what_an_earlier_run_left_counts_and_is_no_stage(run):
    kept = {"ewc": {"seconds": 1.0, "bytes": 7}}
    write_json(run / "stages/00-before/kept/costs.json", kept)
    folder = read_run(run)
    assert [log.name for log in folder.stages] == ["01-one", "02-two", "03-three"]
    ewc = kind_costs(stage_costs(folder))[1]
    assert (ewc.kept, ewc.between) == (607, 6.0)


def test_the_table_of_stages(run):
    board = read_scores(read_run(run))
    view = retention_view(board, stage_costs(read_run(run)))
    rows = [(row.name, row.on, row.change, row.outcome, row.lost) for row in view.stages]
    assert rows == [
        ("one", "nothing", "–", "", ""),
        ("two", "replay and EWC", "−40.0", "worse", "a"),
        ("three", "O-LoRA", "−1.5", "", ""),
    ]
    assert stage_change(board, "03-three").low == pytest.approx(-0.015 - 0.04 / 2**0.5)
    assert view.stages[1].share == "+400.0\N{NO-BREAK SPACE}%"
    assert "two: replay and EWC" in view.figure
    assert "one:" not in view.figure


def test_kl_to_the_base_stands_beside_where_it_was_measured(run):
    assert not retention_view(read_scores(read_run(run)), ()).has_kl
    kl = {"02-two": {"b": {"value": 0.25}, "c": {"value": 0.5}}}
    write_json(run / "scores.json", scores(summary={"kl_to_base": kl}))
    view = retention_view(read_scores(read_run(run)), stage_costs(read_run(run)))
    assert view.has_kl
    assert [row.kl for row in view.stages] == ["–", "0.375", "–"]


def test_junk_in_the_files_of_costs_is_survived(run):
    for junk in (None, 3, "x", [], {"settings": 3}, {"flops": {"own": "x"}, "settings": {"x": 1}}):
        write_json(run / "stages/02-two/retention.json", junk)
        write_json(run / "stages/02-two/kept/costs.json", junk)
        folder = read_run(run)
        retention_view(read_scores(folder), stage_costs(folder))


def test_labels_of_a_picture_stand_apart():
    places = [Place(name, 10 + i, Interval(-5, -9, -1)) for i, name in enumerate(("abc", "defg"))]
    places.append(Place("h", 10, Interval(-5.2)))
    drawn = cost_figure(places, name="x", x_name="s", y_name="points")
    heights = [part.split('"')[3] for part in drawn.split('<text class="name" ')[1:]]
    assert len(set(heights)) >= 2
    assert cost_figure(places[:1], name="x", x_name="s", y_name="points") == ""
    free = [Place(name, 0.0, Interval(-5)) for name in "ab"]
    assert cost_figure(free, name="x", x_name="s", y_name="points") == ""


def test_structure_says_what_it_adds_at_inference(run):
    body = {"settings": {"isolation": {}, "agem": {}}, "memory_bytes": {"agem": 64}}
    body |= {"inference_bytes": 9000, "inference_added_bytes": {"isolation": 4000}}
    write_json(run / "stages/03-three/retention.json", body)
    view = retention_view(read_scores(read_run(run)), stage_costs(read_run(run)))
    assert view.guards
    assert [(kind.name, kind.memory, kind.inference) for kind in view.kinds[2:]] == [
        ("isolation", "–", "4.00\N{NO-BREAK SPACE}kB"),
        ("A-GEM", "64\N{NO-BREAK SPACE}B", "0"),
    ]
