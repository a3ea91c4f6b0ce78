"""Policies: observation -> distribution of the latent u -> action; imports torch alone."""
