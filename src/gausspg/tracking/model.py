"""A folder that MLflow loads as a model: `mlflow.pyfunc.load_model("runs:/RUN_ID/policy")`."""

import warnings
from pathlib import Path

import numpy as np

from gausspg.tracking.folder import write_atomically

MODEL = "MLmodel"


def write_model(
    folder: Path, loader: str, data: str, observation: tuple[int, ...], action: tuple[int, ...],
    action_type: str,
) -> Path:  # fmt: skip
    """Describe the file `folder/data` as a model that takes and gives arrays; return what says so.

    Nothing is pickled: what is loaded is what the function `_load_pyfunc` of a module makes of the
    file.

    Args:
        folder: of the model.
        loader: dotted name of that module.
        data: name of the file.
        observation: shape of one row of the input, float32.
        action: shape of one row of the output.
        action_type: of the output, a name of numpy's.
    """
    with warnings.catch_warnings():
        # MLflow warns of type hints of its own when this is imported.
        warnings.simplefilter("ignore", UserWarning)
        import mlflow.pyfunc
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ParamSchema, ParamSpec, Schema, TensorSpec

    def rows(kind: str, shape: tuple[int, ...]) -> Schema:
        return Schema([TensorSpec(np.dtype(kind), (-1, *shape))])

    params = ParamSchema([ParamSpec("deterministic", "boolean", True)])
    signature = ModelSignature(rows("float32", observation), rows(action_type, action), params)
    model = Model(signature=signature)
    mlflow.pyfunc.add_to_model(model, loader, data=data)
    write_atomically(folder / MODEL, model.to_yaml().encode())
    return folder / MODEL
