"""What is told of a rollout: means over its answers, and some answers to read."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from madrigal.evaluation.written import repeated
from madrigal.experience.answer import Answer
from madrigal.experience.lessons import Written
from madrigal.training.record import Sampled

SHOWN = 2  # answers of a rollout that are kept to be read


def means(
    answers: Sequence[Answer],
    rewards: Float[np.ndarray, " R"],
    written: Written,
    beta: float,
) -> dict[str, float]:
    """Means over the answers of a rollout.

    - `reward`, as given; `failed` is the share of answers without one.
    - `divergence`: log pi - log pi_ref summed over an answer, in nats (k1); `divergence_k3` sums
      e^(-d) - 1 + d, which is never negative. `beta` is the price of a nat.
    - `entropy`: -log pi of a token, in nats.
    - `tokens` of an answer; `cut` is the share of answers without an end, `empty` that of answers
      without text.
    - `distinct_2`: different pairs of adjacent tokens by all such pairs, over all answers;
      `repeated`: share of an answer's pairs of tokens that stood in it before.
    - `reward_length`: correlation of reward and tokens.
    - `explained`: share of the variance of the rewards-to-go that the critic explains.
    """
    known = np.isfinite(rewards)
    away = written.away
    sizes = written.sizes
    k3 = np.expm1(-np.clip(away, -20, 20)) + away
    found = {
        "reward": float(rewards[known].mean()) if known.any() else float("nan"),
        "failed": float(1 - known.mean()) if len(known) else 0.0,
        "divergence": float(written.by_answer(away).mean()),
        "divergence_k3": float(written.by_answer(k3).mean()),
        "beta": beta,
        "entropy": float(-written.old.mean()),
        "tokens": float(sizes.mean()),
        "cut": float(np.mean([not one.ended for one in answers])),
        "empty": float(np.mean([not one.text for one in answers])),
        "distinct_2": distinct([one.tokens.tolist() for one in answers]),
        "repeated": float(np.mean([repeated(one.tokens.tolist(), gram=2) for one in answers])),
        "reward_length": correlation(rewards[known], sizes[known].astype(float)),
    }
    if written.values is not None and known.all():
        ends = np.cumsum(sizes)
        starts = ends - sizes
        paid = written.rewards - beta * written.by_answer(away)
        found["explained"] = explained(paid, written.values[starts])
    return found


def tokens_of(answers: Sequence[Answer]) -> dict[str, int]:
    """Tokens that were `read` and `written`. Equal prompts stand together and are read once."""
    read = [one.prompt for n, one in enumerate(answers) if not n or _new(answers, n)]
    return {
        "read": sum(len(prompt.tokens) for prompt in read),
        "written": sum(len(one.tokens) for one in answers),
    }


def _new(answers: Sequence[Answer], number: int) -> bool:
    return answers[number].prompt is not answers[number - 1].prompt


def scored_tokens(answers: Sequence[Answer], shared: bool, passes: int) -> int:
    """Tokens that so many passes over prompts and answers go through; `shared`: a prompt is read
    once for all its answers."""
    each = tokens_of(answers)
    read = each["read"] if shared else sum(len(one.prompt.tokens) for one in answers)
    return passes * (read + each["written"])


def gold_means(gold: Sequence[float]) -> dict[str, float]:
    """`gold`: mean of the rewards that are not trained on; `gold_error`: its standard error."""
    known = np.array([one for one in gold if np.isfinite(one)])
    if len(known) < 2:
        return {}
    error = float(known.std(ddof=1)) / len(known) ** 0.5
    return {"gold": float(known.mean()), "gold_error": error}


def watched_means(apart: Sequence[float], norms: Sequence[float]) -> dict[str, float]:
    """`disagreement`: mean over the answers of what the members of an ensemble are apart;
    `gradient`: mean norm of the gradients since the last rollout. Each where there is one."""
    known = [one for one in apart if np.isfinite(one)]
    found = {"disagreement": float(np.mean(known))} if known else {}
    return found | ({"gradient": float(np.mean(norms))} if norms else {})


def distinct(texts: Sequence[Sequence[int]]) -> float:
    """Different pairs of adjacent tokens by all such pairs; 1 where there is none."""
    pairs = [pair for text in texts for pair in pairwise(text)]
    return len(set(pairs)) / len(pairs) if pairs else 1.0


def correlation(a: Float[np.ndarray, " R"], b: Float[np.ndarray, " R"]) -> float:
    """Pearson's; 0 where one of them does not vary."""
    if len(a) < 2:
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / scale if scale > 0 else 0.0


def explained(seen: Float[np.ndarray, " R"], expected: Float[np.ndarray, " R"]) -> float:
    """1 - var(seen - expected) / var(seen); 0 where nothing varies."""
    whole = float(np.var(seen))
    return 1 - float(np.var(seen - expected)) / whole if whole > 0 else 0.0


def sampled(
    answers: Sequence[Answer],
    rewards: Float[np.ndarray, " R"],
    away: Float[np.ndarray, " R"],
) -> tuple[Sampled, ...]:
    """The first answers, to be read."""
    return tuple(
        Sampled(
            prompt=one.prompt.record.prompt,
            answer=one.text,
            reward=float(reward),
            divergence=float(nats),
            tokens=len(one.tokens),
            ended=one.ended,
        )
        for one, reward, nats in zip(answers[:SHOWN], rewards, away, strict=False)
    )
