"""Contenders in processes of their own: peak memory is each one's own, and imports of one do not help another."""

from __future__ import annotations

import json
import resource
import subprocess
import sys


def apart(module, folder, *options):
    """Run a module of this folder in a process of its own; return what it says on stdout, or end with its error."""
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", "--folder", str(folder), *map(str, options)]
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
    """Return the most memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
