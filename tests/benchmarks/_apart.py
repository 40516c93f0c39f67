"""Contenders in processes of their own: peak memory is each one's own, and imports of one do not help another."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path


def apart(module, folder, *options, python=sys.executable):
    """Run a module of this folder in a process of its own; return what it says on stdout, or end with its error."""
    command = [python, "-m", f"tests.benchmarks.{module}", "--folder", str(folder), *map(str, options)]
    answer = subprocess.run(command, check=False, capture_output=True, text=True)
    if answer.returncode:
        sys.exit(f"{' '.join(map(str, options))} failed:\n{answer.stderr[-2000:]}")
    return answer.stdout


def tell(found):
    """Say what was found as the last line on stdout, whatever libraries have said before; see `told`."""
    sys.stdout.write("\n" + json.dumps(found) + "\n")


def told(said):
    """Return what `tell` said."""
    return json.loads(said.strip().splitlines()[-1])


def peak_megabytes():
    """Return the most memory that this program has had so far; in ru_maxrss is also what had who started it."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (line,) = (line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
