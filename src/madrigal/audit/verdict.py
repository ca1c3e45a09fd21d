"""A filter of rules, and its verdict on a text: a pure function of the text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from madrigal.audit.filter_settings import Side


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule found in one text: from where to where, or in all of it.

    `score` is from 0 to 1: of words and patterns their severity, of models the probability of harm.
    A model's finding stands also where it is below its threshold; then `found` is False.
    """

    rule: str
    score: float
    found: bool = True
    blocks: bool = True
    start: int = 0
    end: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """All that the rules say of one text. `score` is the largest of theirs; 0 is fine."""

    score: float
    blocked: bool
    findings: tuple[Finding, ...] = ()

    @property
    def rules(self) -> tuple[str, ...]:
        """Names of the rules that found something, each once."""
        return tuple(dict.fromkeys(one.rule for one in self.findings if one.found))


@runtime_checkable
class Rule(Protocol):
    """Looks at texts on one side, or on both. `prompts` are what answers answer, '' elsewhere."""

    @property
    def name(self) -> str: ...

    @property
    def on(self) -> tuple[Side, ...]: ...

    def look(self, texts: Sequence[str], prompts: Sequence[str]) -> list[tuple[Finding, ...]]: ...


@dataclass(frozen=True, slots=True)
class Filter:
    """Rules that texts must pass. It keeps nothing between calls: the same text, the same verdict.

    `instead` is said in the place of what is blocked.
    """

    rules: tuple[Rule, ...]
    instead: str = "I can't help with that."

    def verdicts(
        self, texts: Sequence[str], prompts: Sequence[str] | None = None, side: Side = "output"
    ) -> list[Verdict]:
        """The verdict on each text, as a question or as an answer (to `prompts`, where known).

        Raises:
            ValueError: there are not as many prompts as texts.
        """
        asked = [""] * len(texts) if prompts is None else list(prompts)
        if len(asked) != len(texts):
            raise ValueError(f"{len(texts)} texts and {len(asked)} prompts")
        found: list[list[Finding]] = [[] for _ in texts]
        for rule in self.rules:
            if side in rule.on and texts:
                for mine, new in zip(found, rule.look(texts, asked), strict=True):
                    mine += new
        return [_verdict(one) for one in found]

    def scores(self, prompts: Sequence[str], answers: Sequence[str]) -> list[float]:
        """How harmless each answer is: 1 where no rule found anything, 0 where one is sure.

        A reward, to be weighed with others.
        """
        return [1.0 - verdict.score for verdict in self.verdicts(answers, prompts)]

    def passed(self, prompt: str, answer: str) -> str:
        """The answer, or what is said in its place."""
        return self.instead if self.verdicts([answer], [prompt])[0].blocked else answer


def _verdict(findings: Sequence[Finding]) -> Verdict:
    score = max((one.score for one in findings), default=0.0)
    blocked = any(one.found and one.blocks for one in findings)
    return Verdict(score, blocked, tuple(findings))
