"""What all tests share: where real logs lie, if they are there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def checkout() -> Path:
    """Folder of the checkout the tests run in."""
    return CHECKOUT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real logs beside the checkout; a test that needs it skips, saying so, where it is not."""
    folder = Path(os.environ.get("JOURNEYMINING_SHARED_DATA", CHECKOUT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real logs are not here ({folder}); set JOURNEYMINING_SHARED_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def demo(tmp_path_factory) -> Path:
    """Folder in which ``journeymining demo`` ran as people run it: event_logs/demo and outputs/demo."""
    folder = tmp_path_factory.mktemp("demo")
    if kept := os.environ.get("JOURNEYMINING_DEMO"):
        return Path(kept)
    answer = subprocess.run(
        [sys.executable, "-m", "journeymining", "demo", "."], cwd=folder, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == "outputs/demo/report.html\n"
    return folder
