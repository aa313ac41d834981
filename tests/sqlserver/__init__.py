"""Our T-SQL before Microsoft's own compiler, since nobody here has a SQL Server.

``fetching`` gets the compiler, ``compiler`` is it (a process), ``database`` says what stands in the database,
``judging`` asks about statements. tests/conftest.py asks about all that a whole run has heard (tests/tsql.py),
test_compiler.py about what is written out by hand, and whether faults are found at all.

What the compiler does not look at: functions and their arguments, types, GROUP BY, names of what a derived table or a
table variable gives, how many values there are (``counting`` does); plans and locks; whether an answer is right.
"""
