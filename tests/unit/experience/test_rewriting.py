"""Texts in a generator's words: what is asked, one request after another, and what is kept."""

import pytest

from madrigal.experience.generator import Said, Sampling
from madrigal.experience.rewriting import KEPT, Bounds, Written, fate, rewritten, same

BEFORE = "the old film cost 1,200 crowns and was slow"


def written(text, ended=True):
    return Written(text, ended)


@pytest.mark.parametrize(("after", "why"), [
    ("that aged movie was slow and took 1200 crowns", KEPT),
    ("", "empty"),
    ("...", "empty"),
    ("The old film cost 1,200 crowns, and was slow!", "the same words"),
    ("slow", "too short"),
    ("I'm sorry, but I can't help with saying this 1,200 times", "a refusal"),
    ("that aged movie was slow and took 1300 crowns", "other numbers"),
    ("that aged movie was slow and took many crowns", "other numbers"),
    ("that aged movie was slow, negative, and took 1200", "names a label"),
    ("an aged film was slow and its cost 1200 crowns", "there already"),
    (" ".join(["slow 1200"] + ["film"] * 40), "too long"),
])  # fmt: skip
def test_only_another_wording_is_kept(after, why):
    known = {same("An aged film was slow, and its cost 1200 crowns.")}
    assert fate(BEFORE, written(after), Bounds(), ("negative", "positive"), known) == why


def test_what_did_not_end_and_what_the_text_said_itself():
    assert fate(BEFORE, written("that aged movie took 1200", False), Bounds(), (), ()) == "cut off"
    assert (
        fate("a positive film", written("some positive movie"), Bounds(), ("positive",), ()) == KEPT
    )
    loose = Bounds(0.0, 10.0, numbers=False)
    assert fate(BEFORE, written("slow"), loose, (), ()) == KEPT


def test_each_text_goes_its_way_and_an_empty_one_ends():
    asked = []

    def ask(some):
        asked.append([one.turns[0].text for one in some])
        assert {one.purpose for one in some} == {"rewrite"}
        texts = [one.turns[0].text for one in some]
        return [Said("" if "nil" in one else f'"{one}!"', "cut" not in one) for one in texts]

    ways = [["A {text}", "B {text}"], ["C {text}"], ["D {text}", "E {text}"], ["F {text}"]]
    found = rewritten(["one", "two {x}", "nil", "cut"], ways, ask, Sampling(), 3)
    assert asked == [["A one", "C two {x}", "D nil", "F cut"], ["B A one!"]]
    assert [one.text for one in found] == ["B A one!!", "C two {x}!", "", "F cut!"]
    assert [one.ended for one in found] == [True, True, True, False]
    kept = rewritten(['"one"'], [["{text}"]], lambda some: [Said('"uno"')], Sampling(), 0)
    assert kept[0].text == '"uno"'  # marks that the text had itself
