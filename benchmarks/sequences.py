"""Preferences among all 364 sequences of a tiny language, where every optimum can be enumerated.

The vocabulary is an end token, a, b and c; sequences hold at most five tokens, so there are 364.
The model is one pre-norm transformer layer; as it is initialised it is the reference. The reward R
of a sequence is its number of a's, less one where it has no end. Pairs of answers are drawn from
the reference and labelled by sigma(R_i - R_j), of which a share may be flipped. Known are the
optimum of KL-regularised reward and IPO's own.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from torch import Tensor, nn

from madrigal.objectives import Kto, Objective, Outputs, Surveys
from madrigal.tasks.encoded import Encoded, Judged

END, LONGEST, START = 0, 5, 4  # the start token is never an answer
BETA = 0.5
VOCABULARY = 4
WIDTH, HEADS = 32, 2
PAIRS, BATCH, RATE = 8192, 256, 2e-3
NAN = float("nan")

ANSWERS: list[tuple[int, ...]] = [
    (*body, END) for size in range(LONGEST) for body in product((1, 2, 3), repeat=size)
] + list(product((1, 2, 3), repeat=LONGEST))
REWARD = np.array([answer.count(1) - (answer[-1] != END) for answer in ANSWERS], dtype=float)
SIZES = np.array([len(answer) for answer in ANSWERS])
STARTS = np.cumsum(SIZES) - SIZES


class Model(nn.Module):
    """A transformer of one layer with a head for tokens, or for one score at a sequence's end."""

    def __init__(self, seed: int, outputs: int = 4) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.token = nn.Embedding(5, WIDTH)
        self.place = nn.Embedding(LONGEST + 1, WIDTH)
        self.first, self.second, self.last = (nn.LayerNorm(WIDTH) for _ in range(3))
        self.mix, self.join = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, outputs, bias=False)
        nn.init.normal_(self.head.weight, std=0.3)

    def forward(self, tokens: Tensor) -> Tensor:
        count, width = tokens.shape
        x = self.token(tokens) + self.place(torch.arange(width))
        parts = self.mix(self.first(x)).view(count, width, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        seen = nn.functional.scaled_dot_product_attention(*parts, is_causal=True)
        x = x + self.join(seen.transpose(1, 2).reshape(count, width, -1))
        x = x + self.down(nn.functional.gelu(self.up(self.second(x))))
        return self.head(self.last(x))


TOKENS = torch.tensor([[START, *answer, *[END] * (LONGEST - len(answer))] for answer in ANSWERS])
MASK = torch.arange(LONGEST) < torch.tensor(SIZES)[:, None]


def answer_logps(model: Model) -> Tensor:
    """Log-probabilities of the tokens of all answers, one answer after another."""
    table = model(TOKENS[:, :-1])[..., :VOCABULARY].log_softmax(-1)
    return table.gather(2, TOKENS[:, 1:, None])[..., 0][MASK]


def policy(model: Model) -> np.ndarray:
    """Probabilities of all sequences; they sum to one."""
    with torch.no_grad():
        parts = answer_logps(model).double().numpy()
    return np.exp(np.add.reduceat(parts, STARTS))


def best(reference: np.ndarray) -> np.ndarray:
    """pi* ~ pi_ref exp(R / beta)."""
    return _normal(reference * np.exp(REWARD / BETA))


def best_of_ipo(reference: np.ndarray, flips: float = 0.0) -> np.ndarray:
    """pi ~ pi_ref exp(E_{y'~pi_ref}[P(y better than y')] / beta)."""
    return _normal(reference * np.exp(labelled(flips) @ reference / BETA))


def labelled(flips: float) -> np.ndarray:
    """P(i better than j) in the data."""
    clean = 1 / (1 + np.exp(REWARD[None, :] - REWARD[:, None]))
    return (1 - flips) * clean + flips * (1 - clean)


def _normal(weights: np.ndarray) -> np.ndarray:
    return weights / weights.sum()


def value(shares: np.ndarray, reference: np.ndarray) -> float:
    """J = E[R] - beta KL(pi, pi_ref)."""
    return float(shares @ (REWARD - BETA * np.log(shares / reference)))


@dataclass(frozen=True)
class Facts:
    """What is known of a problem before anything is trained: E[R] of the reference and of the best
    policy, and the best policy's distance from the reference and its J."""

    start: float
    reward: float
    kl: float
    value: float


def facts(reference: np.ndarray) -> Facts:
    found = best(reference)
    kl = float(found @ np.log(found / reference))
    at_start, at_best = float(reference @ REWARD), float(found @ REWARD)
    return Facts(at_start, at_best, kl, at_best - BETA * kl)


def tv(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).sum() / 2)


