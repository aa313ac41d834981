"""setup.py of this project, run on Linux for Windows: zig as the compiler, a Windows CPython's headers and libraries.

CPython's own way of cross-building: the build's sysconfig is replaced by one that describes the target.
"""

import os
import sys
from pathlib import Path

TARGET = "x86_64-windows-gnu"
DATA = "_sysconfigdata_identsync_windows"


def environment(home: Path, minor: int, folder: Path, *, limited: bool) -> dict[str, str]:
    """Return the environment in which setup.py builds for the Windows CPython in ``home``; writes into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    described = description(home, minor, limited=limited)
    (folder / f"{DATA}.py").write_text(f"build_time_vars = {described!r}\n", encoding="utf-8")
    return os.environ | {
        "_PYTHON_SYSCONFIGDATA_NAME": DATA,
        "_PYTHON_HOST_PLATFORM": "win-amd64",
        "PYTHONPATH": str(folder),
        "IDENTSYNC_LIMITED_API": "1" if limited else "0",
    }


def description(home: Path, minor: int, *, limited: bool) -> dict[str, object]:
    """Return what sysconfig says on that Windows, in the words that setuptools asks for on Linux."""
    zig = f"{sys.executable} -m ziglang cc -target {TARGET}"
    library = home / "libs" / ("python3.lib" if limited else f"python3{minor}.lib")
    return {
        "CC": zig,
        "CXX": zig,
        "CFLAGS": "-O3 -DNDEBUG -DMS_WIN64",  # pyconfig.h finds that out itself for Microsoft's compiler only
        "CCSHARED": "",
        "LDSHARED": f"{zig} -shared -s {library}",
        "LDCXXSHARED": "",
        "AR": f"{sys.executable} -m ziglang ar",
        "ARFLAGS": "rc",
        "EXT_SUFFIX": f".cp3{minor}-win_amd64.pyd",
        "SHLIB_SUFFIX": ".pyd",
        "SOABI": f"cp3{minor}-win_amd64",
        "INCLUDEPY": str(home / "include"),
        "CONFINCLUDEPY": str(home / "include"),
        "LIBDIR": str(home / "libs"),
        "Py_ENABLE_SHARED": 0,
        "HAVE_DYNAMIC_LOADING": 1,
    }
