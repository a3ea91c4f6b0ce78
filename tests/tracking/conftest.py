"""One store for all tracking tests: its schema costs seconds, its runs are told apart by names."""

from pathlib import Path

import pytest

from gausspg.tracking import Store, open_store

FOREIGN = ("mlflow", "sqlalchemy", "alembic", "filelock")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What these libraries think of each other is not ours to mend."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for module in FOREIGN:
                item.add_marker(pytest.mark.filterwarnings(f"ignore::DeprecationWarning:{module}"))


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(None, tmp_path_factory.mktemp("store"), "tests")
