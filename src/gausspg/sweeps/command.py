"""What the entry points share: one job as plain values, and errors in one line.

Hydra alone is imported here: tab completion runs this.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.conf import HydraConf
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

_PACKAGE = Path(__file__).resolve().parents[1]
CLONE: Path | None = _PACKAGE.parents[1]
"""That the package lies in; None where it was installed from a wheel, which has `conf/` inside."""
if not (_PACKAGE.parents[1] / "conf" / "config.yaml").is_file():
    CLONE = None

CONF = (CLONE or _PACKAGE) / "conf"

FOLLOWS = "GAUSSPG_FOLLOWS_PARENT"
"""Environment variable of a command that is to end with the process that started it."""

FINISHED, SOME_FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses."""


def plain_values(
    config: DictConfig, hydra: DictConfig | HydraConf
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the configuration of one job as plain values, and the words it was made of.

    Args:
        config: of the job; its node `hydra`, if any, is left out.
        hydra: that node.
    """
    OmegaConf.set_readonly(config, True)
    # A value nobody gave stays ???, and is refused with the other wrong ones.
    masked = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    plain = OmegaConf.to_container(masked, resolve=True, throw_on_missing=False)
    assert isinstance(plain, dict)
    # `tuned` only brings settings, and has a word also where there is no such file.
    words = {
        str(axis): str(word)
        for axis, word in hydra.runtime.choices.items()
        if word and "hydra/" not in axis and axis != "tuned"
    }
    return {str(key): value for key, value in plain.items()}, words


def follow_parent() -> None:
    """End this process by SIGTERM, which its runs record, when the one that started it is gone.

    Only where `FOLLOWS` is set: a script or notebook waits for the command, and nobody else would
    end it.
    """
    if FOLLOWS not in os.environ:
        return
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def as_typed(script: str) -> list[str]:
    """Return the command of this process as it can be typed again.

    Args:
        script: what a clone runs it with; without a clone it is `gausspg`.
    """
    installed = Path(sys.argv[0]).name in ("gausspg", "cli.py")
    return [*(["gausspg"] if installed else ["python", script]), *sys.argv[1:]]


def composes(compose: Callable[[], object]) -> bool:
    """Let Hydra compose; tell whether it could, and if not say in one line what is wrong."""
    try:
        compose()
    except (HydraException, OmegaConfBaseException) as error:
        print(f"error: {in_one_line(error)}", file=sys.stderr)
        return False
    except (RuntimeError, ValueError) as error:
        if type(error).__module__.partition(".")[0] == "gausspg":
            # Raised on purpose, with a message of one line.
            print(f"error: {error}", file=sys.stderr)
            return False
        # Of all values of an axis, null alone gets no exception of Hydra's own.
        if "Config group override" not in str(error):
            raise
        print(f"error: {error}; ~AXIS leaves an axis out", file=sys.stderr)
        return False
    return True


def in_one_line(error: BaseException) -> str:
    """Say what Hydra or OmegaConf found wrong, without their advice on config files."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    options = next((i for i, line in enumerate(lines) if line.startswith("Available options")), 0)
    if options:
        end = next(i for i, line in enumerate(lines) if line.startswith("Config search path"))
        return f"{lines[0]}; it can be: {', '.join(lines[options + 1 : end])}"
    if lines[0].startswith("Could not override"):
        return f"{lines[0].rstrip('.')}: there is no such setting; --cfg job shows those there are"
    return "; ".join(lines)
