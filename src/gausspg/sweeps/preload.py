"""What the fork server of the jobs imports, named here without importing any of it.

Eight runs of 20,000 steps of Pendulum take 35 CPU seconds by it, and 63 where every job imports for
itself. That the names are here lets the server start before its parent imports torch, so the two
take the same seconds of the clock.
"""

TRACKING = (
    "gausspg.tracking",
    "mlflow",
    "mlflow.tracking",
    "mlflow.pyfunc",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.artifact.local_artifact_repo",
    "alembic.command",
    "alembic.config",
)
"""So that a child's first run costs no import. The first sets what MLflow reads when imported."""

TRAINING = (
    *TRACKING,
    "hydra",
    # 1 s: torch imports them only when it is made deterministic and with the first optimiser.
    "torch._inductor.config",
    "torch._dynamo",
    "gausspg.sweeps.training",
)

MEASURING = (*TRACKING, "gausspg.laboratory.program")

TRAINING_PROGRAM = "gausspg.sweeps.training.TRAINING"
MEASURING_PROGRAM = "gausspg.laboratory.program.MEASURING"

MODULES = {TRAINING_PROGRAM: TRAINING, MEASURING_PROGRAM: MEASURING}
"""Of each program, by the name that a sweeper has it by."""
