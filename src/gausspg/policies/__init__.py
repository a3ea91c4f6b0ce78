"""State -> distribution of the latent u -> action and its density; imports torch alone."""
