import numpy as np
import pytest

from madrigal.errors import RecipeError
from madrigal.mixture import Draw, TaskSize, build_source
from madrigal.mixture.source import step_ends
from madrigal.recipe.curriculum import Curriculum, Difficulty
from madrigal.recipe.stage import Balanced, Batch, Proportional, Temperature, Uniform, Weights


def task(name="a", examples=100, length=10, strata=None, max_epochs=None):
    return TaskSize(name, np.full(examples, length), strata, max_epochs)


def source(tasks, mixture=None, rows=None, tokens=None, steps=10, epochs=None, seed=0):
    batch = Batch(rows=8 if rows is None and tokens is None else rows, tokens=tokens)
    steps = None if epochs is not None else steps
    return build_source(mixture or Proportional(), tasks, batch, steps, epochs, seed)


def drawn(schedule, name=None):
    draws = [d for step in range(schedule.steps) for d in schedule.draws(step)]
    return [d.index for d in draws if name in (None, d.task)]


def test_every_step_has_its_rows():
    schedule = source([task("a"), task("b", 300)], rows=7, steps=20)
    assert schedule.steps == 20
    assert {len(schedule.draws(step)) for step in range(20)} == {7}


def test_token_budget_is_filled_in_order_and_never_passed():
    lengths = np.array([3, 50, 7, 120, 9, 30] * 20)
    schedule = source([TaskSize("a", lengths)], tokens=100, steps=25)
    spent = [sum(lengths[d.index] for d in schedule.draws(s)) for s in range(25)]
    counts = [len(schedule.draws(s)) for s in range(25)]
    assert all(t <= 100 or n == 1 for t, n in zip(spent, counts, strict=True))
    for step in range(24):  # the next example would not have fitted
        assert spent[step] + lengths[schedule.draws(step + 1)[0].index] > 100


def test_step_ends():
    lengths = np.array([4, 4, 4, 20, 1, 9])
    assert step_ends(lengths, None, 10).tolist() == [2, 3, 4, 6]
    assert step_ends(lengths, 4, None).tolist() == [4, 6]


def test_epochs_see_every_example():
    schedule = source([task("a", 30), task("b", 70)], rows=8, epochs=1.0)
    assert schedule.steps == 13
    assert set(drawn(schedule, "a")) == set(range(30))
    assert set(drawn(schedule, "b")) == set(range(70))


def test_epochs_with_tokens():
    schedule = source([task("a", 30), task("b", 70)], tokens=40, epochs=2.0)
    assert schedule.steps == 50
    assert sorted(drawn(schedule, "a")) == sorted([*range(30)] * 2)


def test_one_epoch_under_a_cap_of_one_epoch_leaves_the_unfinished_step():
    schedule = source([task("a", 30, max_epochs=1.0)], rows=8, epochs=1.0)
    assert schedule.steps == 3
    assert len(set(drawn(schedule))) == 24


def test_an_epoch_smaller_than_a_step_under_a_cap():
    assert len(source([task("a", 5, max_epochs=1.0)], rows=8, epochs=1.0).draws(0)) == 5


def test_capped_task_is_spread_over_the_stage_and_the_others_get_the_rest():
    tasks = [task("a", 1000), task("b", 1000), task("c", 10, max_epochs=2.0)]
    schedule = source(tasks, Uniform(), rows=8, steps=100)
    achieved = schedule.achieved()
    assert achieved["c"].examples == 20
    assert achieved["c"].epochs == 2.0
    assert {achieved["a"].examples, achieved["b"].examples} == {390}
    assert schedule.asked_shares() == pytest.approx({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})
    assert 8 <= schedule.achieved(50)["c"].examples <= 12


def test_balanced_is_unimax():
    tasks = [task("a", 900), task("b", 90), task("c", 10)]
    schedule = source(tasks, Balanced(max_epochs=4.0), rows=12, steps=100)
    assert {k: v.examples for k, v in schedule.achieved().items()} == {"a": 800, "b": 360, "c": 40}
    assert schedule.asked_shares() == pytest.approx({"a": 2 / 3, "b": 0.3, "c": 1 / 30})


