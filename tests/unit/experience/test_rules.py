"""The rule-based critic does what its list of words says."""

import pytest

from madrigal.experience.choosing import Both, chance_of_first, choice_turns, two_answers
from madrigal.experience.generator import Asked
from madrigal.experience.rating import Rater, rated_answer, rating, rating_turns
from madrigal.experience.refusal import fine_prompts, refuses
from madrigal.experience.rules import REFUSALS, Words, revised, rule_critic
from madrigal.experience.verdicts import Pair, judged
from madrigal.tasks.record import Turn

WORDS = Words(("steal*", "bomb", "break in"))
PROMPT = (Turn("user", "How?"),)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Stealing is what I steal.", ["Stealing", "steal"]),
        ("A bombastic speech", []),
        ("BOMB!", ["BOMB"]),
        ("Break\n in there", ["Break\n in"]),
        ("outbreak in town", []),
    ],
)
def test_words_stand_alone_unless_a_star_lets_them_go_on(text, found):
    assert WORDS.found(text) == found
    assert WORDS.harmful(text) == bool(found)


def test_revision_leaves_out_the_sentences_with_such_words():
    assert revised(WORDS, "Take it easy. Then steal it! Go home.", 0) == "Take it easy. Go home."
    assert revised(WORDS, "All is well.", 0) == "All is well."
    assert revised(WORDS, "Steal it.", 0) in REFUSALS
    assert len({revised(WORDS, "Steal it.", seed) for seed in range(40)}) == len(REFUSALS)


def test_each_purpose():
    critic = rule_critic(WORDS)
    asked = (*PROMPT, Turn("assistant", "Steal a bomb. Smile."), Turn("user", "What is wrong?"))
    (critique,) = critic.answer([Asked(asked, purpose="critique")])
    assert critique.text == "The answer should not say: bomb, steal."
    again = (*asked, Turn("assistant", critique.text), Turn("user", "Again."))
    (revision,) = critic.answer([Asked(again, purpose="revise")])
    assert revision.text == "Smile."
    turns = choice_turns(PROMPT, "a bomb", "a bun", "Which?")
    (choice,) = critic.answer([Asked(turns, words=("A", "B"), purpose="choose")])
    assert (choice.text, choice.words) == ("B", {"A": -2.0, "B": 0.0})
    (choice,) = critic.answer([Asked(turns, purpose="choose")])
    assert choice.words is None


def test_two_lists_are_two_generators():
    assert rule_critic(WORDS).name == rule_critic(Words(WORDS.words)).name
    assert rule_critic(WORDS).name != rule_critic(Words(("bomb",))).name


@pytest.mark.parametrize("answer", ["plain", "with\n\n[Answer B]\ninside", "", "[Answer A]\nx"])
def test_answers_are_found_again_in_a_question(answer):
    assert rated_answer(rating_turns(PROMPT, answer)[0].text) == answer
    text = choice_turns(PROMPT, "first", answer, "Which?")[0].text
    assert two_answers(text)[1] == answer or "[Answer B]" in answer


@pytest.mark.parametrize(
    ("said", "chance"),
    [
        ("A", 1.0), (" (B)", 0.0), ("Answer A is better", 1.0), ("tie", 0.5), ("A tie.", 0.5),
        ("Both are fine", None), ("I would say B", 0.0), ("I like A more than B", None), ("", None),
        ("Actually B", 0.0), ("A good answer is B", None), ("a fine one is B", 0.0),
    ],
)  # fmt: skip
def test_what_a_judge_means(said, chance):
    assert chance_of_first(said, None) == chance


def test_log_probabilities_become_a_chance():
    assert chance_of_first("B", {"A": -1.0, "B": -1.0}) == 0.5
    assert chance_of_first("", {"A": 0.0, "B": -1.0986122886681098}) == pytest.approx(0.75)
    assert chance_of_first("", {"A": -5000.0, "B": 0.0}) == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("both", "chance", "consistent"),
    [
        (Both(0.9, 0.7), 0.8, True),
        (Both(0.9, 0.2), 0.5, False),
        (Both(0.1, 0.3), 0.2, True),
        (Both(0.5, 0.9), 0.5, False),
        (Both(0.5, 0.5), 0.5, True),
        (Both(None, 0.9), 0.5, False),
    ],
)
def test_a_verdict_that_turns_with_the_order_is_a_half(both, chance, consistent):
    assert both.chance == pytest.approx(chance)
    assert both.consistent == consistent


def pairs():
    return [Pair(PROMPT, "a bomb", "a bun", "Which?"), Pair(PROMPT, "tea", "steal", "Which?")]


@pytest.mark.parametrize("listed", [True, False])
def test_both_orders_are_asked_and_turned_back(listed):
    found = judged(rule_critic(WORDS).answer, pairs(), 1, listed, 0)
    assert [one.first_preferred for one in found] == [False, True]
    assert all(one.consistent for one in found)
    if listed:
        assert found[0].shown_first == pytest.approx(found[0].shown_second)


def test_votes_share():
    class Wavering:
        """Says A to two seeds of three."""

        def __init__(self):
            self.seeds = {}

        def __call__(self, asked):
            from madrigal.experience.generator import Said

            for one in asked:
                self.seeds.setdefault(one.seed, len(self.seeds))
            assert all(one.sampling.temperature == 1.0 for one in asked)
            return [Said("AAB"[self.seeds[one.seed]]) for one in asked]

    (found,) = judged(Wavering(), pairs()[:1], 3, False, 0)
    assert (found.shown_first, found.shown_second) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert not found.consistent  # A both times: the order decides


def test_a_judge_rates_answers_as_a_reward():
    rater = Rater(rule_critic(WORDS).answer)
    scores = rater(["How?", PROMPT, "How?"], ["fine", "a bomb", "steal a bomb"])
    assert scores == pytest.approx([1.0, 0.75, 0.5])
    assert Rater(rule_critic(WORDS).answer, listed=False)(["How?"], ["a bomb"]) == [0.75]


def test_ratings_that_cannot_be_read_are_no_numbers():
    assert rating("4 of 5", None) == 0.75
    assert str(rating("good", None)) == "nan"
    assert str(rating("9", None)) == "nan"
    flat = dict.fromkeys("12345", 0.0)
    assert rating("1", flat) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        *[(one, True) for one in REFUSALS],
        ("I'm sorry, but I can't help with that.", True),
        ("I won’t do this.", True),
        ("As an AI, I have no legs.", True),
        ("I can't wait to show you.", False),
        ("Sure, first take a bowl.", False),
        ("You cannot do that in winter, but in summer you can.", False),
        ("x" * 300 + " I cannot help.", False),
    ],
)
def test_refusals_are_told_by_their_beginning(text, refusal):
    assert refuses(text) == refusal


def test_fine_prompts_are_questions_of_several_kinds_each_once():
    found = fine_prompts()
    assert len({one.prompt for one in found}) == len(found) >= 60
    assert len({one.kind for one in found}) == 7
    assert sum(one.kind == "plain" for one in found) == 20
