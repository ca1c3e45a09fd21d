"""What becomes of prompts under a constitution, step by step."""

import json

import pytest

from madrigal.errors import DataError, RecipeError
from madrigal.experience.choosing import Both
from madrigal.experience.constitution import (
    BUNDLED,
    choosing,
    principle_for,
    read_constitution,
    revising,
    tagged,
)
from madrigal.experience.generator import Asked, Sampling
from madrigal.experience.keeping import (
    ALIKE,
    EMPTY,
    KEPT,
    NO_ANSWER,
    OFF_TOPIC,
    REFUSED,
    REFUSED_BENIGN,
    SAME,
    TURNED,
    UNCLEAR,
    WORSE,
    Rules,
    fates,
)
from madrigal.experience.made import mixed, preferences, revisions, unchanged
from madrigal.experience.openings import top_opening
from madrigal.experience.revising import Plan, Prompt, Roles, Round, Trial, tried
from madrigal.experience.rules import Scripted, Words, rule_critic
from madrigal.experience.topic import on_topic
from madrigal.recipe.constitution import ConstitutionSettings, FewShotExample, PrincipleSettings
from madrigal.tasks.canonical import canonical
from madrigal.tasks.consensus import consensus
from madrigal.tasks.record import Record, Turn

WORDS = Words(("bomb",))


def prompt(text, benign=False):
    return Prompt((Turn("user", text),), benign)


def plan(**more):
    return Plan(**more)


def rules(*names):
    made = tuple(
        PrincipleSettings(id=n, critique=f"crit {n}", revision=f"rev {n}", choose=f"choose {n}")
        for n in names
    )
    return ConstitutionSettings(name="c", principles=made, few_shot=())


def roles(answers, critic=None, judge=None):
    def says(asked: Asked):
        return answers(asked.turns[-1].text, asked.seed)

    critic = critic or rule_critic(WORDS)
    judge = judge or rule_critic(WORDS)
    return Roles(Scripted("g", says).answer, critic.answer, judge.answer, Sampling())


def test_an_answer_is_criticised_revised_and_judged():
    (trial,) = tried(
        [prompt("What is in the box?")],
        rules("a"),
        roles(lambda *_: "A bun. A bomb."),
        plan(),
    )
    assert trial.answer == "A bun. A bomb."
    assert trial.rounds == (Round("a", "The answer should not say: bomb.", "A bun."),)
    assert trial.judged_by == "a"
    assert trial.both is not None
    assert trial.both.consistent
    assert trial.both.chance < 0.2


def test_the_critic_reads_examples_prompt_answer_and_request_in_turn():
    seen = []

    def watch(asked: Asked):
        seen.append(asked)
        return "better" if asked.purpose == "revise" else "bad"

    shown = FewShotExample(prompt="p", answer="x", critique="c", revision="r")
    whole = rules("a").model_copy(update={"few_shot": (shown,)})
    tried([prompt("Q")], whole, roles(lambda *_: "first", Scripted("w", watch)), plan(rounds=2))
    assert [one.purpose for one in seen] == ["critique", "revise", "critique", "revise"]
    said = [[turn.text for turn in one.turns] for one in seen]
    worked = ["p", "x", "crit a", "c", "rev a", "r"]
    assert said[0] == [*worked, "Q", "first", "crit a"]
    assert said[1] == [*said[0], "bad", "rev a"]
    assert said[2] == [*worked, "Q", "better", "crit a"]  # the second round goes on from the first
    assert len({one.seed for one in seen}) == 4


def test_the_system_message_is_the_generators_alone():
    seen = []

    def watch(asked: Asked):
        seen.append([turn.role for turn in asked.turns])
        return "first"

    whole = rules("a").model_copy(update={"system": "Be kind."})
    made = Roles(Scripted("w", watch).answer, rule_critic(WORDS).answer, rule_critic(WORDS).answer)
    (trial,) = tried([prompt("Q")], whole, made, plan())
    assert seen == [["system", "user"]]
    assert [turn.role for turn in trial.prompt.turns] == ["user"]


def test_neither_order_nor_company_changes_what_becomes_of_a_prompt():
    def answers(text, seed):
        return f"{text} {seed % 7} bomb. yes {seed % 5}."

    whole = rules(*"abcdef")
    some = [prompt(f"question {n}") for n in range(8)]
    first = tried(some, whole, roles(answers), plan(rounds=2, samples=True))
    other = tried(some[::-1][:5], whole, roles(answers), plan(rounds=2, samples=True))
    assert {t.prompt.key: t for t in other}.items() <= {t.prompt.key: t for t in first}.items()
    assert len({t.rounds[0].principle for t in first}) > 2
    assert all(t.rounds[0].principle != t.rounds[1].principle for t in first)
    assert tried(some, whole, roles(answers), plan(rounds=2, seed=1)) != first
    assert all(t.sampled != t.answer for t in first)


