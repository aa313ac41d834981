"""Our T-SQL before Microsoft's own compiler, since nobody here has a SQL Server.

``fetching`` gets the compiler, ``compiler`` is it (a process), ``database`` says what stands in the database,
``judging`` asks about statements. tests/conftest.py asks about all that a whole run has heard (tests/tsql.py),
test_compiler.py about what is written out by hand, and whether faults are found at all.

What the compiler does not look at: functions and their arguments, types, how many values there are, GROUP BY, names of
what a derived table or a table variable gives; plans and locks; whether the answer is the right one.
"""
