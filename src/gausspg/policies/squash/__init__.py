"""Squashes: the map from u to the action, and its density; imports `policies.normal`."""
