"""The only room that knows Gymnasium: environments, rollouts, evaluations; imports `policies`."""
