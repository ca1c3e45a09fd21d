"""Policy gradients among 364 enumerable sequences: python benchmarks/policy_toys.py [SEEDS]

The problem is that of `sequences.py`, beta = 1/2, five seeds unless told otherwise. Answers are
drawn from the model as it stands, so its optimum pi* is to be reached, whatever was drawn. The gate
was stated beforehand: TV below .05 and J within .01 nats of the best, in every seed. It must stop
every mutant, each a mistake that trainers have made.

PPO: 80 updates of 128 answers, 2 epochs of one batch, a critic on the model's trunk that begins at
0, trace 1, clip 0.2; long is 120 updates of 256 answers and 4 epochs. RLOO: 120 updates of 256 in
groups of 4, one epoch. Adam of 3e-3 that falls to 0 in all. Mutants are those of the short PPO.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from record import Line, save
from sequences import (
    ANSWERS,
    BETA,
    LONGEST,
    MASK,
    REWARD,
    SIZES,
    TOKENS,
    VOCABULARY,
    Model,
    best,
    policy,
    tv,
    value,
)
from torch import Tensor

from madrigal.experience import among_equals, estimated, leave_one_out, token_rewards, whitened
from madrigal.objectives import Outputs, Policy
from madrigal.tasks.encoded import Acted, Encoded

RATE = 3e-3
NEAR, MISSING = 0.05, 0.01  # the gate: TV, nats


@dataclass(frozen=True)
class Recipe:
    """A method, or a mistake in it."""

    objective: Policy
    updates: int = 80
    answers: int = 128  # of an update
    epochs: int = 2
    group: int = 1  # answers that are compared with each other; 1: the critic's advantages
    beta: float = BETA  # in the reward
    trace: float = 1.0
    whiten: bool = True
    scaled: bool = False  # advantages by the group's standard deviation
    temperature: float = 1.0  # of the drawing alone, which is a mistake
    padded: bool = False  # padding is learnt from as if it were answer


PPO = Recipe(Policy(value=0.1))
RLOO = Recipe(Policy(clip=None, ratio="answers"), 120, 256, 1, group=4, whiten=False)
LONG = replace(PPO, updates=120, answers=256, epochs=4)
GOOD: Mapping[str, Recipe] = {
    "PPO": PPO,
    "PPO, long": LONG,
    "PPO, long, trace 0.95": replace(LONG, trace=0.95),
    "RLOO": RLOO,
}
MUTANTS: Mapping[str, Recipe] = {
    "padding is learnt from": replace(PPO, padded=True),
    "drawn at temperature 0.7, scored at 1": replace(PPO, temperature=0.7),
    "penalty with the wrong sign": replace(PPO, beta=-BETA),
    "no penalty": replace(PPO, beta=0.0),
    "GRPO: scaled, k3 in the loss": replace(
        RLOO, objective=Policy(penalty="k3", beta=BETA), beta=0.0, scaled=True
    ),
}


def _heads(model: Model, drawn: np.ndarray, padded: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Row, log-probability and value of each token of these answers."""
    kept = torch.ones_like(MASK) if padded else MASK
    said = model(TOKENS[:, :-1])
    logps = said[..., :VOCABULARY].log_softmax(-1).gather(2, TOKENS[:, 1:, None])[..., 0]
    at = torch.from_numpy(drawn)
    chosen = kept[at]
    owner = torch.arange(len(drawn))[:, None].expand_as(chosen)[chosen]
    return owner, logps[at][chosen], said[..., VOCABULARY][at][chosen]


def _drawn(model: Model, recipe: Recipe, chance: np.random.Generator) -> np.ndarray:
    with torch.no_grad():
        said = model(TOKENS[:, :-1])[..., :VOCABULARY] / recipe.temperature
        logps = said.log_softmax(-1).gather(2, TOKENS[:, 1:, None])[..., 0].double()
        shares = (logps * MASK).sum(1).exp().numpy()
    return chance.choice(len(ANSWERS), size=recipe.answers, p=shares / shares.sum())


