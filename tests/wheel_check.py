"""Build the wheel, install it where nothing else of the checkout is, and check what came with it.

Run by ``make wheel``: the wheel must hold the connectors, and ``journeymining`` must be its only top-level name.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]


def build(folder: Path) -> Path:
    """Build the wheel with the build system that is installed, and return its path."""
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(CHECKOUT)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


def main() -> None:
    """Fail with a sentence where the wheel is not what it should be."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = build(folder)
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            archive.extractall(folder / "site")
        top = {entry.split("/")[0] for entry in names}
        top = {entry for entry in top if not entry.endswith(".dist-info")}
        if top != {"journeymining"}:
            sys.exit(f"the wheel installs {sorted(top)}, it may only install 'journeymining'")
        for shipped in sorted((CHECKOUT / "connectors").glob("*/connector.yaml")):
            wanted = f"journeymining/connectors/{shipped.parent.name}/connector.yaml"
            if wanted not in names:
                sys.exit(f"the wheel lacks {wanted}")
        sources = {f"journeymining/{path.relative_to(CHECKOUT / 'journeymining')}" for path in _package_files()}
        if missing := sorted(sources - set(names)):
            sys.exit(f"the wheel lacks {', '.join(missing)}: add the folder to setup.cfg")
        # Run outside the checkout, so that only the wheel's own files can answer.
        listed = subprocess.run(
            [sys.executable, "-c", "from journeymining.cli import main; main(['connectors', 'list'])"],
            cwd=folder,
            env={"PYTHONPATH": str(folder / "site"), "PATH": "/usr/bin:/bin"},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        if "salesforce" not in listed:
            sys.exit("the installed package does not find its connectors")
    sys.stdout.write(f"wheel: {len(names)} files, top level {sorted(top)}\n")


def _package_files() -> list[Path]:
    return [
        path
        for path in (CHECKOUT / "journeymining").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    ]


if __name__ == "__main__":
    main()
