"""How far the trained linear policies of a sweep are from the exact optimum of the regulator.

    python analysis/table_lqr.py solve_lqr_reparameterised

prints, per run of that sweep in the tracking store, the exact expected cost of the final policy
without its noise (a closed form, no episodes) relative to the least there is. The policy's constant
part, which the closed form leaves out, is shown beside it.
"""

import argparse

import torch
import yaml

from gausspg import agent
from gausspg.envs.lqr import LQR
from gausspg.policies.gaussian import GaussianPolicy
from gausspg.tracking import artifact_file
from gausspg.training import factory
from gausspg.training.settings import check
from reading import sources
from reading.recorded import DataError
from reading.sweep import load


def relative_cost(run_id: str, uri: str) -> tuple[float, float]:
    """Return cost / least cost of a run's final policy, and its largest constant action.

    Raises:
        SystemExit: the run is not one of a linear policy on the regulator.
    """
    config = yaml.safe_load(artifact_file(uri, run_id, "config.yaml").read_text())
    environment = factory.build_environment(check(config))
    policy = agent.load(run_id, uri).policy
    if not (isinstance(environment, LQR) and isinstance(policy, GaussianPolicy)):
        raise SystemExit(f"run {run_id} is no Gaussian policy on env=lqr: there is no exact cost")
    if list(policy.trunk.parameters()):
        raise SystemExit(f"the policy of run {run_id} is not linear: there is no exact cost")
    gain = policy.mean.weight.detach().double()
    silent = torch.zeros(len(gain), len(gain), dtype=torch.float64)
    cost = float(environment.cost(gain, silent))
    return cost / environment.optimal_cost(), float(policy.mean.bias.detach().abs().max())


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("sweep")
    parser.add_argument("--store", default="", metavar="URI", help="of the tracking store")
    arguments = parser.parse_args()
    try:
        uri = sources.store_uri(arguments)
        runs = load(uri, arguments.sweep).runs
    except DataError as error:
        sources.fail(error)
    print("seed  cost / least cost  largest constant action")
    for seed, run_id in zip(runs["seed"], runs["run_id"], strict=True):
        ratio, constant = relative_cost(run_id, uri)
        print(f"{seed:>4}  {ratio:17.4f}  {constant:23.4f}")


if __name__ == "__main__":
    main()