def test_all_capped_says_how_many_steps_are_possible():
    tasks = [task("a", 100, max_epochs=1.5), task("b", 50)]
    with pytest.raises(RecipeError) as caught:
        source(tasks, Balanced(max_epochs=2.0), rows=8, steps=400)
    assert str(caught.value) == (
        "mixture: 400 steps are asked for, but `max_epochs` ('a' 1.5, 'b' 2) allows 31 steps; "
        "ask for fewer, raise `max_epochs` or make the batch smaller"
    )
    assert source(tasks, Balanced(max_epochs=2.0), rows=8, steps=31).steps == 31


def test_all_capped_with_a_token_budget():
    with pytest.raises(RecipeError, match=r"400 steps are asked for.*allows 9 steps"):
        source([task("a", 100, 10, max_epochs=1.0)], tokens=100, steps=400)


def test_all_capped_with_epochs():
    with pytest.raises(RecipeError, match=r"3 epochs are asked for.*\('a' 1\) allows 12 steps"):
        source([task("a", 100, max_epochs=1.0)], epochs=3.0)


def test_token_unit_shares_tokens():
    tasks = [task("short", 100, 10), task("long", 100, 90)]
    achieved = source(tasks, Uniform(unit="tokens"), rows=10, steps=50).achieved()
    assert achieved["short"].share_of_tokens == pytest.approx(0.5, abs=0.01)
    assert achieved["short"].share_of_examples == pytest.approx(0.9, abs=0.01)


def test_token_unit_counts_what_the_strata_draw():
    # Half of the draws are long ones although only one example in ten is.
    lengths = np.array([10] * 90 + [110] * 10)
    strata = tuple(["s"] * 90 + ["l"] * 10)
    tasks = [TaskSize("mixed", lengths, strata), task("plain", 100, 60)]
    achieved = source(tasks, Uniform(unit="tokens", within="size"), rows=10, steps=50).achieved()
    assert achieved["mixed"].share_of_examples == pytest.approx(0.5, abs=0.01)
    assert achieved["mixed"].share_of_tokens == pytest.approx(0.5, abs=0.01)


def test_within_draws_the_values_evenly():
    strata = tuple(["yes"] * 90 + ["no"] * 9 + ["maybe"])
    plain = TaskSize("plain", np.full(50, 10))
    tasks = [TaskSize("a", np.full(100, 10), strata), plain]
    schedule = source(tasks, Uniform(within="label"), rows=6, steps=30)
    values = [strata[index] for index in drawn(schedule, "a")]
    assert {v: values.count(v) for v in set(values)} == {"yes": 30, "no": 30, "maybe": 30}
    assert all(len(set(values[i : i + 3])) == 3 for i in range(0, 90, 3))


def test_without_within_the_strata_do_not_matter():
    strata = tuple(["yes"] * 90 + ["no"] * 10)
    assert drawn(source([task(strata=strata)])) == drawn(source([task()]))


def test_within_keeps_each_example_under_its_cap():
    strata = tuple(["yes"] * 90 + ["no"] * 10)
    schedule = source(
        [task(strata=strata, max_epochs=2.0)], Uniform(within="label"), rows=10, steps=20
    )
    assert np.bincount(drawn(schedule)).tolist() == [2] * 100


def test_within_a_field_that_nobody_has():
    with pytest.raises(RecipeError, match=r"mixture\.within: no task of the stage has a field 'x'"):
        source([task()], Uniform(within="x"))


def test_the_fields_that_there_are_come_with_the_refusal():
    sizes = [TaskSize("a", np.full(4, 10), fields=("label", "place")), task("plain")]
    with pytest.raises(RecipeError) as refused:
        source(sizes, Uniform(within="plaec"))
    assert refused.value.mistakes == (
        "mixture.within: no task of the stage has a field 'plaec' to draw evenly over; "
        "did you mean 'place'? found 'label', 'place'",
    )


