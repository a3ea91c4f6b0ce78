"""Common mistakes under plainly wrong names, so that the size of each is a number."""

import torch
from torch import Tensor

from gausspg.estimators.base import ActionValue
from gausspg.laboratory.estimators.base import LaboratoryEstimator
from gausspg.policies.base import ActionDistribution
from gausspg.policies.gaussian import SquashedNormal


class WrongGradientThroughSample(LaboratoryEstimator):
    """`rsample` inside the score-function loss: log pi differentiated through its own sample too.

    log N(mean + std eps; mean, std) does not depend on the mean: it gets no gradient at all, and
    each log std gets -f instead of f (eps^2 - 1).
    """

    differentiates_samples = True

    def at_fresh_actions(
        self, distribution: ActionDistribution, noise: Tensor, value: ActionValue
    ) -> Tensor:
        """See `Estimator`; the gradient means nothing."""
        u = distribution.reparameterise(noise)
        weights = value(distribution.action_features(u)).detach()
        return (distribution.log_prob(u) * weights).mean(0)


class WrongDensityOfClippedValue(LaboratoryEstimator):
    """The clipped value put into the Gaussian density, instead of the u that was drawn."""

    weighs_scores = True

    def at_fresh_actions(
        self, distribution: ActionDistribution, noise: Tensor, value: ActionValue
    ) -> Tensor:
        """See `Estimator`; the gradient is biased as soon as something is clipped.

        Raises:
            ValueError: there are no bounds to clip to.
        """
        assert isinstance(distribution, SquashedNormal), "the latent u is Gaussian"
        if not bool(distribution.squash.bounded.all()):
            raise ValueError(
                "estimator=wrong_density_of_clipped_value clips to the bounds of the actions and "
                "this problem has none: set problem=bounded_quadratic"
            )
        u = distribution.sample(noise)
        with torch.no_grad():
            weights = value(distribution.action_features(u))
        return (distribution.log_prob(u.clamp(-1.0, 1.0)) * weights).mean(0)


class WrongEntropyWithoutSquash(LaboratoryEstimator):
    """The Gaussian's entropy in place of that of the squashed action; else `reparameterised`."""

    differentiates_samples = True

    def at_fresh_actions(
        self, distribution: ActionDistribution, noise: Tensor, value: ActionValue
    ) -> Tensor:
        """See `Estimator`; this part is right."""
        return value(distribution.action_features(distribution.reparameterise(noise))).mean(0)

    def entropy(self, distribution: ActionDistribution) -> Tensor:
        """Return what is added for the entropy, `[batch]`.

        Raises:
            ValueError: nothing is wrong with it here.
        """
        assert isinstance(distribution, SquashedNormal), "the latent u is Gaussian"
        if not distribution.squash.entropy_depends_on_mean:
            raise ValueError(
                "estimator=wrong_entropy_without_squash is not wrong where the entropy is that of "
                "the Gaussian: set squash=tanh"
            )
        return distribution.normal.base_entropy()
