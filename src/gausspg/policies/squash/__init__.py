"""How u becomes an action, and the density that declares; imports `policies.normal`."""
