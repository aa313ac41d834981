"""The file that Windows starts as the service: ``python -I host.py NAME SETTINGS [ROLE]``.

Its packages lie beside it: it needs neither the current folder nor variables nor an activated environment.
"""

import site
import sys
from pathlib import Path

assert sys.platform == "win32"  # for the type checker

PACKAGES = Path(__file__).resolve().parents[3]


def main() -> None:
    """Find the packages, with their .pth files, before those of the Python that runs this; then be the service."""
    others = list(sys.path)
    sys.path.clear()
    site.addsitedir(str(PACKAGES))
    sys.path.extend(path for path in others if path not in sys.path)
    from identsync.service.windows.serving import serve

    serve(sys.argv[1:])


if __name__ == "__main__":
    main()
