"""The compiled core: one line a module, one switch for the limited API (IDENTSYNC_LIMITED_API=1)."""

import importlib.util
import os
import shutil
import subprocess
import sys
from glob import glob

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

VENDOR = "src/identsync/console/static/vendor"
MODULES = ["address", "board", "census", "columns", "events", "limiter", "payload", "register", "texts"]
HEADERS = sorted(glob("cext/*.px[di]"))

LIMITED = os.environ.get("IDENTSYNC_LIMITED_API") == "1"
FLAGS = ["/O2"] if sys.platform == "win32" else ["-O3", "-fno-strict-aliasing", "-g0"]


# A bare Debian has gcc and python3, but no Python.h: as root it is fetched by apt, elsewhere the compiler says so.
subprocess.run([sys.executable, "tests/prepare.py", "headers"], check=False)


class Pages(build_py):
    """The console's pages, and MapLibre beside them: it is in no repository, and no page loads it from outside."""

    def run(self) -> None:
        """Take MapLibre out of the package that carries it, then build."""
        spec = importlib.util.find_spec("maplibre")
        if spec is None or not spec.submodule_search_locations:
            raise SystemExit(
                "setup.py: the page with the map needs the package maplibre at build time (pyproject.toml)"
            )
        os.makedirs(VENDOR, exist_ok=True)
        for name in ("maplibre-gl.js", "maplibre-gl.css"):
            shutil.copyfile(os.path.join(spec.submodule_search_locations[0], "srcjs", name), f"{VENDOR}/{name}")
        super().run()


def extension(name: str) -> Extension:
    """Describe identsync.core.<name>, compiled from cext/<name>.pyx."""
    return Extension(
        f"identsync.core.{name}",
        [f"cext/{name}.pyx"],
        depends=[f"cext/{name}.pyx", *HEADERS],
        define_macros=[("Py_LIMITED_API", "0x030B0000")] if LIMITED else [],
        py_limited_api=LIMITED,
        extra_compile_args=FLAGS,
    )


class Sources(sdist):
    """The source distribution: tests and benchmarks too, but no C that Cython makes anew, and nothing of others."""

    def make_distribution(self) -> None:
        """Complete the list of files and pack them."""
        for folder in ("cext", "tests", "benchmarks"):
            self.filelist.graft(folder)
        for pattern in ("*.c", "*.py[cod]", "*.so"):
            self.filelist.global_exclude(pattern)
        self.filelist.prune(VENDOR)
        super().make_distribution()


setup(
    cmdclass={"build_py": Pages, "sdist": Sources},
    ext_modules=cythonize(
        [extension(name) for name in MODULES],
        include_path=["cext"],
        compiler_directives={
            "language_level": "3",
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "auto_pickle": False,
            "autotestdict": False,
        },
    ),
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if LIMITED else {},
)
