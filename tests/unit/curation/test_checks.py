"""What each check of a single record sees, and what it must not."""

import pytest

from madrigal.curation.checks import look
from madrigal.curation.checks.answers import cut_off
from madrigal.curation.checks.language import codes, language
from madrigal.curation.checks.personal import hidden, people, secrets
from madrigal.curation.checks.repetition import repeated
from madrigal.curation.sample import Sample

LONG = "Say in one sentence why the sky over the desert is so often without a cloud."


def seen(prompt: str = "What is it?", *answers: str, **more) -> dict[str, str]:
    sample = Sample("a.jsonl:1", prompt, prompt, answers or ("a thing",), **more)
    return {one.check: one.evidence for one in look(sample)}


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        ("encoding", "The cafÃ© on the corner"),
        ("encoding", "It doesnâ€™t rain"),
        ("encoding", "the caf\ufffd on the corner"),
        ("encoding", "Tom &amp; Jerry"),
        ("control_characters", "a\x07b and more"),
        ("control_characters", "one\u200btwo"),
        ("empty_answer", "N/A"),
        ("empty_answer", "<no output>"),
        ("empty_answer", "..."),
        ("empty_answer", "None."),
        ("truncated_answer", "It is dry because the air that comes from the"),
        ("truncated_answer", "The reasons are many: no water, no plants,"),
        ("prompt_in_answer", "No rain.\n\n### Instruction: name a river"),
        ("prompt_in_answer", "No rain.\n18. Instruction: name a river"),
        ("prompt_in_answer", "It is dry.<|im_end|>"),
        ("refusal", "As an AI language model, I cannot feel the sun."),
        ("refusal", "I'm sorry, but I can't help with that."),
        ("boilerplate", "It is dry there. I hope this helps!"),
        ("repetition", "no no no no no rain"),
        ("repetition", "it is dry " * 6),
        ("personal_data", "Ask jane.roe@mail-server.org about it"),
        ("personal_data", "The card is 4111 1111 1111 1111, valid"),
        ("personal_data", "The account is DE89 3704 0044 0532 0130 00."),
        ("personal_data", "Call +44 20 7946 0958 at night"),
        ("personal_data", "She lives at 221 Baker Street with him"),
        ("secret", "export KEY=AKIAIOSFODNN7EXAMPLE now"),
        ("secret", "-----BEGIN RSA PRIVATE KEY-----"),
        ("secret", "password = hunter2hunter2"),
        ("offensive", "what a moron he is"),
    ],
)
def test_a_fault_is_seen(check, answer):
    assert check in seen(LONG, answer)


@pytest.mark.parametrize(
    "answer",
    [
        "The café on the corner, naïve and proud — “so it is”.",
        "No.",
        "Because no moist air comes that far.",
        "AT&T and R&D cost 3 & 4.",
        "The order 1234 5678 9012 3456 came in 2024-05-01 at 12:30:45.",
        "He scored 3, 2, 1 and then 0 points; pi is 3.14159265358979.",
        "That that is, is; that that is not, is not.",
        "The user: a person who uses something.",
        "ha ha",
        "She is a killer whale expert from Scunthorpe.",
        "Write to someone@example.com for the form.",
        "x = a; key: value; time: 10:30",
        "👩‍👩‍👧 is a family.",
    ],
)
def test_nothing_is_seen_where_nothing_is_wrong(answer):
    assert seen(LONG, answer) == {}


def test_a_prompt_at_the_start_of_its_answer_is_seen_and_a_quotation_is_not():
    assert "prompt_in_answer" in seen(LONG, f"{LONG} Because it is dry.")
    assert "prompt_in_answer" not in seen(LONG, "Say in one sentence: it is dry.")
    # Correcting or completing a text repeats it.
    assert "prompt_in_answer" not in seen(LONG, LONG)


def test_labels_are_not_taken_for_answers_that_somebody_wrote():
    assert seen(LONG, "none", labelled=True) == {}
    assert seen(LONG, "I cannot answer that", choices=("yes", "I cannot answer that")) == {}


def test_refusals_are_not_looked_for_among_judged_answers():
    assert "refusal" not in seen(LONG, "I'm sorry, but I can't.", "Take a knife.", judged=True)


def test_evidence_shows_mojibake_repaired_and_hides_people():
    assert seen(LONG, "The cafÃ© here")["encoding"] == "The cafÃ© here → The café here"
    told = seen(LONG, "Ask jane.roe@mail-server.org")["personal_data"]
    assert told == "mail ja…rg"


def test_a_card_is_no_phone_and_no_find_covers_another():
    assert [kind for *_, kind in people("4111 1111 1111 1111")] == ["card"]
    assert people("4111 1111 1111 1112") == []
    assert [kind for *_, kind in secrets("postgres://me:s3cret99@host/db")] == [
        "address with password"
    ]


def test_cut_off_says_what_it_goes_by():
    assert cut_off("There are three of them and the first is the") == "ends with 'the'"
    assert cut_off("Run this first of all:\n```\nls -l here") == "a block of code without its end"
    assert cut_off("of the") == ""
    assert cut_off("The best of them all is surely Vitamin A") == ""