def _rows(model: Model, first: Model, drawn: np.ndarray, recipe: Recipe) -> list[Encoded]:
    """The drawn answers with what is to be learnt from each of their tokens."""
    with torch.no_grad():
        _, old, values = (one.double().numpy() for one in _heads(model, drawn, recipe.padded))
        _, known, _ = (one.double().numpy() for one in _heads(first, drawn, recipe.padded))
    sizes = np.full(len(drawn), LONGEST) if recipe.padded else SIZES[drawn]
    rewards = token_rewards(REWARD[drawn], old - known, sizes, recipe.beta)
    returns = np.zeros(len(rewards))
    if recipe.group == 1:
        advantages, returns = estimated(rewards, values, sizes, trace=recipe.trace)
    else:
        whole = np.add.reduceat(rewards, np.cumsum(sizes) - sizes)
        groups = np.arange(len(drawn)) // recipe.group
        each = among_equals(whole, groups, True) if recipe.scaled else leave_one_out(whole, groups)
        advantages = np.repeat(each, sizes)
    if recipe.whiten:
        advantages = whitened(advantages)
    cuts = np.cumsum(sizes)[:-1]
    parts = zip(
        *(np.split(a, cuts) for a in (old, advantages, known, values, returns)), strict=True
    )
    rows = []
    for answer, part in zip(drawn.tolist(), parts, strict=True):
        tokens = TOKENS[answer].numpy()[: len(part[0]) + 1]
        rows.append(Encoded(tokens, np.arange(len(tokens)) > 0, acted=Acted(*part)))
    return rows


def learnt(recipe: Recipe, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The policy after training, and the reference."""
    first, model = (_with_critic(seed) for _ in range(2))
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE, eps=1e-5)
    chance = np.random.default_rng([seed, 4])
    for update in range(recipe.updates):
        drawn = _drawn(model, recipe, chance)
        rows = _rows(model, first, drawn, recipe)
        for epoch in range(recipe.epochs):
            owner, logps, values = _heads(model, drawn, recipe.padded)
            if not epoch:
                _same(rows, logps)
            outputs = Outputs(owner, logps, values=values)
            loss = recipe.objective.loss(rows, outputs) / recipe.objective.count(rows)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for group in optimiser.param_groups:
                group["lr"] = RATE * (1 - update / recipe.updates)
            optimiser.step()
    return policy(model), policy(first)


def _with_critic(seed: int) -> Model:
    """The model of this seed, with one more output that is 0."""
    model = Model(seed, VOCABULARY)
    weight = torch.cat([model.head.weight.detach(), torch.zeros(1, model.head.in_features)])
    model.head.weight = torch.nn.Parameter(weight)
    return model


def _same(rows: Sequence[Encoded], logps: Tensor) -> None:
    """The first pass over fresh answers finds them as likely as when they were written."""
    old = np.concatenate([row.acted.old for row in rows if row.acted is not None])
    assert np.abs(np.expm1(logps.detach().double().numpy() - old)).max() < 1e-4


def measured(recipe: Recipe, seed: int) -> dict[str, float]:
    """Distance to the optimum, and how much is missing of its J."""
    found, reference = learnt(recipe, seed)
    optimum = best(reference)
    gap = value(optimum, reference) - value(found, reference)
    return {"tv": tv(found, optimum), "gap": gap, "reward": float(found @ REWARD)}


def passes(one: Mapping[str, float]) -> bool:
    """Whether the gate is kept."""
    return one["tv"] < NEAR and abs(one["gap"]) < MISSING


def lines(found: Mapping[str, Sequence[Mapping[str, float]]]) -> list[Line]:
    made = []
    for name in GOOD:
        far, gap = (max(one[what] for one in found[name]) for what in ("tv", "gap"))
        made.append(Line(f"{name}: TV, worst seed", round(far, 4), "", f"< {NEAR:g}", far < NEAR))
        kept = gap < MISSING
        made.append(
            Line(f"{name}: J missing, worst seed", round(gap, 4), "nats", f"< {MISSING:g}", kept)
        )
    for name in MUTANTS:
        stopped = sum(not passes(one) for one in found[name])
        whole = stopped == len(found[name])
        made.append(
            Line(
                f"{name}: stopped by the gate",
                stopped,
                f"of {len(found[name])} seeds",
                "all",
                whole,
            )
        )
    return made


def main() -> None:
    torch.set_num_threads(1)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    found: dict[str, list[dict[str, float]]] = {}
    for seed in range(count):
        for name, recipe in {**GOOD, **MUTANTS}.items():
            found.setdefault(name, []).append(measured(recipe, seed))
            print(seed, name, found[name][-1], flush=True)
    save("policy_toys", lines(found), seeds=count, each=found)


if __name__ == "__main__":
    main()
