"""Settings of objectives that learn from answers of the model's own."""

from typing import ClassVar, Literal

from pydantic import Field

from madrigal.recipe.reward import Rewards
from madrigal.recipe.settings import Method, Settings

_NEEDS = "prompts; a reward"
_WRITES = "writing the answers; two passes more on them"


class PolicyGuard(Settings):
    """Signs of a reward that is exploited, over a few rollouts against the first few of the stage."""

    divergence: float | None = Field(default=10.0, gt=0, description="Nats that answers may be away from the model before the stage. Above, a nat gets dearer; above twice as much the model goes back. null: any.")
    entropy: float | None = Field(default=0.3, gt=0, lt=1, description="Share of its first entropy below which the model goes back, unless a gold reward is shown and did not fall; where there is none and the reward in training rose, it is told. null: any.")
    distinct: float | None = Field(default=0.7, gt=0, lt=1, description="The same of variety: different pairs of tokens by all pairs, over the answers of a rollout.")
    repeated: float | None = Field(default=0.2, gt=0, lt=1, description="How much more of an answer's pairs of tokens may have stood in it before than at first, before the model goes back; null: any.")
    length: float | None = Field(default=1.5, gt=1, description="How many times their first length answers may have, before length costs reward; null: any.")
    short: float | None = Field(default=0.5, gt=0, lt=1, description="Share of their first length below which answers that became shorter are told, or, unless the reward in training rose or a gold reward holds, the model goes back; null: any.")
    correlation: float | None = Field(default=0.5, gt=0, lt=1, description="Correlation of reward and length above which answers that grow are told, or, where a gold reward falls with it, length costs reward; null: any.")
    disagreement: float | None = Field(default=2.0, gt=1, description="How many times their first distance the members of an ensemble may be apart (standard deviation of their scores of an answer), before a nat gets dearer, or, where it has no price, the model goes back; null: any.")
    gradient: float | None = Field(default=10.0, gt=1, description="How many times their median before the norm of gradients may have, before the model goes back; norms below 1 are never too large. null: any.")
    cut: float | None = Field(default=0.1, gt=0, lt=1, description="How much more of the answers may come to no end than at first, before having none costs 1 more, as long as their share does not fall; null: any.")
    likeliest: int | None = Field(default=128, ge=8, description="Held-out prompts (of validation; with fewer than 8, of training) whose likeliest answers the gold reward judges as the stage begins, at checkpoints and as it ends: only weights at which it did not surely fall are gone back to, or are the result. null: none.")
    every: int = Field(default=10, ge=1, description="Rollouts from one such look to the next, at least.")
    window: int = Field(default=4, ge=1, le=1000, description="Rollouts that are averaged.")
    strikes: int = Field(default=3, ge=0, description="Actions after which the next sign ends the stage, with the weights before.")
    act: bool = Field(default=True, description="false: signs are told, and nothing is done.")


class Server(Settings):
    """An inference server that writes the answers: vLLM, or what speaks its API. Before each rollout it is handed the adapter as it is then."""

    url: str = Field(pattern=r"^https?://[^@\s]+$", description="Address up to and with `/v1`, `http://localhost:8000/v1`.")
    model: str = Field(min_length=1, description="Name of the base model there; `/v1/models` lists it.")
    adapters: str = Field(min_length=1, description="Folder that this machine and the server see under one path. The adapter of a rollout is written there and removed after the next.")
    key: str | None = Field(default=None, description="NAME of the environment variable with the secret key; left out: none is sent. The key itself stands in no file.")
    at_once: int = Field(default=8, ge=1, le=1000, description="Requests under way at the same time; one is a prompt with all its answers.")
    tries: int = Field(default=6, ge=1, le=100, description="Times that a request is made before the stage ends; it goes on with --resume.")
    timeout: float = Field(default=300.0, gt=0, description="Seconds that a request may take.")
    first_pause: float = Field(default=1.0, gt=0, description="Seconds of the pause after the first failure, at most; each further one may be twice as long, up to a minute.")
    gap: float = Field(default=0.2, gt=0, le=100, description="How far the server's log-probabilities may be from the trainer's, in nats a token on the mean, before the stage ends.")


class Acting(Settings):
    """What all of them share: how answers are written, and what each is worth."""

    reward: Rewards = Field(min_length=1, description="What an answer is worth: one reward, or a list whose weighted sum counts.")
    samples: int = Field(default=4, ge=1, le=256, description="Answers to each prompt.")
    temperature: float = Field(default=1.0, gt=0, le=10, description="Of the distribution that answers are drawn from, and that is trained.")
    top_p: float = Field(default=1.0, gt=0, le=1, description="Answers are drawn from the likeliest tokens whose probabilities sum to this, and where policy gradients learn from them, that distribution is what is trained. 1: from all.")
    normalise: Literal["start", "none"] = Field(default="start", description="`start`: rewards less their mean, by their standard deviation, both over the first answers of the stage, so that tasks with different rewards weigh alike. `none`: as they are.")
    most: float = Field(default=10.0, gt=0, description="Rewards are kept between this and its negative, after they are normalised.")
    missing_end: float = Field(default=1.0, ge=0, le=100, description="What an answer loses that is cut off at `max_new_tokens` before its end, in units of the normalised reward.")
    failures: float = Field(default=0.1, ge=0, lt=1, description="Share of answers without a reward (the function failed, or gave no number) from which on the stage ends. These answers are left out.")
    gold: Rewards = Field(default=(), description="A second opinion on the answers, which is not trained on: when it falls while the reward rises, the model goes back.")
    guard: PolicyGuard | None = Field(default=PolicyGuard(), description="Signs of a reward that is exploited, and what is done about them; null: none.")
    server: Server | None = Field(default=None, description="An inference server that writes the answers; null: they are written here.")


