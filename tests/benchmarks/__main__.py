"""Run every measured comparison of this folder, one after the other, with small sizes: ``python -m tests.benchmarks``.

Each module takes options when it is run alone; its --help says which.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SMALL = {
    "conformance": ["--journeys", "1000", "--sample", "20", "--budget", "1", "--repeats", "5"],
    "discovery": ["--events", "200000"],
    "ingest": ["100000", "--rounds", "1"],
    "identity": ["--edges", "200000"],
    "outcomes": ["--journeys", "5000"],
}
"""What makes a module quick; one that is not here runs as it is."""


def main():
    """Run all modules; end with 1 if one of them fails."""
    failed = []
    for file in sorted(Path(__file__).parent.glob("[!_]*.py")):
        print(f"\n# {file.stem}\n", flush=True)
        command = [sys.executable, "-m", f"tests.benchmarks.{file.stem}", *SMALL.get(file.stem, [])]
        if subprocess.run(command, check=False).returncode:
            failed.append(file.stem)
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}.")


if __name__ == "__main__":
    main()
