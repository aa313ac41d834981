"""Where all tables of the engine are listed, and the type of their own numbers."""

from sqlalchemy import BigInteger, Integer, MetaData

metadata = MetaData()
ID = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only an INTEGER PRIMARY KEY
