"""Settings of the balancers that look at the tasks' gradients."""

from typing import ClassVar, Literal

from pydantic import Field

from madrigal.recipe.settings import Method, Settings

_ANGLES = "the tasks' gradients"
_APART = "gradients held apart"


def _method(paper: str, more: str = "") -> Method:
    return Method(paper, needs=_ANGLES, cost=_APART + more)


class PcGrad(Settings):
    """Removes from each task's gradient what opposes another's, in random order (Yu et al., 2020)."""

    method: ClassVar[Method] = _method("Yu et al., 2020")
    kind: Literal["pcgrad"] = "pcgrad"


class GradVac(Settings):
    """Turns each task's gradient towards the others' until they agree as well as they used to (Wang et al., 2021)."""

    method: ClassVar[Method] = _method("Wang et al., 2021")
    kind: Literal["gradvac"] = "gradvac"
    rate: float = Field(default=0.01, gt=0, le=1, description="Share of the latest cosine in the moving average that is the target.")


class Mgda(Settings):
    """The shortest combination of the tasks' gradients: it lowers all losses alike (Sener and Koltun, 2018)."""

    method: ClassVar[Method] = _method("Sener and Koltun, 2018")
    kind: Literal["mgda"] = "mgda"


class CaGrad(Settings):
    """Near the mean gradient, the direction that helps the worst-off task most (Liu et al., 2021)."""

    method: ClassVar[Method] = _method("Liu et al., 2021", ", and some ten small quadratic programs")
    kind: Literal["cagrad"] = "cagrad"
    c: float = Field(default=0.4, ge=0, le=10, description="How far from the mean gradient, in parts of its length; 0: equal weights, from 1 on: no task is harmed.")


class ImtlG(Settings):
    """The direction that advances all tasks alike, whatever the sizes of their losses (IMTL-G; Liu et al., 2021)."""

    method: ClassVar[Method] = _method("Liu et al., 2021")
    kind: Literal["imtl_g"] = "imtl_g"


class Nash(Settings):
    """The direction that tasks would agree on in a bargain: the product of their gains is largest (Nash-MTL; Navon et al., 2022)."""

    method: ClassVar[Method] = _method("Navon et al., 2022")
    kind: Literal["nash"] = "nash"


class Aligned(Settings):
    """The mean of the tasks' gradients, turned until they are orthogonal and equally long (Aligned-MTL; Senushkin et al., 2023)."""

    method: ClassVar[Method] = _method("Senushkin et al., 2023")
    kind: Literal["aligned"] = "aligned"
    scale: Literal["min", "median", "rmse"] = Field(default="min", description="Common length of the turned gradients: the smallest, the median or the root mean square of the singular values.")


class UpGrad(Settings):
    """Bends each task's gradient until it harms no task, then takes the mean (Quinton and Rey, 2024)."""

    method: ClassVar[Method] = _method("Quinton and Rey, 2024", ", and a small quadratic program a task")
    kind: Literal["upgrad"] = "upgrad"


class DualProj(Settings):
    """Bends the mean gradient until it harms no task (Lopez-Paz and Ranzato, 2017)."""

    method: ClassVar[Method] = _method("Lopez-Paz and Ranzato, 2017")
    kind: Literal["dualproj"] = "dualproj"


class FairGrad(Settings):
    """Alpha-fair shares of the progress: the larger `alpha`, the more the slowest task counts (Ban and Ji, 2024)."""

    method: ClassVar[Method] = _method("Ban and Ji, 2024")
    kind: Literal["fairgrad"] = "fairgrad"
    alpha: float = Field(default=2.0, ge=0.1, le=100, description="Near 0: equal weights; 1: the bargain of `nash`; large: the slowest task above all.")


class GradNorm(Settings):
    """Learned weights under which tasks that learn slowly have the longer gradients (Chen et al., 2018)."""

    method: ClassVar[Method] = Method("Chen et al., 2018", needs="the tasks' gradients and losses", cost=_APART)
    kind: Literal["gradnorm"] = "gradnorm"
    alpha: float = Field(default=1.5, ge=0, le=10, description="How much slow tasks are favoured; 0: weighted gradients of one length.")
    rate: float = Field(default=0.025, gt=0, le=1, description="Largest change of a weight's logarithm in a step.")


class AGem(Settings):
    """The mean gradient of the stage's own examples, projected where it would raise the loss of the replayed ones (Chaudhry et al., 2019)."""

    method: ClassVar[Method] = Method("Chaudhry et al., 2019", needs="the tasks' gradients, and `retain: replay`", cost=_APART)
    kind: Literal["agem"] = "agem"


ByGradient = PcGrad | GradVac | Mgda | CaGrad | ImtlG | Nash | Aligned | UpGrad | DualProj | FairGrad | GradNorm | AGem
