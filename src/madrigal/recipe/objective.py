"""Settings of the objectives: what a good output of a task costs."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from madrigal.recipe.policy import BestOfN, Grpo, OnlineDpo, Ppo, Rloo
from madrigal.recipe.settings import KindShort, Method, Settings

_COMPARED = "compared answers; a reference"
_EACH = "two passes an answer"
_TWO = f"{_EACH}; the reference, once"


class Likelihood(Settings):
    """Negative log-likelihood of the answer (of every token, for raw text)."""

    method: ClassVar[Method] = Method(needs="an answer, or raw text", cost="one forward and one backward pass")
    kind: Literal["likelihood"] = "likelihood"
    normalise: Literal["tokens", "examples"] = Field(default="tokens", description="`tokens`: mean over answer tokens. `examples`: mean over examples of their token means.")


class Align(Settings):
    """Likelihood of the answer, and the states of prompts are brought near to another task's (CORAL: Sun and Saenko, 2016; MMD: Long et al., 2015)."""

    method: ClassVar[Method] = Method("Sun and Saenko, 2016", needs="another task in the stage", cost="two passes without gradients, of both tasks' rows")
    kind: Literal["align"] = "align"
    to: str = Field(min_length=1, description="Name of the other task of the stage. Its rows stand still; written for both tasks, both move.")
    how: Literal["coral", "mmd"] = Field(default="coral", description="`coral`: distance of the covariances. `mmd`: maximum mean discrepancy, of whole distributions, with five Gaussian kernels around the median distance.")
    strength: float = Field(default=1.0, ge=0, le=1e6, description="Weight of the distance, beside the loss by unit.")
    likelihood: float = Field(default=1.0, ge=0, le=100, description="Weight of the likelihood. 0: the task's answers are not learnt, only its prompts are used.")
    pool: Literal["last", "mean"] = Field(default="last", description="What stands for a row: the state that its answer begins from, or the mean over the tokens before. Of raw text: at its end, or over all.")
    normalise: Literal["tokens", "examples"] = Field(default="tokens", description="As of `likelihood`.")


class Dpo(Settings):
    """The better answer becomes more likely than the worse, beyond what a reference model thinks (DPO; Rafailov et al., 2023)."""

    method: ClassVar[Method] = Method("Rafailov et al., 2023", needs=_COMPARED, cost=_TWO)
    kind: Literal["dpo"] = "dpo"
    beta: float = Field(default=0.1, gt=0, le=100, description="Nats of reward for one nat of log-ratio to the reference. Small: the model may go far from it.")
    smoothing: float = Field(default=0.0, ge=0, lt=0.5, description="Share of the labels' mass given to the other answer. It regularises and does not correct wrong labels (cDPO; Mitchell, 2023).")
    flip_rate: float = Field(default=0.0, ge=0, lt=0.5, description="Share of labels that are wrong. The loss undoes them on average (rDPO; Chowdhury et al., 2024).")
    normalise: Literal["none", "tokens"] = Field(default="none", description="`tokens`: log-ratios by token of the answer, as in Tülu 3, which goes with a beta of about 5.")
    likelihood: float = Field(default=0.0, ge=0, le=100, description="Weight of the better answer's negative log-likelihood by token. It keeps it from falling (RPO; Pang et al., 2024).")
    dpop: float = Field(default=0.0, ge=0, le=1000, description="Weight of the drop of the better answer's log-probability below the reference's. In its paper 5 to 500 (DPOP; Pal et al., 2024).")


class Ipo(Settings):
    """The log-ratios of two answers are brought a fixed distance apart, however sure the labels are (IPO; Azar et al., 2024)."""

    method: ClassVar[Method] = Method("Azar et al., 2024", needs=_COMPARED, cost=_TWO)
    kind: Literal["ipo"] = "ipo"
    beta: float = Field(default=0.1, gt=0, le=100, description="The distance is 1 / (2 beta) nats: of the whole answer, or by token. Not the beta of DPO.")
    normalise: Literal["none", "tokens"] = Field(default="none", description="Log-ratios of whole answers, as in equation 17 of the paper, or by token of the answer, as in TRL. They want other betas.")


class Kto(Settings):
    """Good answers rise above what the model gains on any answer, bad ones fall below: each for itself, not in pairs (KTO; Ethayarajh et al., 2024)."""

    method: ClassVar[Method] = Method("Ethayarajh et al., 2024", needs="judged answers; a reference", cost=f"{_EACH}, and two on answers to other prompts")
    kind: Literal["kto"] = "kto"
    beta: float = Field(default=0.1, gt=0, le=100, description="Nats of reward for one nat of log-ratio to the reference. Small: the model may go far from it.")
    desirable: float = Field(default=1.0, gt=0, le=100, description="Weight of good answers. The paper wants their number times this between 1 and 4/3 of the bad answers' times theirs.")
    undesirable: float = Field(default=1.0, gt=0, le=100, description="Weight of bad answers.")
    threshold: float = Field(default=0.5, ge=0, le=1, description="Share of thumbs up, or rating scaled to 0 to 1, above which an answer is good and below which it is bad.")


