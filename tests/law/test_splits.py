"""Whatever the records: duplicates never cross splits, and file order does not matter."""

from hypothesis import given, settings
from hypothesis import strategies as st

from madrigal.recipe.task import DataSettings
from madrigal.tasks.divide import divide
from madrigal.tasks.record import Record, Turn
from madrigal.tasks.split import draw, fingerprint, hold_out, hold_out_text, passages

SIDES = ("train", "validation", "test")

prompts = st.text("abcé ", min_size=1, max_size=4)
# Plain values: the runtime type checks of a record made inside a strategy would use `random`.
records = st.tuples(prompts, st.sampled_from(["yes", "no"]))
shares = st.floats(0.01, 0.49)
seeds = st.integers(0, 2**31 - 1)
documents = st.text("ab c\n", min_size=1, max_size=3000)


def made(pairs):
    return [Record("x", (Turn("user", prompt),), (answer,)) for prompt, answer in pairs]


def kinds(some):
    return {fingerprint(record) for record in some}


def contents(some):
    return sorted((record.prompt, record.answers) for record in some)


@given(st.lists(records, min_size=1, max_size=60), shares, shares, seeds)
def test_duplicates_never_cross_and_nothing_is_lost(pairs, validation, test, seed):
    some = made(pairs)
    sides = hold_out(some, validation, test, seed)
    assert contents([r for side in SIDES for r in sides[side]]) == contents(some)
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not kinds(sides[one]) & kinds(sides[other])
    assert sides["train"], "something is left to train on"
    different = len(kinds(some))
    assert bool(sides["test"]) == (different > 1), "a share above 0 holds out at least one"
    assert bool(sides["validation"]) == (different > 2)


@given(st.lists(records, min_size=1, max_size=40), shares, shares, seeds, st.randoms())
def test_the_order_of_the_file_does_not_matter(pairs, validation, test, seed, random):
    some = made(pairs)
    shuffled = list(some)
    random.shuffle(shuffled)
    before = hold_out(some, validation, test, seed)
    after = hold_out(shuffled, validation, test, seed)
    for side in SIDES:
        assert contents(before[side]) == contents(after[side])
        chosen = (contents(draw(sides[side], 5, seed)) for sides in (before, after))
        assert next(chosen) == next(chosen), "nor for what max_train draws"


@given(st.lists(prompts, min_size=30, max_size=60, unique=True), prompts, seeds)
def test_a_new_record_moves_nobody_else(some, new, seed):
    old = made((prompt, "a") for prompt in some)
    more = [*old, *made([(new, "a")])]
    before, after = hold_out(old, 0.3, 0.3, seed), hold_out(more, 0.3, 0.3, seed)
    if all(before[side] for side in SIDES):
        for side in SIDES:
            assert set(contents(before[side])) <= set(contents(after[side]))


@given(st.lists(records, min_size=2, max_size=40), st.lists(records, max_size=20),
       st.lists(records, min_size=1, max_size=20), seeds)  # fmt: skip
def test_given_files_never_leak_into_training(train, validation, test, seed):
    train, validation, test = made(train), made(validation), made(test)
    given_files = {"train": train, "validation": validation, "test": test}
    data = DataSettings.model_validate(
        {"train": "a", "validation": "b", "test": "c", "max_validation": None}
    )
    divided = divide("t", data, given_files, "prompt_completion", seed)
    sides = divided.splits
    assert contents(sides["test"]) == contents(test), "the test file is left whole"
    assert not kinds(sides["train"]) & (kinds(test) | kinds(validation))
    assert not kinds(sides["validation"]) & kinds(test)
    kept = sum(map(len, sides.values()))
    assert divided.counts["dropped"] == len(train) + len(validation) + len(test) - kept


@settings(max_examples=50)
@given(st.lists(documents, min_size=1, max_size=6), seeds)
def test_raw_text_is_cut_without_loss(texts, seed):
    some = [Record("x", text=text) for text in texts]
    for record in some:
        assert "".join(p.text for p in passages(record)) == record.text
    sides = hold_out_text(some, 0.2, 0.2, seed)
    letters = sorted("".join(r.text for r in some).replace(" ", "").replace("\n", ""))
    kept = "".join(r.text for side in SIDES for r in sides[side])
    assert sorted(kept.replace(" ", "").replace("\n", "")) == letters
