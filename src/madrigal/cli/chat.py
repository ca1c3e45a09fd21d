"""`madrigal chat RUN`: talk to what a run has trained."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from madrigal.audit.filter_settings import Side
from madrigal.audit.verdict import Filter
from madrigal.pipeline.filters import load_filter
from madrigal.pipeline.speakers import Alone, Routed, Speaker, find_router
from madrigal.pipeline.trained import find_trained
from madrigal.tasks.encode import Coder
from madrigal.tasks.record import Record, Turn


def chat(
    run: Path,
    stage: str | None,
    task: str | None,
    max_new_tokens: int,
    filter_: str | None = None,
) -> None:
    """Answers each line that is typed, greedily, until the input ends.

    Where no task is named and the run has a router, each prompt meets the part that it chooses,
    and the task is said beside the answer. With a filter a question that it blocks is not asked, an
    answer is shown when it has passed, and the conversation goes on with what was shown.
    """
    guard = load_filter(filter_) if filter_ is not None else None
    found = find_router(run, stage) if task is None else None
    speaker: Speaker
    if found is None:
        trained = find_trained(run, stage, task)
        speaker = Alone(trained)
    else:
        router, trained = found
        speaker = Routed(run, router, trained)
    model, coder = speaker.model, speaker.coder
    remembers = bool(getattr(model.tokenizer, "chat_template", None))
    remembers = remembers and trained.recipe.model.chat_template
    if sys.stdin.isatty():
        print(f"{run}, stage {trained.label}. A line is a prompt; \\n in it is a new line.")
        print("The conversation is kept; /new starts another. " if remembers else "", end="")
        print("Ctrl+D ends.")
    turns: tuple[Turn, ...] = ()
    for line in _lines():
        if line == "/new":
            turns = ()
            continue
        if guard is not None and _blocked(guard, "input", line):
            print(guard.instead)
            continue
        turns = (*turns, Turn("user", line)) if remembers else (Turn("user", line),)
        chosen = speaker.turn_to(turns)
        if chosen:
            print(f"[{chosen}]", file=sys.stderr)
        said = answer(model, coder, turns, max_new_tokens, shown=guard is None)
        if guard is not None:
            said = guard.instead if _blocked(guard, "output", said, line) else said
            print(said)
        turns = (*turns, Turn("assistant", said))


def _blocked(guard: Filter, side: Side, text: str, prompt: str = "") -> bool:
    """Whether the filter blocks a text; which rules do is said beside the conversation."""
    (verdict,) = guard.verdicts([text], [prompt], side)
    if verdict.rules:
        what = "blocked" if verdict.blocked else "noted"
        print(f"[{what}: {', '.join(verdict.rules)}]", file=sys.stderr)
    return verdict.blocked


def _lines() -> Iterator[str]:
    while True:
        try:
            line = input("> " if sys.stdin.isatty() else "")
        except EOFError:
            return
        if line.strip():
            yield line.replace("\\n", "\n")


def answer(
    model: Any, coder: Coder, turns: Sequence[Turn], max_new_tokens: int, shown: bool = True
) -> str:
    """The most likely continuation, printed as it comes where it is `shown`."""
    import torch
    from transformers import TextStreamer

    room = min(max_new_tokens, coder.context // 2)
    prompt = torch.from_numpy(coder.prompt(Record("chat", turns=tuple(turns)), room))
    tokens = prompt.unsqueeze(0).to(model.device)
    with torch.inference_mode():
        out = model.network.generate(
            input_ids=tokens,
            attention_mask=torch.ones_like(tokens),
            do_sample=False,
            max_new_tokens=room,
            eos_token_id=coder.end,
            pad_token_id=coder.pad,
            streamer=TextStreamer(model.tokenizer, skip_prompt=True, skip_special_tokens=True)
            if shown
            else None,
        )
    said = out[0, tokens.shape[1] :]
    return model.tokenizer.decode(said, skip_special_tokens=True).strip()
