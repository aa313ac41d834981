"""Which databases the behavioural suite runs on."""

import os

import pytest

SQL_SERVER = os.environ.get("IDENTSYNC_TEST_MSSQL", "")
DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]
if SQL_SERVER:  # else test_mssql.py says once that nothing ran there
    DATABASES.append(pytest.param("mssql", marks=pytest.mark.mssql))
