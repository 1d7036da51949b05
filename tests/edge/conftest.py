from collections.abc import Iterator
from pathlib import Path

import pytest

from .door import Edge


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    with Edge(tmp_path) as running:
        yield running