class Rloo(Acting):
    """Each answer against the mean reward of the other answers to its prompt, without a critic (RLOO; Ahmadian et al., 2024)."""

    method: ClassVar[Method] = Method("Ahmadian et al., 2024", _NEEDS, _WRITES)
    kind: Literal["rloo"] = "rloo"
    samples: int = Field(default=4, ge=2, le=256, description="Answers to each prompt.")
    beta: float = Field(default=0.05, ge=0, le=100, description="Reward that a nat of divergence from the model before the stage costs, of whole answers.")
    target: float | None = Field(default=None, gt=0, description="Nats of divergence of whole answers towards which `beta` is steered; left out: it stays.")
    horizon: float = Field(default=10_000.0, gt=0, description="Answers in which `beta` changes by a fifth at most.")


class Grpo(Acting):
    """Each answer against the mean reward of all answers to its prompt; the divergence stands in the loss (GRPO; Shao et al., 2024)."""

    method: ClassVar[Method] = Method("Shao et al., 2024", _NEEDS, _WRITES)
    kind: Literal["grpo"] = "grpo"
    samples: int = Field(default=8, ge=2, le=256, description="Answers to each prompt.")
    beta: float = Field(default=0.04, ge=0, le=100, description="Weight of the divergence from the model before the stage, by token.")
    penalty: Literal["k2", "k3_ratio", "k3"] = Field(default="k3_ratio", description="What stands for the divergence in the loss. `k3` is the original, whose gradient is not the divergence's: it holds back too little.")
    scaled: bool = Field(default=False, description="Divide by the standard deviation of a prompt's rewards, as the original does. It shrinks as the model grows sure.")
    epochs: int = Field(default=1, ge=1, le=16, description="Steps that learn from the same answers.")
    clip: float = Field(default=0.2, gt=0, lt=1, description="How far the ratio of new and old probability may go, as a share of 1.")
    clip_high: float | None = Field(default=0.28, gt=0, le=10, description="The same upwards (DAPO; Yu et al., 2025).")


class Ppo(Acting):
    """Each token against what a critic expected, the step limited by clipped ratios (PPO; Schulman et al., 2017)."""

    method: ClassVar[Method] = Method("Schulman et al., 2017", f"{_NEEDS}; a critic", _WRITES)
    kind: Literal["ppo"] = "ppo"
    samples: int = Field(default=1, ge=1, le=256, description="Answers to each prompt.")
    beta: float = Field(default=0.05, ge=0, le=100, description="Reward that a nat of divergence from the model before the stage costs, at each token. With a `target` where it begins.")
    target: float | None = Field(default=6.0, gt=0, description="Nats of divergence of whole answers towards which `beta` is steered; null: it stays.")
    horizon: float = Field(default=10_000.0, gt=0, description="Answers in which `beta` changes by a fifth at most.")
    epochs: int = Field(default=4, ge=1, le=16, description="Steps that learn from the same answers.")
    clip: float = Field(default=0.2, gt=0, lt=1, description="How far the ratio of new and old probability may go, as a share of 1.")
    dual_clip: float | None = Field(default=3.0, gt=1, description="Bound of the loss of bad answers that became much likelier (Ye et al., 2020); null: none.")
    discount: float = Field(default=1.0, gt=0, le=1, description="What a reward one token later is worth.")
    trace: float = Field(default=0.95, ge=0, le=1, description="Of generalised advantage estimation: 1 trusts what was seen, 0 the critic.")
    whiten: bool = Field(default=True, description="Advantages with mean 0 and variance 1 over the answers of a step.")
    value: float = Field(default=0.1, gt=0, le=100, description="Weight of the critic's squared error.")
    value_clip: float | None = Field(default=0.2, gt=0, description="How far the critic may move from what it said before; null: anywhere.")
    critic: Literal["auto", "zero"] = Field(default="auto", description="What the critic begins with. `auto`: the head of the reward model, where the reward is one and fits; else `zero`.")


class BestOfN(Acting):
    """The best of several answers is learnt as if it were given (rejection sampling; Nakano et al., 2021)."""

    method: ClassVar[Method] = Method("Nakano et al., 2021", _NEEDS, "writing the answers")
    kind: Literal["best_of_n"] = "best_of_n"


class OnlineDpo(Acting):
    """The best and the worst of several answers are a pair, learnt as in DPO (online DPO; Guo et al., 2024)."""

    method: ClassVar[Method] = Method("Guo et al., 2024", _NEEDS, _WRITES)
    kind: Literal["online_dpo"] = "online_dpo"
    samples: int = Field(default=2, ge=2, le=256, description="Answers to each prompt.")
    beta: float = Field(default=0.1, gt=0, le=100, description="Nats of reward for one nat of log-ratio to the model before the stage.")


def learnt_once(settings: Acting) -> bool:
    """Whether the weights that learn from answers are always those that wrote them, and nothing
    that is learnt depends on how likely they were then."""
    return isinstance(settings, Grpo) and settings.epochs == 1


def steps_of(settings: Acting) -> int:
    """Steps that learn from the same answers."""
    return settings.epochs if isinstance(settings, Ppo | Grpo) else 1


def passes_of(settings: Acting) -> int:
    """Passes over the answers beside training: of the reference; of the model where writing has not
    told what is needed; of what was likeliest; of a critic."""
    again = not learnt_once(settings) or settings.server is not None
    return 1 + again + (settings.top_p < 1) + isinstance(settings, Ppo)
