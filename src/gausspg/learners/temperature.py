"""The weight of the entropy in a soft objective, fixed or tuned to a target entropy."""

from typing import Any

import torch
from torch import Tensor

from gausspg.policies.base import Policy


class Temperature:
    """alpha in E[Q] + alpha H.

    Tuned by gradient descent on log alpha of alpha (H - target) (Haarnoja et al. 2018,
    arXiv:1812.05905, equation 18), H being the entropy of the density of the action that the
    squash declares and not that of the Gaussian.

    Args:
        initial: alpha at the start, or for ever; 0 leaves the entropy out.
        target: entropy in nats; None: alpha stays as it is.
        lr: Adam's learning rate.
        device: of the entropies.
    """

    def __init__(
        self, initial: float, target: float | None, lr: float, device: torch.device
    ) -> None:
        self._target = target
        self._fixed = torch.tensor(initial, device=device)
        self._log = torch.tensor(initial, device=device).log().requires_grad_()
        self._optimiser = torch.optim.Adam([self._log], lr=lr, fused=True)

    @property
    def value(self) -> Tensor:
        """alpha, a scalar without a gradient."""
        return self._fixed if self._target is None else self._log.detach().exp()

    @property
    def is_zero(self) -> bool:
        """Whether the entropy plays no part, now and later."""
        return self._target is None and float(self._fixed) == 0.0

    def update(self, entropy: Tensor, lr_factor: float) -> None:
        """Take one step, given the mean entropy of the current policy, a scalar."""
        if self._target is None:
            return
        group = self._optimiser.param_groups[0]
        group.setdefault("initial_lr", group["lr"])
        group["lr"] = group["initial_lr"] * lr_factor
        self._log.grad = self._log.detach().exp() * (entropy.detach() - self._target)
        self._optimiser.step()

    def state_dict(self) -> dict[str, Any]:
        """Return alpha and the optimiser's state."""
        return {"log": self._log.detach().clone(), "optimiser": self._optimiser.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave."""
        with torch.no_grad():
            self._log.copy_(state["log"])
        self._optimiser.load_state_dict(state["optimiser"])


def build_temperature(
    initial: float | None,
    tune: bool | None,
    target: float | None,
    policy: Policy,
    lr: float,
    device: torch.device,
) -> Temperature:
    """Build the temperature that suits a policy; None means what `Replay` says it does.

    Raises:
        ValueError: a setting that would have no effect, or that cannot work.
    """
    if not policy.trains_entropy and (tune or initial):
        raise ValueError(
            "learner.temperature and learner.tune_temperature have no effect on a policy whose "
            "entropy no training can change (a fixed variance, not squashed): leave them null"
        )
    if initial is None:
        # The same for every squash. With a constant std nothing would ever bring the weight down.
        initial = 0.1 if policy.trains_std or tune else 0.0
    if tune is None:
        tune = policy.trains_std and initial > 0.0
    if not tune and target is not None:
        raise ValueError(
            f"learner.target_entropy={target} has no effect where the temperature is not tuned: "
            "leave it null or set learner.tune_temperature=true"
        )
    if tune and initial == 0.0:
        raise ValueError(
            "learner.temperature=0 cannot be tuned, which multiplies it: set "
            "learner.tune_temperature=false or a small positive number"
        )
    if not tune:
        return Temperature(initial, None, lr, device)
    target = policy.usual_target_entropy if target is None else target
    return Temperature(initial, target, lr, device)
