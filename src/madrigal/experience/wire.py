"""vLLM's API for completions with tokens in and out: what is sent, and what comes back."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from madrigal.errors import ModelError
from madrigal.experience.spoken import BrokenAnswerError

_PREFIX = "token_id:"


@dataclass(frozen=True, slots=True)
class Told:
    """An answer's tokens, and the log-probability of each in nats as the server tells it."""

    tokens: list[int]
    logps: list[float]


def body(
    name: str, prompt: Int[np.ndarray, " P"], limit: int, count: int, seed: int, end: int
) -> dict[str, Any]:
    """The JSON of a request for `count` answers. Servers take what is not said from the model's own
    generation settings, so everything that would change the distribution is said."""
    return {
        "model": name,
        "prompt": prompt.tolist(),
        "n": count,
        "seed": seed,
        "max_tokens": limit,
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": -1,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "stop": [],
        "stop_token_ids": [end],
        "ignore_eos": True,
        "logprobs": 1,
        "return_token_ids": True,
        "return_tokens_as_token_ids": True,
        "skip_special_tokens": False,
        "add_special_tokens": False,
        "stream": False,
    }


def told(content: bytes, count: int, limit: int, end: int, vocabulary: int) -> list[Told]:
    """The answers of a completion.

    Raises:
        BrokenAnswerError: the body is cut short or is no completion.
        ModelError: it is one, and not what was asked for.
    """
    try:
        choices = sorted(json.loads(content)["choices"], key=lambda one: one["index"])
        found = [_told(one) for one in choices]
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise BrokenAnswerError("no completion") from problem
    if len(found) != count:
        raise ModelError(f"the server gave {len(found)} answers where {count} were asked for")
    for one in found:
        _check(one, limit, end, vocabulary)
    return found


def listed(content: bytes) -> Mapping[str, int | None]:
    """The models that a server names, with the longest sequence of each where it is told."""
    try:
        return {str(one["id"]): one.get("max_model_len") for one in json.loads(content)["data"]}
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise BrokenAnswerError("no list of models") from problem


def _told(choice: Mapping[str, Any]) -> Told:
    said = choice.get("logprobs") or {}
    tokens = choice.get("token_ids")
    if tokens is None:  # servers from before `return_token_ids`
        names = said.get("tokens") or []
        if not all(str(name).startswith(_PREFIX) for name in names):
            names = []
        tokens = [int(str(name).removeprefix(_PREFIX)) for name in names]
    logps = [math.nan if value is None else float(value) for value in said["token_logprobs"]]
    return Told([int(token) for token in tokens], logps)


def _check(one: Told, limit: int, end: int, vocabulary: int) -> None:
    size = len(one.tokens)
    if not size:
        raise ModelError("the server gave an answer without tokens; it must know return_token_ids")
    if size > limit:
        raise ModelError(f"the server gave {size} tokens where {limit} were asked for at most")
    if len(one.logps) != size:
        raise ModelError(f"the server gave {len(one.logps)} log-probabilities of {size} tokens")
    if not all(math.isfinite(value) for value in one.logps):
        raise ModelError("the server gave a token without a log-probability")
    wrong = [token for token in one.tokens if not 0 <= token < vocabulary]
    if wrong:
        raise ModelError(f"the server gave the token {wrong[0]}, and {vocabulary} are known here")
    if end in one.tokens[:-1]:
        raise ModelError(f"the server went on behind the end token ({end})")
    if size < limit and one.tokens[-1] != end:
        raise ModelError(
            f"the server ended an answer after {size} of {limit} tokens without the end token "
            f"({end}); its context may be too short, or it ends at other words"
        )