@dataclass(frozen=True)
class Data:
    """Numbers of the answers of each example, N x K, and the rows of each example."""

    drawn: np.ndarray
    rows: list[tuple[Encoded, ...]]


def _row(answer: int, judged: Judged) -> Encoded:
    tokens = np.array([START, *ANSWERS[answer]])
    return Encoded(tokens, np.arange(len(tokens)) > 0, judged=judged)


def pairs(reference: np.ndarray, seed: int, flips: float, count: int = PAIRS) -> Data:
    """Sampled pairs with sampled labels, and with ratings."""
    chance = np.random.default_rng([seed, 1])
    drawn = chance.choice(len(ANSWERS), size=(count, 2), p=_normal(reference))
    wins = chance.random(count) < labelled(flips)[drawn[:, 0], drawn[:, 1]]
    scaled, known = (REWARD - REWARD.min()) / np.ptp(REWARD), np.log(reference)
    examples = []
    for (i, j), first in zip(drawn.tolist(), wins.astype(float).tolist(), strict=True):
        one = Judged(0, (NAN, first), value=scaled[i], reference=known[i])
        other = Judged(1, (1 - first, NAN), value=scaled[j], reference=known[j])
        examples.append((_row(i, one), _row(j, other)))
    return Data(drawn, examples)


def thumbs(reference: np.ndarray, seed: int, count: int = PAIRS) -> Data:
    """Sampled answers; good are those with more than the median reward."""
    chance = np.random.default_rng([seed, 2])
    drawn = chance.choice(len(ANSWERS), size=(count, 1), p=_normal(reference))
    good = np.median(REWARD[drawn]) < REWARD
    known = np.log(reference)
    rows = [
        (_row(i, Judged(0, (NAN,), value=float(good[i]), reference=known[i])),)
        for i in drawn[:, 0].tolist()
    ]
    return Data(drawn, rows)


def token_outputs(model: Model, drawn: np.ndarray) -> Outputs:
    """What the model says of the tokens of these answers."""
    flat = drawn.flatten()
    sizes = SIZES[flat]
    owner = np.repeat(np.arange(len(flat)), sizes)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    at = torch.from_numpy(STARTS[flat][owner] + within)
    return Outputs(torch.from_numpy(owner), answer_logps(model)[at])


def answer_scores(model: Model) -> Tensor:
    """The score of every answer."""
    return model(TOKENS)[torch.arange(len(ANSWERS)), torch.from_numpy(SIZES)]


def score_outputs(model: Model, drawn: np.ndarray) -> Outputs:
    """The scores of these answers."""
    scores = answer_scores(model)[torch.from_numpy(drawn.flatten())]
    return Outputs(torch.zeros(0, dtype=torch.int64), torch.zeros(0), scores=scores)


def train(
    model: Model,
    objective: Objective,
    data: Data,
    steps: int,
    seed: int,
    outputs: Callable[[Model, np.ndarray], Outputs] = token_outputs,
    rate: float = RATE,
) -> None:
    """Adam with a learning rate that falls to zero, over examples in a new order each pass."""
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    chance = np.random.default_rng([seed, 3])
    order = np.zeros(0, dtype=int)
    for step in range(steps):
        if len(order) < BATCH:
            order = np.concatenate([order, chance.permutation(len(data.rows))])
        now, order = order[:BATCH], order[BATCH:]
        rows = [row for example in now for row in data.rows[example]]
        given = outputs(model, data.drawn[now])
        if isinstance(objective, Surveys) and isinstance(objective, Kto):
            # There is one prompt only: its answers are what the baseline is about.
            given = replace(given, survey=objective.survey(rows, given))
        loss = objective.loss(rows, given) / objective.count(rows)
        for group in optimiser.param_groups:
            group["lr"] = rate * (1 - step / steps)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
