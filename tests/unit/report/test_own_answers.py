import pytest

from madrigal.report.folder import StageLog
from madrigal.report.own_answers import own_answers, rewarded


def rollout(step, reward, task="sums", **means):
    sample = {"prompt": "1 + 1?", "answer": f"<{step}>", "reward": reward, "divergence": 0.5,
              "tokens": 2, "ended": step < 9}  # fmt: skip
    known = {"reward": reward, "divergence": step / 10, "entropy": 2.0, "tokens": 4.0}
    return {"step": step, "task": task, "means": known | means, "samples": [sample]}


def view(rewards, events=(), **means):
    rows = tuple(rollout(n, reward, **means) for n, reward in enumerate(rewards, 1))
    (one,) = own_answers([StageLog("act", rollouts=rows, events=tuple(events))])
    return one


RISING = [0.1, 0.12, 0.2, 0.3, 0.5, 0.7, 0.8, 0.85, 0.88, 0.9]


@pytest.mark.parametrize(
    ("rewards", "words"),
    [
        (
            RISING,
            "The reward of sums rose: from 0.11 to 0.89; tokens an answer from 4 to 4; 1 nats",
        ),
        (RISING[::-1], "The reward of sums fell: from 0.89 to 0.11"),
        ([0.1, 0.9] * 5, "The reward of sums did not clearly move"),
        ([0.1, 0.9], "sums: too few rollouts to compare the first with the last."),
    ],
)
def test_what_became_of_the_reward(rewards, words):
    assert view(rewards).said.startswith(words)


def test_charts_signs_and_answers():
    events = [
        {"step": 4, "kind": "sign", "text": "sums: Answers grew from 4 to 9 tokens."},
        {"step": 4, "kind": "sign", "text": "other: Something."},
        {"step": 5, "kind": "rolled_back", "text": "sums: model and optimiser taken back."},
        {"step": 6, "kind": "skipped", "text": "Step 6 skipped."},
    ]
    one = view(RISING, events, gold=0.3)
    assert one.signs == (
        "Step 4: Answers grew from 4 to 9 tokens.",
        "Step 5: model and optimiser taken back.",
    )
    assert [chart.title for chart in one.charts] == ["reward", "divergence", "entropy", "length"]
    assert "the gold reward from 0.30 to 0.30" in one.said
    assert one.answers[0] == ("1 + 1?", "<1>", "first rollout, reward 0.10, 0.50 nats away")
    assert one.answers[-1][2].endswith("no end")
    at_signs = [(answer, facts.partition(", reward")[0]) for _, answer, facts in one.answers[1:-1]]
    assert at_signs == [("<4>", "step 4, a sign"), ("<5>", "step 5, a sign")]


def test_looks_and_answers_without_a_reward():
    rows = [rollout(n, reward) for n, reward in enumerate(RISING, 1)]
    bad = [{"where": f"x:{n}", "why": "KeyError: 7"} for n in range(4)]
    rows[3]["unrewarded"], rows[4]["unrewarded"] = bad[:1], bad[1:]
    looks = [{"step": 10 * n, "task": "sums", "prompts": 64, "seconds": 1.5,
              "means": {"gold": 0.9 - 0.2 * n, "reward": 1.0 + n}} for n in range(3)]  # fmt: skip
    (one,) = own_answers([StageLog("act", rollouts=tuple(rows), looks=tuple(looks))])
    assert one.said.endswith(
        "The likeliest answers to 64 held-out prompts were looked at 3 times, in "
        "4.5\N{NO-BREAK SPACE}s: gold reward from 0.90 to 0.50, reward in training from 1 to 3. "
        "4 answers got no reward "
        "and taught nothing: x:0 (KeyError: 7), x:1 (KeyError: 7), x:2 (KeyError: 7), …."
    )
    assert [chart.title for chart in one.charts][-1] == "likeliest answers"


def test_nothing_was_written_or_the_file_is_odd():
    assert own_answers([StageLog("a")]) == ()
    odd = ({"step": 1, "task": "t"}, {"step": "x", "task": "t", "means": None, "samples": [None]})
    (one,) = own_answers([StageLog("a", rollouts=odd)])
    assert one.charts == ()
    assert one.said.startswith("t: too few")


def test_the_summary_says_what_became_of_each_reward():
    rows = [*(rollout(n, r) for n, r in enumerate(RISING, 1)), rollout(1, 0.5, "other")]
    events = ({"step": 4, "kind": "sign", "text": "sums: Answers grew from 4 to 9 tokens."},)
    stages = [StageLog("act", rollouts=tuple(rows), events=events), StageLog("plain")]
    assert rewarded(stages) == (
        "The reward of sums rose: from 0.11 to 0.89 (1 nats away, 1 sign told by its guard)."
    )
    assert rewarded([StageLog("plain")]) == ""
