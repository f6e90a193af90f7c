"""starlette-flask 0.1.0 as it was published, loaded beside this package under another name."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

REQUIREMENT = "starlette-flask==0.1.0"


def load_published() -> ModuleType:
    """Return the module `middleware/sessions.py` of the published sdist, which pip fetches into a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["download", "-qq", "--no-deps", "--no-binary", ":all:", "--dest", folder, REQUIREMENT]
        subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *command], check=True)
        (sdist,) = Path(folder).glob("*.tar.gz")
        with tarfile.open(sdist) as archive:
            (member,) = (name for name in archive.getnames() if name.endswith("/middleware/sessions.py"))
            archive.extract(member, folder, filter="data")
        spec = spec_from_file_location("starlette_flask_published", Path(folder, member))
        assert spec
        assert spec.loader
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
    return module
