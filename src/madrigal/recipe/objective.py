"""Settings of the objectives: what a good output of a task costs."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from madrigal.recipe.settings import KindShort, Method, Settings

_COMPARED = "answers that were compared; a reference model"
_TWO = "a forward and a backward pass for each answer; one forward of the reference, once"


class Likelihood(Settings):
    """Negative log-likelihood of the answer (of every token, for raw text)."""

    method: ClassVar[Method] = Method(needs="an answer, or raw text", cost="one forward and one backward pass")
    kind: Literal["likelihood"] = "likelihood"
    normalise: Literal["tokens", "examples"] = Field(default="tokens", description="`tokens`: mean over answer tokens. `examples`: mean over examples of their token means.")


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


ObjectiveSettings = Annotated[Likelihood | Dpo, Field(discriminator="kind"), KindShort]