class Orpo(Settings):
    """The better answer is learnt and its odds are raised over the worse one's, without a reference (ORPO; Hong et al., 2024)."""

    method: ClassVar[Method] = Method("Hong et al., 2024", needs="compared answers", cost=_EACH)
    kind: Literal["orpo"] = "orpo"
    odds: float = Field(default=0.1, ge=0, le=100, description="Weight of the odds ratio, beside the likelihood of the better answer by token.")


class Simpo(Settings):
    """The better answer's tokens become more likely than the worse one's by a margin, without a reference (SimPO; Meng et al., 2024)."""

    method: ClassVar[Method] = Method("Meng et al., 2024", needs="compared answers", cost=_EACH)
    kind: Literal["simpo"] = "simpo"
    beta: float = Field(default=2.0, gt=0, le=1000, description="Nats of reward for one nat of log-probability by token.")
    gamma: float = Field(default=1.0, ge=0, le=1000, description="Margin of the reward, in nats.")


class RatingDifference(Settings):
    """The log-ratios of two answers differ as their ratings do (REBEL; Gao et al., 2024)."""

    method: ClassVar[Method] = Method("Gao et al., 2024", needs="rated answers; a reference", cost=_TWO)
    kind: Literal["rating_difference"] = "rating_difference"
    beta: float = Field(default=0.1, gt=0, le=100, description="Nats of reward for one nat of log-ratio to the reference. Small: the model may go far from it.")
    scale: float = Field(default=1.0, gt=0, le=1000, description="Reward, in nats, from the lowest rating to the highest. The span of the rating scale makes a point one nat.")


class Correction(Settings):
    """The corrected answer is learnt, and preferred to the original."""

    method: ClassVar[Method] = Method(needs="corrections; a reference", cost=_TWO)
    kind: Literal["correction"] = "correction"
    beta: float = Field(default=0.1, gt=0, le=100, description="Nats of reward for one nat of log-ratio to the reference. Small: the model may go far from it.")
    preference: float = Field(default=1.0, ge=0, le=100, description="Weight of preferring the correction to the original, as DPO does. 0: only learn the correction, without a reference.")
    likelihood: float = Field(default=1.0, ge=0, le=100, description="Weight of the correction's negative log-likelihood by token. It keeps it from falling.")
    edits: float = Field(default=0.0, ge=0, le=1000, description="Further weight, beside 1, of the tokens that were edited, in the likelihood.")


class Reward(Settings):
    """A head scores answers as people judged them (Bradley and Terry, 1952; of K answers, Ouyang et al., 2022)."""

    method: ClassVar[Method] = Method("Bradley and Terry, 1952", needs="judged answers; a head", cost=f"{_EACH}; one more with `length_debias`")
    kind: Literal["reward"] = "reward"
    compare: float = Field(default=1.0, ge=0, le=100, description="Weight of comparisons.")
    regress: float = Field(default=0.0, ge=0, le=100, description="Weight of the squared distance of scores and ratings.")
    margin: float = Field(default=1.0, ge=0, le=100, description="Nats by which the better answer is to be ahead for each unit of margin in the data. 0: margins are not used.")
    centring: float = Field(default=0.01, ge=0, le=10, description="Weight of the squared sum of the two scores of a pair. It keeps scores around 0 (Eisenstein et al., 2023).")
    smoothing: float = Field(default=0.0, ge=0, lt=0.5, description="Share of the labels' mass given to the other answer. It regularises and does not correct wrong labels.")
    flip_rate: float = Field(default=0.0, ge=0, lt=0.5, description="Share of labels that are wrong. The loss undoes them on average, so that scores keep their scale (Natarajan et al., 2013).")
    temperature: float | None = Field(default=None, gt=0, le=1000, description="Labels are soft: the chance that an answer is better follows from the difference of ratings, in nats of `scale`, by this. Left out: labels as given.")
    scale: float = Field(default=1.0, gt=0, le=1000, description="Score, in nats, from the lowest rating to the highest, for `regress` and `temperature`.")
    length_debias: float = Field(default=0.0, ge=0, le=100, description="Weight of keeping the score uncorrelated with length. A second head takes length upon itself and is dropped (ODIN; Chen et al., 2024, there 1).")

    @property
    def heads(self) -> int:
        """Scores of an answer: of quality and, where it is kept apart, of length."""
        return 2 if self.length_debias else 1


ObjectiveSettings = Annotated[
    Likelihood | Align | Dpo | Ipo | Kto | Orpo | Simpo | RatingDifference | Correction | Reward | Rloo | Grpo | Ppo | BestOfN | OnlineDpo,
    Field(discriminator="kind"),
    KindShort,
]