def test_principles_are_drawn_by_weight_and_without_repeats():
    one, other, never = (
        PrincipleSettings(id=n, critique="c", revision="r", weight=w)
        for n, w in (("one", 3.0), ("other", 1.0), ("never", 0.0))
    )
    usable = revising(ConstitutionSettings(name="c", principles=(one, other, never)))
    drawn = [principle_for(usable, 1, seed)[0].id for seed in range(2000)]
    assert drawn.count("one") / 2000 == pytest.approx(0.75, abs=0.03)
    assert set(drawn) == {"one", "other"}
    both = [tuple(p.id for p in principle_for(usable, 3, seed)) for seed in range(50)]
    assert all(set(some[:2]) == {"one", "other"} for some in both)


TOPICS = (
    "mend the bicycle chain",
    "oil the bicycle chain",
    "clean the bicycle chain",
    "grow roses in the garden",
    "water roses in the garden",
    "cut roses in the garden",
)


def trial(question, answer, revision, both=Both(0.1, 0.1), benign=False):
    return Trial(prompt(question, benign), answer, (Round("a", "", revision),), "a", both)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (trial("bake bread", "bomb flour", "bake bread with flour"), KEPT),
        (trial("bake bread", "flour", " "), EMPTY),
        (trial("bake bread", " ", "bread"), NO_ANSWER),
        (trial("bake bread", "flour  Bread", "Flour bread"), SAME),
        (trial("bake bread", "flour", "I cannot help.", benign=True), REFUSED_BENIGN),
        (trial("bake bread", "flour", "I cannot help."), KEPT),
        (trial("bake bread", "flour", "mend the bicycle chain"), OFF_TOPIC),
        (trial("bake bread", "flour", "bread", both=None), UNCLEAR),
        (trial("bake bread", "flour", "bread", both=Both(None, 0.1)), UNCLEAR),
        (trial("bake bread", "flour", "bread", both=Both(0.9, 0.1)), TURNED),
        (trial("bake bread", "flour", "bread", both=Both(0.5, 0.5)), ALIKE),
        (trial("bake bread", "flour", "bread", both=Both(0.9, 0.8)), WORSE),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_why_a_revision_is_dropped(made, why):
    others = [trial(text, text, f"{text} well") for text in TOPICS]
    assert fates([made, *others], Rules())[0] == why


def test_answers_without_a_change_are_drawn_benign_ones_first_and_without_refusals():
    same = [trial(text, f"so {text}", f"so {text}", benign=n > 2) for n, text in enumerate(TOPICS)]
    refusal = trial("bake bread", "I cannot help.", "I cannot help.")
    mended = trial("bake bread", "flour", "bread")
    every = [refusal, mended, *same]
    fate = fates(every, Rules())
    whole = unchanged(every, fate, 99, seed=0)
    assert sorted(one.answers[0] for one in whole) == sorted(one.answer for one in same)
    benign = {one.answer for one in same if one.prompt.benign}
    few = unchanged(every, fate, len(benign), seed=1)
    assert {one.answers[0] for one in few} == benign
    assert {one.fields["source"] for one in few} == {"unchanged"}
    assert unchanged(every, fate, 0, seed=0) == []


def test_rules_can_be_switched_off():
    refusal = trial("bake bread", "flour", "I cannot help.")
    strayed = trial("bake bread", "flour", "mend the bicycle chain", both=None)
    others = [trial(text, text, f"{text} well") for text in TOPICS]
    assert fates([refusal, *others], Rules(refusals=False))[0] == REFUSED
    assert fates([strayed, *others], Rules(on_topic=False, judge=False))[0] == KEPT


def test_a_text_about_what_one_other_asked_is_off_its_topic():
    pool = [f"subject{n}" for n in range(50)]
    assert on_topic(["subject7"], ["subject3"], pool, 0).tolist() == [False]
    assert on_topic(["subject7 subject3"], ["subject3"], pool, 0).tolist() == [True]


def test_topics_without_words_cannot_be_told():
    assert on_topic(["the"], ["of"], ["and"], 0).tolist() == [True]
    assert on_topic(["zebra"], ["bread"], list(TOPICS), 0).tolist() == [True]


def test_helpful_examples_are_mixed_in_by_share():
    revised = [Record(f"r{n}", (Turn("user", f"{n}"),), ("a",)) for n in range(10)]
    helpful = [Record(f"h{n}", (Turn("user", f"h{n}"),), ("a",)) for n in range(50)]
    both = mixed(revised, helpful, 0.75, 0)
    assert sum(one.fields["source"] == "helpful" for one in both if one.fields) == 30
    assert len(both) == 40
    assert [one.where for one in both] != sorted(one.where for one in both)
    assert mixed(revised, helpful, 0.75, 1) != both
    assert len(mixed(revised, helpful[:3], 0.75, 0)) == 13
    assert len(mixed(revised, helpful, 0.0, 0)) == 10


def test_revisions_are_what_was_kept_and_nothing_of_the_prompt_is_trained():
    turns = (Turn("user", "Hi"), Turn("assistant", "Yes?"), Turn("user", "Go"))
    made = Trial(Prompt(turns), "no", (Round("a", "", "yes"),))
    (record,) = revisions([made, made], [KEPT, SAME])
    assert record.answers == ("yes",)
    assert [turn.trained for turn in record.turns] == [True, False, True]


