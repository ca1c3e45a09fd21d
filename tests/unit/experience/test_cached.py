"""Nothing is asked twice, and blocks stay whole."""

import pytest

from madrigal.errors import DataError
from madrigal.experience.cached import FILE, Cached, Kept
from madrigal.experience.generator import Asked, Said, Sampling
from madrigal.experience.usage import Counted, Price
from madrigal.tasks.record import Turn


class Counting:
    """Says the number of the call's place in its block, so that another block says another."""

    def __init__(self, name="counting", block=1, dies_after=None):
        self.name, self.block = name, block
        self.seen = []
        self.dies_after = dies_after

    def answer(self, asked, heard):
        found = []
        for place, one in enumerate(asked):
            if self.dies_after is not None and len(self.seen) >= self.dies_after:
                raise KeyboardInterrupt
            self.seen.append(one)
            found.append(Said(f"{one.turns[-1].text} {place % self.block}", read=10, written=2))
            heard(place, found[-1])
        return found


def asked(*texts, **more):
    return [Asked((Turn("user", text),), **more) for text in texts]


def test_equal_requests_are_asked_once(tmp_path):
    inner = Counting()
    said = Cached(inner, Kept(tmp_path)).answer(asked("a", "b", "a"))
    assert [one.text for one in said] == ["a 0", "b 0", "a 0"]
    assert len(inner.seen) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"words": ("A",)},
        {"sampling": Sampling(temperature=0.5)},
        {"sampling": Sampling(top_p=0.5)},
        {"sampling": Sampling(max_tokens=5)},
        {"sampling": Sampling(stop=("x",))},
    ],
)
def test_whatever_decides_on_the_text_is_in_the_key(tmp_path, other):
    inner = Counting()
    Cached(inner, Kept(tmp_path)).answer([*asked("a"), *asked("a", **other)])
    assert len(inner.seen) == 2


def test_purpose_and_a_role_are_no_other_and_another_text(tmp_path):
    inner = Counting()
    Cached(inner, Kept(tmp_path)).answer([*asked("a"), *asked("a", purpose="critique")])
    assert len(inner.seen) == 1
    Cached(inner, Kept(tmp_path)).answer([Asked((Turn("assistant", "a"),))])
    assert len(inner.seen) == 2


def test_another_model_is_asked_anew(tmp_path):
    kept = Kept(tmp_path)
    one, other = Counting("one"), Counting("other")
    Cached(one, kept).answer(asked("a"))
    Cached(other, kept).answer(asked("a"))
    assert len(other.seen) == 1


def test_a_block_that_was_torn_is_asked_for_whole(tmp_path):
    texts = [str(n) for n in range(10)]
    whole = Cached(Counting(block=4), Kept(tmp_path / "whole")).answer(asked(*texts))
    kept = Kept(tmp_path / "torn")
    with pytest.raises(KeyboardInterrupt):
        Cached(Counting(block=4, dies_after=6), kept).answer(asked(*texts))
    inner = Counting(block=4)
    again = Cached(inner, Kept(tmp_path / "torn")).answer(asked(*texts))
    assert again == whole
    # The first block was whole, the second was torn after two.
    assert [one.turns[0].text for one in inner.seen] == texts[4:]


def test_a_damaged_line_is_named(tmp_path):
    (tmp_path / FILE).write_text('{"key": "x"}\n')
    with pytest.raises(DataError, match=rf"{FILE}:1: is no answer that was kept; remove the line"):
        Kept(tmp_path)


def test_usage_counts_each_request_once_and_is_the_same_from_the_cache(tmp_path):
    found = []
    for _ in range(2):
        ask = Counted(Cached(Counting(), Kept(tmp_path)), Price(read=1.0, written=10.0))
        ask(asked("a", "b", "a"))
        ask(asked("c", purpose="critique"))
        found.append(ask.usage)
    assert found[0] == found[1]
    assert (found[0]["answer"].calls, found[0]["answer"].read) == (2, 20)
    assert found[0]["answer"].cost == pytest.approx((20 * 1.0 + 4 * 10.0) / 1e6)
    assert found[0]["critique"].calls == 1
