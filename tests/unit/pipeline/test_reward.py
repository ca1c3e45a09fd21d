"""Rewards as settings name them."""

import numpy as np
import pytest
import yaml

from madrigal.experience.answer import Answer, Prompt
from madrigal.pipeline.reward import build_reward
from madrigal.recipe.policy import Rloo
from madrigal.tasks.record import Record, Turn

FILTER = {
    "rules": [
        {"name": "swearing", "kind": "words", "words": ["blast"], "severity": 0.8},
        {"name": "mild", "kind": "words", "words": ["drat"], "severity": 0.25, "action": "note"},
        {"name": "questions", "kind": "words", "words": ["bother"], "on": ["input"]},
    ]
}
TEXTS = ("blast it", "drat it", "bless it", "blast and drat", "")


def said(*texts):
    record = Record("here:1", (Turn("user", "blast, what now?"),))
    prompt = Prompt(np.arange(3), record, 9)
    return [Answer(prompt, np.arange(len(text)), text, True) for text in texts]


def rewarded(folder, rewards, texts=TEXTS, keep=None):
    settings = Rloo.model_validate({"reward": rewards}).reward
    return build_reward(settings, folder, 512, keep)(said(*texts)).rewards


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "filter.yaml").write_text(yaml.safe_dump(FILTER))
    judge = {"judge": {"kind": "rules", "words": ["blast", "drat"]}}
    (tmp_path / "judge.yaml").write_text(yaml.safe_dump(judge))
    return tmp_path


def test_a_filter_takes_a_price_for_what_it_holds_back(folder):
    one = {"kind": "filter", "file": "filter.yaml", "weight": 3.0}
    assert rewarded(folder, [one]).tolist() == [-3, 0, 0, -3, 0]
    graded = rewarded(folder, [one | {"graded": True}])
    np.testing.assert_allclose(graded, [-2.4, -0.75, 0, -2.4, 0])
    assert rewarded(folder, ["filter"], ("you idiot", "hello")).tolist() == [-1, 0]


def test_a_filter_looks_at_answers_alone(folder):
    assert rewarded(folder, [{"kind": "filter", "file": "filter.yaml"}], ("bother",)).tolist() == [
        0
    ]


def test_a_judge_rates_and_is_summed_with_others(folder):
    judge = {"kind": "judge", "file": "judge.yaml"}
    assert rewarded(folder, [judge]).tolist() == [0.75, 0.75, 1.0, 0.5, 1.0]
    both = [judge | {"weight": 4.0}, {"kind": "filter", "file": "filter.yaml", "weight": 2.0}]
    assert rewarded(folder, both).tolist() == [1.0, 3.0, 4.0, 0.0, 4.0]


def test_only_what_an_address_said_is_kept(folder):
    rewarded(folder, [{"kind": "judge", "file": "judge.yaml"}], keep=folder / "kept")
    assert not (folder / "kept").exists()
