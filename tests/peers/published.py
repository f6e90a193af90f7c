"""starlette-flask 0.1.0 as it was published, loaded beside this package under another name."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from zipfile import ZipFile

REQUIREMENT = "starlette-flask==0.1.0"


def load_published() -> ModuleType:
    """Return the module `middleware/sessions.py` of the published wheel, which pip fetches into a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["download", "-qq", "--no-deps", "--only-binary", ":all:", "--dest", folder, REQUIREMENT]
        subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *command], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with ZipFile(wheel) as archive:
            module_file = archive.extract("starlette_flask/middleware/sessions.py", folder)
        spec = spec_from_file_location("starlette_flask_published", module_file)
        assert spec
        assert spec.loader
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
    return module