def test_only_keeps_the_draws_and_the_empty_steps():
    tasks = [task("a", 1000), task("b", 40)]
    both = source(tasks, rows=4, steps=60)
    alone = both.only("b")
    assert alone.steps == 60
    for step in range(60):
        assert alone.draws(step) == tuple(d for d in both.draws(step) if d.task == "b")
    assert any(not alone.draws(step) for step in range(60))
    assert alone.asked_shares() == {"b": 1.0}
    assert alone.achieved()["b"].examples == both.achieved()["b"].examples
    assert alone.achieved(0)["b"].share_of_examples == 0


def test_only_of_an_unknown_task():
    with pytest.raises(KeyError):
        source([task()]).only("b")


def test_steps_outside_are_refused():
    schedule = source([task()], steps=3)
    for step in (-1, 3):
        with pytest.raises(IndexError, match="schedule of 3 steps"):
            schedule.draws(step)
    with pytest.raises(IndexError):
        schedule.achieved(4)


def test_draws_are_plain_numbers():
    draw = source([task()]).draws(0)[0]
    assert isinstance(draw, Draw)
    assert type(draw.index) is int


@pytest.mark.parametrize(
    ("tasks", "sentence"),
    [
        ([task("a", 0)], "mixture: task 'a' has no training example; take it out of `learn`"),
        (
            [task("a", 5, max_epochs=0.1)],
            "tasks.a.max_epochs: 0.1 of 5 examples is not one whole example; "
            "raise it or take the task out of `learn`",
        ),
    ],
)
def test_mistakes(tasks, sentence):
    with pytest.raises(RecipeError) as caught:
        source(tasks)
    assert str(caught.value) == sentence


def test_steps_or_epochs():
    with pytest.raises(RecipeError, match="one of `steps` and `epochs`"):
        build_source(Proportional(), [task()], Batch(rows=8), 3, 1.0, 0)


def test_temperature_and_weights_reach_the_schedule():
    tasks = [task("a", 1600), task("b", 100)]
    achieved = source(tasks, Temperature(temperature=2.0), rows=10, steps=50).achieved()
    assert achieved["b"].examples == 100
    achieved = source(tasks, Weights(weights={"a": 1.0, "b": 4.0}), rows=10, steps=50).achieved()
    assert achieved["b"].examples == 400


def test_tasks_that_would_come_in_together_by_rounding_are_refused():
    """Fewer steps than the curriculum has points."""
    curriculum = Curriculum(enter={"b": 0.2, "c": 0.4})
    tasks = [task("a"), task("b"), task("c")]
    with pytest.raises(RecipeError) as refused:
        build_source(Uniform(), tasks, Batch(rows=8), 2, None, 0, curriculum)
    assert refused.value.mistakes == (
        "curriculum.enter: 'b' (0.2) and 'c' (0.4) would come in at the same of 2 steps; take "
        "more steps, or give both the same share",
    )
    fits = build_source(Uniform(), tasks, Batch(rows=8), 5, None, 0, curriculum)
    assert [len({draw.task for draw in fits.draws(step)}) for step in range(5)] == [1, 2, 3, 3, 3]


def test_a_curriculum_beside_caps_is_refused():
    tasks = [task("a"), task("b", max_epochs=2.0)]
    with pytest.raises(RecipeError, match="curriculum: 'b' may have 2 passes over its examples"):
        build_source(
            Uniform(), tasks, Batch(rows=8), 2, None, 0, Curriculum(difficulty=Difficulty())
        )


def test_a_curriculum_over_epochs_counted_in_tokens():
    curriculum = Curriculum(enter={"b": 0.5}, difficulty=Difficulty(start=0.5))
    found = build_source(
        Uniform(), [task("a", 30), task("b", 30)], Batch(tokens=40), None, 2.0, 0, curriculum
    )
    assert len(found.task) == 120
    first = next(s for s in range(found.steps) if "b" in {d.task for d in found.draws(s)})
    assert first == found.steps // 2
