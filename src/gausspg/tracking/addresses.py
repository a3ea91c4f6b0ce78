"""Addresses of stores without what proves who asks: no file and no tag holds a password."""

import os
import re


def without_credentials(text: str) -> str:
    """Return a text, of whatever kind, with what stands before the @ of an address taken out."""
    return re.sub(r"(?<=://)[^/?#\s]+@", "", text)


def with_credentials(address: str) -> str:
    """Return a recorded address with the credentials that are given now, where any are.

    They are those of the address in MLFLOW_TRACKING_URI, if it is the same otherwise. MLflow itself
    takes those in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.
    """
    given = os.environ.get("MLFLOW_TRACKING_URI", "")
    return given if without_credentials(given) == address else address
