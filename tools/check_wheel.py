"""The wheel holds everything that the program needs at run time: modules, migrations, templates, static files."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

SOURCE = Path("src")


def main() -> int:
    """Build the wheel and compare it with the source tree; the exit status is 1 when something is missing."""
    tracked = subprocess.run(["git", "ls-files", "-z", str(SOURCE)], check=True, capture_output=True, text=True).stdout
    wanted = {Path(name).relative_to(SOURCE).as_posix() for name in tracked.split("\0") if name and Path(name).exists()}
    with tempfile.TemporaryDirectory() as folder:
        build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
        subprocess.run(build, check=True, capture_output=True)
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            missing = sorted(wanted - set(wheel.namelist()))
    print("\n".join(f"the wheel lacks {name}" for name in missing) or f"wheel: all {len(wanted)} files are in")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
