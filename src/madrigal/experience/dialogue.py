"""The conversations in which a critic is asked for a critique and for a revision."""

from collections.abc import Sequence

from madrigal.recipe.constitution import ConstitutionSettings, FewShotExample, PrincipleSettings
from madrigal.tasks.record import Turn

Turns = tuple[Turn, ...]


def first_turns(prompt: Turns, system: str) -> Turns:
    """The prompt as the generator reads it."""
    has_system = any(turn.role == "system" for turn in prompt)
    return prompt if has_system or not system else (Turn("system", system), *prompt)


def critique_turns(
    prompt: Turns, answer: str, rule: PrincipleSettings, whole: ConstitutionSettings
) -> Turns:
    """System message, worked examples, the prompt, its answer, the request for a critique."""
    before = tuple(turn for one in (*rule.few_shot, *whole.few_shot) for turn in _worked(one, rule))
    system = tuple(turn for turn in prompt if turn.role == "system")
    said = tuple(turn for turn in prompt if turn.role != "system")
    asked = (Turn("assistant", answer or "(nothing)"), Turn("user", rule.critique))
    return (*system, *before, *said, *asked)


def revision_turns(critique: Turns, said: str, rule: PrincipleSettings) -> Turns:
    """What `critique_turns` gave, the critique, and the request for a revision."""
    return (*critique, Turn("assistant", said or "Nothing."), Turn("user", rule.revision))


def _worked(one: FewShotExample, rule: PrincipleSettings) -> Sequence[Turn]:
    return (
        Turn("user", one.prompt),
        Turn("assistant", one.answer),
        Turn("user", rule.critique),
        Turn("assistant", one.critique),
        Turn("user", rule.revision),
        Turn("assistant", one.revision),
    )
