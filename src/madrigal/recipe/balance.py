"""Settings of the balancers: how much each task counts in a step."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

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


BalancerSettings = Annotated[Mean | Equal | ByLoss, Field(discriminator="kind"), KindShort]
