"""Settings of the balancers: how much each task counts in a step."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from madrigal.recipe.balance_by_gradient import ByGradient
from madrigal.recipe.balance_by_loss import ByLoss
from madrigal.recipe.settings import KindShort, Method, Settings


class Mean(Settings):
    """Every example counts the same: a task's weight is its share of the step's examples times its own `weight`."""

    method: ClassVar[Method] = Method()
    kind: Literal["mean"] = "mean"


class Equal(Settings):
    """Every task counts the same, however many examples it has in the step, times its own `weight`."""

    method: ClassVar[Method] = Method()
    kind: Literal["equal"] = "equal"


class DualBalancing(Settings):
    """Logarithms of the losses, and remembered gradients brought to one length (DB-MTL; Lin et al., 2023)."""

    method: ClassVar[Method] = Method(
        "Lin et al., 2023",
        "the losses and the gradient of every task",
        "splitting the backward pass; one remembered gradient a task",
    )
    kind: Literal["db_mtl"] = "db_mtl"
    decay: float = Field(
        default=0.9,
        ge=0,
        lt=1,
        description="Share of the remembered gradient that stays at each step; 0 remembers nothing.",
    )


BalancerSettings = Annotated[
    Mean | Equal | ByLoss | ByGradient | DualBalancing, Field(discriminator="kind"), KindShort
]