def test_repetition_counts_lines_and_runs():
    lines = "\n".join(["one thing", "same line", "same line", "same line", "end"])
    assert repeated(lines) == "2 of 5 lines stand there before"
    assert repeated("la la la la") == "'la' 4 times in a row"
    assert repeated("- - - - - - -") == ""
    assert repeated("one two three " * 3) == ""


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The dog that we saw was not ours, and he ran home.", "en"),
        ("Der Hund, den wir gesehen haben, war nicht unser Hund.", "de"),
        ("Le chien que nous avons vu n'est pas dans la maison.", "fr"),
        ("El perro que vimos no es nuestro y se fue a la casa.", "es"),
        ("Собака, которую мы видели, не наша.", "ru"),
        ("私たちが見た犬は私たちのものではありません。", "ja"),
        ("我们看到的那只狗不是我们的狗。", "zh"),
        ("Barack Obama, Hawaii, 1961", ""),
        ("2 + 2 = 4", ""),
        ("Yes", ""),
    ],
)
def test_language_is_told_or_left_open(text, code):
    assert language(text) == code


def test_declared_languages_may_be_names_codes_and_several():
    assert codes("English") == {"en"}
    assert codes("English, German") == {"en", "de"}
    assert codes("Klingon") == frozenset()


@pytest.mark.parametrize(("text", "kinds"), [
    ("4111 1111 1111 1111", ["card"]), ("378282246310005", ["card"]),
    ("4111 1111 1111 1121", []), ("1411 1111 1111 1111", []),
    ("0000 0000 0000 0000", []), ("GB82 WEST 1234 5698 7654 32", ["iban"]),
    ("GB83 WEST 1234 5698 7654 32", []), ("GB28 WEST 1234 5698 7654 32", []),
    ("at 8.8.8.8 now", ["internet address"]), ("at 192.168.0.1 now", []), ("at 10.0.0.7 now", []),
    ("call (030) 123 45", ["phone"]), ("call (03) 123 45", []),
    ("number 536-90-4399", ["social security number"]), ("number 666-90-4399", []),
    ("a@example.com, a@example.net.au, b@mail.net", ["mail", "mail"]),
])  # fmt: skip
def test_numbers_count_where_their_check_digits_are_right(text, kinds):
    assert [kind for *_, kind in people(text)] == kinds


def test_evidence_shows_the_ends_of_long_finds_alone():
    assert [hidden(one) for one in ("", "abcdef", "abcdefg")] == ["…", "…", "ab…fg"]
    many = "a.b@mail.net c.d@mail.net e.f@mail.net g.h@mail.net i.j@mail.net"
    assert seen(LONG, many)["personal_data"] == "mail a.…et, mail c.…et, mail e.…et and 2 more"


def test_an_answer_of_few_words_and_a_closed_block_of_code_are_not_cut_off():
    assert cut_off("only five words of the") == ""
    assert cut_off("of these six words of the") == "ends with 'the'"
    assert cut_off("Run this first of all:\n```\nls -l here\n```") == ""
    assert cut_off("and so it went, as ever :(") == ""


def test_marks_that_the_prompt_has_too_are_no_prompt_in_an_answer():
    answer = "It is.\n\n### Instruction: name a river"
    assert "prompt_in_answer" in seen(LONG, answer)
    assert "prompt_in_answer" not in seen(f"{LONG}\n### Instruction: name a sea", answer)


def test_the_words_said_most_often_are_told_from_a_share_and_three_times_on():
    filler = " ".join(f"{chr(97 + k % 26)}{chr(97 + k // 26)}" for k in range(60))
    parts = filler.split()
    thrice = " ".join([*parts[:20], "wonderful evening", *parts[20:40], "wonderful evening",
                       *parts[40:], "wonderful evening"])  # fmt: skip
    assert repeated(thrice) == "'wonderful evening' 3 times, 29% of the text"
    twice = thrice.replace("wonderful evening", "extraordinarily wonderful", 2).replace(
        "wonderful evening", "end"
    )
    assert repeated(twice) == ""
    assert repeated(thrice.replace("wonderful", "old")) == ""


def test_lines_are_told_when_more_than_three_of_ten_stand_there_before():
    lines = ["river", "tower", "mill", "chapel", "bridge", "harbour", "garden"]
    assert repeated("\n".join([*lines, *lines[:3]])) == ""
    assert repeated("\n".join([*lines[:6], *lines[:3]])) == "3 of 9 lines stand there before"
    assert repeated("one\ntwo\none") == ""


def test_a_language_is_told_where_it_is_twice_as_likely_as_the_next():
    both = "the dog and the cat are with der Hund und die Katze nicht"
    assert language(both) == ""
    assert language("the dog and the cat are with us there and they are with the Hund") == "en"
    assert language("warum Katze Hund Wasser Fenster Garten nicht nicht nicht") == ""