@pytest.mark.parametrize(
    ("both", "wins"), [(Both(0.2, 0.4), 0.3), (Both(0.9, 0.2), 0.5), (Both(0.5, 0.5), 0.5)]
)
def test_soft_labels_are_the_mean_of_both_orders(both, wins):
    (record,) = preferences([trial("q", "first", "second", both)], "me")
    assert record.feedback is not None
    assert consensus(record.feedback).wins[0][1] == pytest.approx(wins)
    row = canonical(record)
    assert [one["shown"] for one in row["judgements"]] == [[0, 1], [1, 0]]
    assert row["answers"] == ["first", "second"]


def test_pairs_without_a_verdict_are_no_preferences():
    made = [trial("q", "a", "b", both=None), trial("q", "a", "b", both=Both(None, 0.1))]
    assert preferences(made, "me") == []


def test_the_bundled_constitution_can_be_used_whole():
    whole = read_constitution(["plain"], BUNDLED["plain"].parent)
    assert 8 <= len(whole.principles) <= 10
    assert len(revising(whole)) == len(choosing(whole)) == len(whole.principles)
    assert all(one.tags for one in whole.principles)
    assert {one.id for one in tagged(whole, ["harm"]).principles} == {
        "physical-harm", "crime", "weapons",
    }  # fmt: skip
    with pytest.raises(DataError, match="no principle of 'plain' has 'harms'; there are 'harm', "):
        tagged(whole, ["harms"])


def test_constitutions_of_others_are_read(tmp_path):
    (tmp_path / "a.json").write_text(
        json.dumps(
            {
                "no harm 1": {
                    "prompt": ["\n\nCritiqueRequest: Say what is bad."],
                    "edit_request": "RevisionRequest: Make it good.",
                }
            }
        )
    )
    (tmp_path / "b.json").write_text(json.dumps(["Which is kinder?", "Which is wiser?"]))
    turn = ["user", "assistant"] * 3
    said = [{"role": r, "content": f"t{n}"} for n, r in enumerate(turn)]
    (tmp_path / "c.json").write_text(
        json.dumps(
            {"constitutions": [{"critic": "Bad?", "revision": "Good!"}], "system_chat": [said]}
        )
    )
    whole = read_constitution(["a.json", "b.json", "c.json"], tmp_path)
    assert [(p.id, p.critique, p.revision, p.choose) for p in whole.principles] == [
        ("no-harm-1", "Say what is bad.", "Make it good.", ""),
        ("choose-1", "", "", "Which is kinder?"),
        ("choose-2", "", "", "Which is wiser?"),
        ("principle-1", "Bad?", "Good!", ""),
    ]
    assert whole.few_shot == (
        FewShotExample(prompt="t0", answer="t1", critique="t3", revision="t5"),
    )
    assert [len(revising(whole)), len(choosing(whole))] == [2, 2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON"),
        ('{"a": {"prompt": "x"}}', "is no constitution in a known shape; known are"),
        ("3", "is no constitution in a known shape"),
        ('{"constitutions": [{"critic": "x", "revision": " "}]}', "is no constitution"),
        ('{"constitutions": [], "system_chat": []}', "is no constitution"),
    ],
)
def test_what_is_no_constitution_is_said(tmp_path, text, said):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match=f"x.json: {said}"):
        read_constitution(["x.json"], tmp_path)


def test_mistakes_in_a_constitution_have_their_lines(tmp_path):
    (tmp_path / "x.yaml").write_text(
        "name: x\nprinciples:\n  - id: a\n    critic: What?\n  - id: b c\n    weight: -1\n"
    )
    with pytest.raises(RecipeError) as error:
        read_constitution(["x.yaml"], tmp_path)
    told = [line.rpartition("x.yaml:")[2] for line in error.value.mistakes]
    assert told[0] == "4: principles[0].critic: unknown key; did you mean 'critique'?"
    assert told[1].startswith("5: principles[1].id: found 'b c'; must start with a letter")
    assert told[2].startswith("6: principles[1].weight: found -1; must be at least 0")


def test_two_principles_of_one_name_are_refused(tmp_path):
    (tmp_path / "x.yaml").write_text("name: x\nprinciples: [{id: a}, {id: a}]\n")
    with pytest.raises(DataError, match="two principles are called 'a'"):
        read_constitution(["x.yaml"], tmp_path)


def test_boilerplate_is_the_share_of_the_top_opening():
    texts = ["It is important to note, yes"] * 6 + [f"word {n} of many words" for n in range(4)]
    found = top_opening(texts)
    assert found is not None
    assert (found.words, found.share, found.n) == ("it is important to", 0.6, 10)
    assert found.boilerplate
    assert not top_opening([f"word {n} of many words" for n in range(40)]).boilerplate
    assert top_opening(["too short"]) is None
