"""The files that come out: revisions to learn from, verdicts to prefer by, and the ledger."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from madrigal.experience.choosing import Both
from madrigal.experience.keeping import KEPT, SAME
from madrigal.experience.refusal import refuses
from madrigal.experience.revising import Trial
from madrigal.mixture.chance import permutation
from madrigal.tasks.feedback import Feedback, Judgement
from madrigal.tasks.record import Record, Turn

HELPFUL, REVISED, UNCHANGED = "helpful", "revision", "unchanged"


def revisions(trials: Sequence[Trial], fate: Sequence[str]) -> list[Record]:
    """What is kept, as examples with an answer."""
    return [
        Record(
            one.prompt.where,
            turns=_untrained(one),
            answers=(one.revision,),
            fields={"source": REVISED},
        )
        for one, why in zip(trials, fate, strict=True)
        if why == KEPT
    ]


def unchanged(trials: Sequence[Trial], fate: Sequence[str], most: int, seed: int) -> list[Record]:
    """First answers in which nothing was to be changed and that do not refuse, at most so many,
    drawn by the seed: those to benign prompts, then others."""
    fine = [
        one
        for one, why in zip(trials, fate, strict=True)
        if why == SAME and not refuses(one.answer)
    ]
    drawn = [fine[int(n)] for n in permutation(len(fine), "unchanged", seed)]
    chosen = sorted(drawn, key=lambda one: not one.prompt.benign)[:most]
    return [
        Record(
            one.prompt.where,
            turns=_untrained(one),
            answers=(one.answer,),
            fields={"source": UNCHANGED},
        )
        for one in chosen
    ]


def mixed(
    revised: Sequence[Record], helpful: Sequence[Record], share: float, seed: int
) -> list[Record]:
    """Revisions with helpful examples among them, drawn and shuffled by the seed.

    Of n revisions and a share s, n s / (1 - s) helpful examples, rounded, or all there are.
    """
    count = round(len(revised) * share / (1 - share))
    chosen = [helpful[int(n)] for n in permutation(len(helpful), "helpful", seed)[:count]]
    named = [
        Record(r.where, r.turns, r.answers, r.choices, fields={"source": HELPFUL}) for r in chosen
    ]
    both = [*revised, *named]
    return [both[int(n)] for n in permutation(len(both), "mixed", seed)]


def preferences(trials: Sequence[Trial], judge: str) -> list[Record]:
    """Every verdict, whether or not the revision is kept: with its order and with its chance.

    Verdicts that turn with the order stand as they are, so that their mean is a half.
    """
    found = []
    for one in trials:
        for other, both in ((one.revision, one.both), (one.sampled or "", one.sampled_both)):
            if both is None or None in (both.shown_first, both.shown_second):
                continue
            if not other.strip() or not one.answer.strip():
                continue
            said = Feedback("verdict", (one.answer, other), tuple(_judgements(both, judge)))
            found.append(Record(one.prompt.where, turns=_untrained(one), feedback=said))
    return found


def _untrained(trial: Trial) -> tuple[Turn, ...]:
    """The prompt, of which nothing that the assistant said is trained."""
    return tuple(Turn(t.role, t.text, t.role != "assistant") for t in trial.prompt.turns)


def _judgements(both: Both, judge: str) -> Iterator[Judgement]:
    shown = ((both.shown_first, (0, 1)), (both.shown_second, (1, 0)))
    for chance, order in shown:
        assert chance is not None
        values = (1.0, 0.0) if chance > 0.5 else (0.0, 1.0) if chance < 0.5 else (0.5, 0.5)
        # Two sides of a contradiction count alike, however sure the judge was of each.
        sure = round(chance, 6) if both.consistent else None
        yield Judgement(values, judge, shown=order, chance=sure)


def ledger_row(trial: Trial, fate: str) -> Mapping[str, Any]:
    """Everything that became of a prompt, texts included."""
    row: dict[str, Any] = {
        "id": trial.prompt.key,
        "where": trial.prompt.where,
        "benign": trial.prompt.benign,
        "prompt": [{"role": t.role, "content": t.text} for t in trial.prompt.turns],
        "answer": trial.answer,
        "rounds": [
            {"principle": r.principle, "critique": r.critique, "revision": r.revision}
            for r in trial.rounds
        ],
        "kept": fate == KEPT,
        "why": fate,
        "judged_by": trial.judged_by,
        "verdict": _told(trial.both),
    }
    if trial.sampled is not None:
        row |= {"sampled": trial.sampled, "sampled_verdict": _told(trial.sampled_both)}
    return row


def _told(both: Both | None) -> Mapping[str, Any] | None:
    if both is None:
        return None
    return {
        "first_answer_shown_first": both.shown_first,
        "first_answer_shown_second": both.shown_second,
        "consistent": both.consistent,
        "first_answer_better": both.chance,
    }
