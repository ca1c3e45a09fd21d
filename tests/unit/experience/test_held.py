import numpy as np

from madrigal.experience.held import Held, aged, held_tensors, read_held
from madrigal.tasks.encoded import Acted, Encoded


def row(prompt, size, **more):
    numbers = np.random.default_rng([prompt, size])
    parts = {name: numbers.normal(size=size) for name in ("old", "advantage", *more)}
    length = prompt + size
    return Encoded(
        numbers.integers(0, 99, length),
        np.arange(length) >= prompt,
        acted=Acted(**parts, fresh=1e-3, kept=numbers.integers(0, 256, (size, 3), dtype=np.uint8)),
    )


def test_what_is_written_is_read_again():
    critic = {"value": 0, "returns": 0}
    held = {
        "a": Held(4, [aged((row(3, 2), row(3, 1))), None, aged((row(5, 4),))]),
        "b/c": Held(0, [aged((row(2, 1, **critic),))]),
        "none": Held(6, [None]),
    }
    found = read_held(held_tensors(held))
    assert found.keys() == held.keys()
    for task, one in held.items():
        again = found[task]
        assert again.first == one.first
        assert [e is None for e in again.examples] == [e is None for e in one.examples]
        for left, right in zip(one.examples, again.examples, strict=True):
            for mine, theirs in zip(left or (), right or (), strict=True):
                np.testing.assert_array_equal(mine.tokens, theirs.tokens)
                np.testing.assert_array_equal(mine.trained, theirs.trained)
                assert mine.acted.fresh is theirs.acted.fresh is None
                for name in ("old", "advantage", "reference", "value", "returns", "kept"):
                    np.testing.assert_array_equal(
                        getattr(mine.acted, name), getattr(theirs.acted, name)
                    )
