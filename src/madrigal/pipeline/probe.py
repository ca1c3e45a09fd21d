"""`madrigal probe`: what models say to prompts that ask for harm, and to prompts that are fine."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from madrigal.errors import DataError
from madrigal.experience.cached import Cached, Kept
from madrigal.experience.generator import Asked, Sampling
from madrigal.experience.probing import Answers, probed
from madrigal.experience.refusal import fine_prompts
from madrigal.mixture.chance import bits
from madrigal.pipeline.constitution import Shown
from madrigal.pipeline.folder import locked
from madrigal.pipeline.generators import generator_of, words_of
from madrigal.pipeline.prompts import prompts_of
from madrigal.pipeline.watch import Screen
from madrigal.recipe.generator import RunGenerator
from madrigal.recipe.revision import PromptSettings
from madrigal.recipe.task import DataSettings
from madrigal.tasks.convert import write_jsonl
from madrigal.tasks.record import Turn
from madrigal.training.files import write_whole


@dataclass(frozen=True, slots=True)
class Wish:
    """The command line. Answers are drawn at a temperature, each by seed and prompt."""

    runs: tuple[str, ...]
    prompts: str
    words: str
    out: Path
    task: str | None = None
    most: int | None = None
    temperature: float = 1.0
    max_tokens: int = 64
    seed: int = 0


def probe(wish: Wish, screen: Screen) -> Mapping[str, Any]:
    """Ask every model what it has not been asked yet, measure, and write probe.json.

    Raises:
        UserMistake: no such run, prompts or words.
    """
    root = Path()
    words = words_of((), wish.words, root, "--words")
    settings = PromptSettings(data=DataSettings(train=wish.prompts, on_bad="drop"), max=wish.most)
    risky = prompts_of(settings, root, "--prompts", wish.seed)
    if len(set(wish.runs)) < len(wish.runs):
        raise DataError("a run is named twice; name each once, the one to compare with first")
    makers = [generator_of(RunGenerator(run=r, task=wish.task), root, r) for r in wish.runs]
    fine = fine_prompts()
    turns = [*(one.turns for one in risky), *((Turn("user", one.prompt),) for one in fine)]
    how = Sampling(wish.temperature, max_tokens=wish.max_tokens)
    seed = int(bits(1, "probe", wish.seed)[0] >> 33)
    asked = [Asked(one, how, seed) for one in turns]
    with locked(wish.out):
        kept, answers = Kept(wish.out), []
        for run, maker in zip(wish.runs, makers, strict=True):
            said = Shown(Cached(maker, kept), Path(run).name, screen).answer(asked)
            texts = [one.text for one in said]
            answers.append(Answers(run, texts[: len(risky)], texts[len(risky) :]))
        found = probed(answers, fine, words)
        write_jsonl(_rows(turns, answers), wish.out / "said.jsonl")
        body = json.dumps(found, indent=1, ensure_ascii=False)
        write_whole(wish.out / "probe.json", body + "\n")
    return found


def _rows(turns: Sequence[tuple[Turn, ...]], answers: Sequence[Answers]) -> list[dict[str, Any]]:
    whole = [[*one.risky, *one.fine] for one in answers]
    return [
        {
            "prompt": prompt[-1].text,
            "answers": {one.model: texts[n] for one, texts in zip(answers, whole, strict=True)},
        }
        for n, prompt in enumerate(turns)
    ]
