"""What a balancer is told after a step."""

from dataclasses import replace

from madrigal.balancing.base import wants_losses_after, wants_validation
from madrigal.training.stage_run import StageRun
from madrigal.training.step import Gradient


def update_balancer(run: StageRun, gradient: Gradient) -> None:
    """Tell the balancer what the step saw, and what it asks for beyond that."""
    balancer, view = run.parts.balancer, gradient.view
    if wants_losses_after(balancer):
        view = replace(view, losses_after=gradient.losses_now())
    if wants_validation(balancer, view.step):
        assert run.validation_losses is not None
        view = replace(view, validation=run.validation_losses(view.step))
    balancer.update(view)
