"""What the report says of preferences, in words."""

import re
from dataclasses import replace

import pytest

from madrigal.report.numbers import DASH, SPACE, Interval
from madrigal.report.preference_figures import scatter
from madrigal.report.preferences import _kl
from madrigal.report.preferred import Preferred, Side, fell, held, nats, signed, what_helps, wrote


def side(before, change, half):
    return Side(before, before + change, Interval(change, change - half, change + half))


LEVEL = {
    "n": 8,
    "tokens": {"value": 20},
    "ended": {"value": 1.0, "low": 0.7, "high": 1.0},
}
FELL = Preferred(
    stage="02-prefer",
    task="liked",
    before="base",
    objective={"kind": "dpo"},
    n=40,
    tokens=31.4,
    chosen=side(-40.0, -3.25, 0.75),
    rejected=side(-44.0, -9.1, 1.0),
    margin=side(4.0, 5.9, 1.0),
    kl=None,
    kl_to_base=None,
    written={},
    earlier=LEVEL,
)


def test_a_fall_is_said_with_what_the_others_did():
    assert FELL.chosen.fell
    assert fell(FELL) == (
        "The preferred answers of liked became less likely in stage prefer: by 3.2 nats an answer "
        "(2.5 to 4.0), of 31 tokens; the others fell by 9.1, so the margin grew by 5.9."
    )
    shrank = replace(FELL, rejected=side(-44.0, -2.0, 1.0), margin=side(4.0, -1.25, 0.5))
    assert fell(shrank).endswith("the others fell by 2.0, and the margin shrank by 1.2.")
    unsure = replace(FELL, margin=side(4.0, 0.7, 2.4))
    assert fell(unsure).endswith("and the margin is not surely another, +0.70 (−1.7 to +3.1).")


def test_what_did_not_fall_is_said_too():
    unclear = replace(FELL, chosen=side(-40.0, -0.5, 0.75))
    assert not unclear.chosen.fell
    assert held(unclear) == (
        "The preferred answers of liked did not surely become less likely in stage prefer: −0.50 "
        "(−1.2 to +0.25) nats an answer; their margin over the others +5.9 (+4.9 to +6.9)."
    )
    assert "became more likely" in held(replace(FELL, chosen=side(-40.0, 2.0, 0.75)))


@pytest.mark.parametrize(
    ("objective", "says", "not_"),
    [
        ({"kind": "dpo"}, "`likelihood: 0.2`", "more likelihood"),
        ({"kind": "dpo", "likelihood": 0.5}, "more likelihood (`likelihood: 1`", "some"),
        ({"kind": "dpo", "dpop": 5.0}, "normalise: tokens", "DPOP"),
        ({"kind": "dpo", "normalise": "tokens"}, "DPOP", "normalise: tokens"),
        ({"kind": "simpo"}, "`dpo` with `likelihood: 0.2`", "DPOP"),
        ({"kind": "correction", "likelihood": 0.5}, "more `likelihood` than 0.5", "DPOP"),
    ],
)
def test_what_helps_goes_by_what_was_done(objective, says, not_):
    told = what_helps(replace(FELL, objective=objective))
    assert says in told
    assert not_ not in told


def changed(tokens, repeated, ended, now=40):
    changes = {
        "tokens": {"value": tokens, "low": tokens - 2, "high": tokens + 2},
        "repeated": {"value": repeated, "low": repeated - 0.05, "high": repeated + 0.05},
    }
    after = {"tokens": {"value": now}, "ended": {"value": ended, "low": 0.0, "high": ended + 0.1}}
    return wrote(replace(FELL, written={"n": 8, "changes": changes, **after}))


def test_answers_that_grow_repeat_and_never_end_are_said():
    assert changed(20.0, 0.2, 0.25).replace(SPACE, " ") == (
        "Its own answers to prompts of liked became longer, 20.0 to 40.0 tokens, +20.0 (+18.0 to "
        "+22.0); they repeat themselves more, +20.0 points (+15.0 to +25.0) of their 4-grams; they "
        "end by themselves less often, 100 % to 25 %."
    )
    assert "became shorter, 20.0 to 9.0 tokens" in changed(-11.0, 0.0, 1.0, now=9)


def test_what_is_not_sure_or_small_is_not_said():
    assert changed(1.0, 0.01, 1.0, now=21) == ""
    assert changed(2.5, 0.0, 0.9, now=21) == ""  # sure, and not a tenth


def test_numbers_have_three_digits_and_nothing_has_no_sign():
    assert [nats(x) for x in (0.314, -4.25, 127.4, -0.001)] == ["0.31", "−4.2", "127", "0.00"]
    assert signed(Interval(1.2, -0.001, 2.0)) == "+1.2 (0.00 to +2.0)"
    assert signed(Interval(-1.2)) == "−1.2"


def test_an_example_that_fell_is_drawn_apart():
    drawn = scatter([(-2.0, -5.0), (1.0, -3.0), (0.5, 0.5)], (-0.2, -2.5), "a <picture>")
    assert drawn.count('class="example fell"') == 1
    assert drawn.count('class="example rose"') == 2
    assert "a &lt;picture&gt;" in drawn
    assert scatter([], (0.0, 0.0), "none") == ""
    many = [(i / 1000, -i / 1000) for i in range(1000)]
    assert scatter(many, (0.0, 0.0), "many").count("circle") <= 400


def test_a_divergence_has_its_interval():
    one = replace(FELL, kl=Interval(0.0206, 0.018, 0.0234), kl_to_base=Interval(0.5, 0.4, 0.6))
    assert _kl(one) == ("0.0206", "0.018 to 0.0234", "to the base 0.5")
    assert _kl(replace(one, kl_to_base=one.kl))[2] == ""
    assert _kl(FELL) == (DASH, "", "")


def test_the_words_stand_clear_of_the_zero_line():
    """All answers rose: then the zero line runs near the lower edge."""
    drawn = scatter([(1.0, 8.0), (9.0, 2.0)], (5.0, 5.0), "risen")
    zeros = re.findall(r'class="zero" [^>]*y1="([\d.]+)" y2="([\d.]+)"', drawn)
    (line,) = (float(one) for one, other in zeros if one == other)
    words = float(re.search(r'y="([\d.]+)"[^>]*>margin grew', drawn)[1])
    assert not line - 3 < words < line + 14
