"""How a task is learnt from answers of the model's own, and what is carried along."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from madrigal.experience.answer import Given, Prompt, Scale
from madrigal.experience.caution import Caution
from madrigal.experience.guards import alarm
from madrigal.experience.looks import Looks
from madrigal.experience.penalty import Penalty
from madrigal.experience.served import Served
from madrigal.experience.signs import late
from madrigal.recipe import policy
from madrigal.training.acting import Care, Sign


@dataclass(frozen=True, slots=True)
class Plan:
    """How a task is learnt from answers of the model's own. `prompts` gives the prompt of each of
    its training examples by index."""

    settings: policy.Acting
    prompts: Callable[[int], Prompt]
    reward: Given
    gold: Given | None = None
    server: Served | None = None  # what writes the answers, where it is not the model here
    looked_at: Sequence[Prompt] = ()  # those whose likeliest answers are judged

    @property
    def epochs(self) -> int:
        """Steps that learn from the same answers."""
        return policy.steps_of(self.settings)

    def penalty(self) -> Penalty | None:
        """The price of a nat in the reward, where it stands there."""
        if not isinstance(self.settings, policy.Ppo | policy.Rloo):
            return None
        return Penalty(self.settings.beta, self.settings.target, self.settings.horizon)

    def standing(self, state: Mapping[str, Any]) -> "Standing":
        """What `Standing.state_dict` told."""
        penalty = self.penalty()
        if penalty is not None:
            penalty = replace(penalty, beta=state["beta"])
        scale, caution = Scale(*state["scale"]), Caution.load(state["caution"])
        norms = tuple(state.get("norms", ()))
        looks = Looks.load(state["looks"]) if "looks" in state else Looks()
        written, failed, lately = state["written"], state["failed"], state.get("lately", 0)
        return Standing(penalty, scale, written, failed, lately, caution, norms, looks)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is carried from one rollout of a task to the next."""

    penalty: Penalty | None
    scale: Scale = field(default_factory=Scale)
    written: int = 0  # answers so far
    failed: int = 0  # of them without a reward
    lately: int = 0  # of them the last ones, without one between that has a reward
    caution: Caution = field(default_factory=Caution)
    norms: tuple[float, ...] = ()  # of the gradients since the last rollout
    looks: Looks = field(default_factory=Looks)

    def state_dict(self) -> dict[str, Any]:
        return {
            "beta": None if self.penalty is None else self.penalty.beta,
            "scale": [self.scale.count, self.scale.total, self.scale.squares],
            "written": self.written,
            "failed": self.failed,
            "lately": self.lately,
            "caution": self.caution.state_dict(),
            "norms": list(self.norms),
            "looks": self.looks.state_dict(),
        }


def dealt_with(task: str, plan: Plan, state: Standing) -> tuple[Standing, list[Sign]]:
    """What the last rollout is a sign of, and the state after what is done about it here."""
    guard, priced = plan.settings.guard, state.penalty is not None
    found = None if guard is None else alarm(guard, state.caution.history, priced)
    if guard is None or found is None:
        return state, []
    settled = replace(state, caution=state.caution.settled())
    if found.action == "say" or not guard.act:
        return settled, [Sign(task, found.text, "say")]
    if state.caution.strikes >= guard.strikes:
        return settled, [Sign(task, f"{found.text} It is the last of several signs.", "stop")]
    if found.action == "roll_back":
        return struck(state), [Sign(task, found.text, "roll_back")]
    penalty, caution = state.penalty, settled.caution
    if found.action == "raise" and penalty is not None:
        penalty = penalty.raised()
        text = f"A nat now costs {penalty.beta:.3g}."
    elif found.action == "shorten":
        caution = caution.dearer_length()
        text = "Length beyond that at the start now costs reward."
    else:
        caution = caution.dearer_cut()
        text = "An answer without an end now costs more."
    done = replace(state, penalty=penalty, caution=caution)
    return struck(done), [Sign(task, f"{found.text} {text}", "say")]


def last_look(task: str, plan: Plan, state: Standing) -> list[Sign]:
    """What the last rollouts of a stage are a sign of, however few: it is to end where all was
    well."""
    guard = plan.settings.guard
    found = None if guard is None else late(guard, state.caution.history)
    if guard is None or found is None:
        return []
    return [Sign(task, f"At the end: {found.text}", "stop" if guard.act else "say")]


def struck(state: Standing) -> Standing:
    """After something was done about a sign."""
    return replace(state, caution=replace(state.caution, strikes=state.caution.strikes + 1))


def care_of(state: Standing) -> Care:
    """What is to outlast going back."""
    beta = 0.0 if state.penalty is None else state.penalty.beta
    caution = state.caution
    return Care(caution.strikes, beta, caution.length_price, caution.cut_price)


def gone_back(state: Standing, care: Care, warned: bool) -> Standing:
    """The state after going back: nothing is cheaper than it was by then, and where this task's
    sign was the reason (`warned`) a nat is dearer still."""
    caution, penalty = state.caution.settled(), state.penalty
    if penalty is not None:
        penalty = replace(penalty, beta=max(penalty.beta, care.beta))
        penalty = penalty.raised() if warned else penalty
    caution = replace(
        caution,
        strikes=care.strikes,
        length_price=max(caution.length_price, care.length),
        cut_price=max(caution.cut_price, care.end),
    )
    return replace(state, caution=caution, penalty=penalty)
