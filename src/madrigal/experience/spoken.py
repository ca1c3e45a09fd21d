"""OpenAI's API for completions: what is sent, and what comes back."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from madrigal.experience.generator import Asked, Said
from madrigal.tasks.record import Turn

Api = Literal["chat", "completions"]
PATHS: Mapping[Api, str] = {"chat": "chat/completions", "completions": "completions"}
_LISTED = {"chat": 20, "completions": 5}  # the most likely tokens that servers list at most
_NAMES = {"system": "System", "user": "Human", "assistant": "Assistant"}


class BrokenAnswerError(ValueError):
    """The body is not what the API promises."""


def body(asked: Asked, model: str, api: Api, listed: bool) -> dict[str, Any]:
    """The JSON of a request. With `listed`, log-probabilities are asked for where words are."""
    how = asked.sampling
    found: dict[str, Any] = {"model": model}
    if api == "chat":
        found["messages"] = [{"role": t.role, "content": t.text} for t in asked.turns]
    else:
        found["prompt"] = plain(asked.turns)
    found |= {"temperature": how.temperature, "top_p": how.top_p, "max_tokens": how.max_tokens}
    found |= {"seed": asked.seed, "n": 1, "stream": False}
    if how.stop:
        found["stop"] = list(how.stop)
    if asked.words and listed:
        most = _LISTED[api]
        found |= {"logprobs": True, "top_logprobs": most} if api == "chat" else {"logprobs": most}
    return found


def plain(turns: Sequence[Turn]) -> str:
    """A conversation as text for a model without chat form: what the user says as it is; several
    turns as a dialogue."""
    if len(turns) == 1:
        return turns[0].text
    told = [f"{_NAMES[turn.role]}: {turn.text}" for turn in turns]
    return "\n\n".join([*told, "Assistant:"])


def read(content: bytes, asked: Asked, api: Api) -> Said:
    """What the body of an answer says.

    Raises:
        BrokenAnswerError: not JSON, cut short, or without a text.
    """
    try:
        whole = json.loads(content)
        choice = whole["choices"][0]
        said = choice["message"]["content"] if api == "chat" else choice["text"]
        text = said or ""
        usage = whole.get("usage") or {}
        read_, written = (int(usage.get(f"{k}_tokens") or 0) for k in ("prompt", "completion"))
        listed = choice.get("logprobs") or {}
        words = _words(asked.words, dict(_first(listed))) if asked.words else None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as problem:
        raise BrokenAnswerError(str(problem)) from problem
    if not isinstance(text, str):
        raise BrokenAnswerError("the text is none")
    ended = choice.get("finish_reason") != "length"
    # Half of a surrogate pair is no text that a file can hold.
    whole_text = text.encode("utf-8", "replace").decode("utf-8").strip()
    return Said(whole_text, ended, read_, written, words)


def _first(listed: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """The tokens that the answer could have begun with, each with its log-probability."""
    content = listed.get("content")
    if content:  # chat
        for one in (*content[0].get("top_logprobs", ()), content[0]):
            yield one["token"], float(one["logprob"])
    top = listed.get("top_logprobs")
    if top and isinstance(top, list):  # completions
        yield from ((token, float(value)) for token, value in top[0].items())


def _words(words: Sequence[str], first: Mapping[str, float]) -> Mapping[str, float] | None:
    """Each word's log-probability: of all listed tokens that are the word, spaces aside.

    A word that is not listed is at most as likely as the least likely token that is, and stands for
    that. None where no word is listed.
    """
    found = {
        word: [value for token, value in first.items() if token.strip() == word] for word in words
    }
    if not any(found.values()):
        return None
    least = min(first.values())
    return {word: _together(values) if values else least for word, values in found.items()}


def _together(values: Sequence[float]) -> float:
    return values[0] if len(values) == 1 else math.log(math.fsum(map(math.exp, values)))
