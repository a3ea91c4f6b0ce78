"""`env=lqr`: the linear-quadratic regulator, whose gradient and optimum are known exactly.

x_{t+1} = A x_t + B u_t + w_t with w_t ~ N(0, W), rewards r_t = -(x_t^T Q x_t + u_t^T R u_t), and
x_T^T Qf x_T taken off the last one. Closed forms are for the policy u = K x + noise, noise from
N(0, Sigma), and for the discounted cost that a learner sees in these rewards,

    J = E[ sum_{t<T} gamma^t (x_t^T Q x_t + u_t^T R u_t) + gamma^(T-1) x_T^T Qf x_T ].

The terminal cost is discounted as the step it is paid with, T - 1. Below, Ac = A + B K, X_t is the
second moment of x_t, and M_{t+1} the matrix of the cost that follows step t, as seen at step t:

    X_0 = I,    X_{t+1} = Ac X_t Ac^T + B Sigma B^T + W,
    M_T = Qf,   M_t = gamma (Q + K^T R K + Ac^T M_{t+1} Ac).
"""

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from gausspg.envs.differentiable import DifferentiableEnvironment
from gausspg.policies.actions import BoxActions
from gausspg.ranges import Count, Natural, NonNegative, Positive


class LQR(DifferentiableEnvironment):
    """A stable or unstable linear system, drawn once from a seed, to be held near 0.

    A is a Gaussian matrix scaled to its spectral radius, B one with columns of length 1; Q = I,
    R = `action_cost` I, x_0 ~ N(0, I). Qf solves the discrete algebraic Riccati equation

        P = Q + A^T P A - A^T P B (R + B^T P B)^-1 B^T P A,

    so that Riccati's recursion stands still at P and one constant gain is optimal at every step of
    every horizon (Bertsekas, Dynamic Programming and Optimal Control, vol. 1). The observation is
    the state; time is not part of it, and with the optimal gain and no discount the value depends
    on time only through a constant per step. The horizon terminates.

    Args:
        state_dim: length of x.
        action_dim: length of u; actions are unbounded.
        horizon: steps of an episode, T.
        spectral_radius: largest |eigenvalue| of A: left alone, the system dies out below 1 and
            grows by this factor per step above it.
        action_cost: R = `action_cost` I.
        disturbance_std: W = `disturbance_std`^2 I.
        system_seed: of A and B; no part of the run's randomness, so that all runs of a sweep have
            the same task.
        num_envs, normalise_observation, normalise_reward: see `BaseEnvironment`.

    Attributes:
        state_matrix: A, `[state_dim, state_dim]`, float64 like all of these.
        input_matrix: B, `[state_dim, action_dim]`.
        state_cost, action_cost, terminal_cost: Q, R and Qf.
        disturbance_covariance: W.

    Raises:
        ValueError: the Riccati equation has no trustworthy solution.
    """

    id = "lqr"
    terminates = True

    def __init__(
        self,
        num_envs: Count,
        normalise_observation: bool,
        normalise_reward: bool,
        state_dim: Count,
        action_dim: Count,
        horizon: Count,
        spectral_radius: Positive,
        action_cost: Positive,
        disturbance_std: NonNegative,
        system_seed: Natural,
    ) -> None:
        unbounded = (float("inf"),) * action_dim
        super().__init__(
            max_episode_steps=horizon,
            actions=BoxActions(tuple(-bound for bound in unbounded), unbounded),
            observation_dim=state_dim,
            num_envs=num_envs,
            normalise_observation=normalise_observation,
            normalise_reward=normalise_reward,
            frame_skip=0,
        )
        generator = torch.Generator().manual_seed(system_seed)
        drawn = torch.randn(state_dim, state_dim + action_dim, generator=generator).double()
        A, B = drawn[:, :state_dim], drawn[:, state_dim:]  # noqa: N806
        self.state_matrix = A * spectral_radius / torch.linalg.eigvals(A).abs().max()
        self.input_matrix = B / B.norm(dim=0)
        self.state_cost = torch.eye(state_dim, dtype=torch.float64)
        self.action_cost = action_cost * torch.eye(action_dim, dtype=torch.float64)
        self.disturbance_std = disturbance_std
        self.disturbance_covariance = disturbance_std**2 * self.state_cost
        self.terminal_cost = self._solve_riccati()

    def initial_state(self, generator: torch.Generator) -> Tensor:
        """See `Dynamics`: N(0, I)."""
        return torch.randn(self.observation_dim, generator=generator)

    def disturbances(self, generator: torch.Generator) -> Tensor:
        """See `Dynamics`: N(0, W) at every step."""
        shape = (self.max_episode_steps, self.observation_dim)
        return self.disturbance_std * torch.randn(shape, generator=generator)

    def observe(self, state: Tensor) -> Tensor:
        """See `Dynamics`."""
        return state

    def step(self, state: Tensor, action: Tensor, disturbance: Tensor) -> tuple[Tensor, Tensor]:
        """See `Dynamics`."""
        cost = _quadratic(self.state_cost, state) + _quadratic(self.action_cost, action)
        driven = _apply(self.state_matrix, state) + _apply(self.input_matrix, action)
        return driven + disturbance, -cost

    def terminal_reward(self, state: Tensor) -> Tensor:
        """See `Dynamics`: -x^T Qf x."""
        return -_quadratic(self.terminal_cost, state)

    def optimal_gain(self) -> Tensor:
        """K = -(R + B^T P B)^-1 B^T P A, `[action_dim, state_dim]`: u = K x is optimal, gamma = 1.

        With any Sigma, too: the noise adds a cost that does not depend on K.
        """
        A, B, P = self.state_matrix, self.input_matrix, self.terminal_cost  # noqa: N806
        return -torch.linalg.solve(self.action_cost + B.T @ P @ B, B.T @ P @ A)

    def optimal_cost(self) -> float:
        """tr(P) + T tr(P W): the least undiscounted cost, that of u = K x without noise."""
        P, T = self.terminal_cost, self.max_episode_steps  # noqa: N806
        return float(P.trace() + T * (P @ self.disturbance_covariance).trace())

    def cost(self, gain: Tensor, covariance: Tensor, gamma: float = 1.0) -> Tensor:
        """J of u = K x + N(0, Sigma), a float64 scalar that torch can differentiate.

        J = sum_t gamma^t tr((Q + K^T R K) X_t + R Sigma) + gamma^(T-1) tr(Qf X_T).

        Args:
            gain: K, `[action_dim, state_dim]`, float64.
            covariance: Sigma, `[action_dim, action_dim]`, float64.
            gamma: discount per step.
        """
        horizon = self.max_episode_steps
        moments = self._second_moments(gain, covariance)
        running = self.state_cost + gain.T @ self.action_cost @ gain
        noise = (self.action_cost @ covariance).trace()
        total = gamma ** (horizon - 1) * (self.terminal_cost @ moments[-1]).trace()
        for t, moment in enumerate(moments[:-1]):
            total = total + gamma**t * ((running @ moment).trace() + noise)
        return total

    def cost_gradient(
        self, gain: Tensor, covariance: Tensor, gamma: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """Gradient of `cost` in K and in Sigma, without differentiating anything.

        With S_t = R + B^T M_{t+1} B,

            grad_K = 2 sum_t gamma^t (S_t K + B^T M_{t+1} A) X_t,    grad_Sigma = sum_t gamma^t S_t.

        For Sigma = L L^T the gradient in the Cholesky factor is tril(2 grad_Sigma L). Without a
        discount and over an infinite horizon grad_K is that of Fazel et al. 2018
        (arXiv:1801.05039, lemma 1, where u = -K x). Many implementations drop the outer gamma^t;
        what they then follow is the gradient of nothing (Nota & Thomas 2020, arXiv:1906.07073).

        Args:
            gain, covariance, gamma: as for `cost`.

        Returns:
            `[action_dim, state_dim]` and `[action_dim, action_dim]`.
        """
        A, B, R = self.state_matrix, self.input_matrix, self.action_cost  # noqa: N806
        closed = A + B @ gain
        running = self.state_cost + gain.T @ R @ gain
        grad_gain, grad_covariance = torch.zeros_like(gain), torch.zeros_like(covariance)
        after = self.terminal_cost
        moments = self._second_moments(gain, covariance)[:-1]
        for t, moment in reversed(list(enumerate(moments))):
            curvature = R + B.T @ after @ B
            grad_gain += 2.0 * gamma**t * (curvature @ gain + B.T @ after @ A) @ moment
            grad_covariance += gamma**t * curvature
            after = gamma * (running + closed.T @ after @ closed)
        return grad_gain, grad_covariance

    def _second_moments(self, gain: Tensor, covariance: Tensor) -> list[Tensor]:
        """X_0 .. X_T."""
        closed = self.state_matrix + self.input_matrix @ gain
        added = self.input_matrix @ covariance @ self.input_matrix.T + self.disturbance_covariance
        moments = [torch.eye(len(closed), dtype=torch.float64)]
        for _ in range(self.max_episode_steps):
            moments.append(closed @ moments[-1] @ closed.T + added)
        return moments

    def _solve_riccati(self) -> Tensor:
        matrices = (self.state_matrix, self.input_matrix, self.state_cost, self.action_cost)
        A, B, Q, R = (matrix.numpy() for matrix in matrices)  # noqa: N806
        try:
            P = scipy.linalg.solve_discrete_are(A, B, Q, R)  # noqa: N806
            gain = np.linalg.solve(R + B.T @ P @ B, B.T @ P @ A)
            error = np.abs(Q + A.T @ P @ (A - B @ gain) - P).max() / np.abs(P).max()
        except np.linalg.LinAlgError:
            error = np.inf
        if not error < 1e-6:
            raise ValueError(
                f"env.action_dim={B.shape[1]} is too few to control env.state_dim={len(A)} at this "
                "env.spectral_radius, and the optimum cannot be computed: raise the first or lower "
                "the last"
            )
        return torch.from_numpy(P)


def _apply(matrix: Tensor, rows: Tensor) -> Tensor:
    """Return `matrix` times every row; the bits of one do not depend on how many there are."""
    return (matrix.to(rows.dtype) * rows[:, None, :]).sum(-1)


def _quadratic(matrix: Tensor, rows: Tensor) -> Tensor:
    return (_apply(matrix, rows) * rows).sum(-1)
