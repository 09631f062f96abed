"""Print a SQLite database as SQL, to be kept in `releases/` when a version is released.

    python tests/storage/dump_schema.py /path/to/xmppd.db > tests/storage/releases/0.1.sqlite.sql

Make the database with that release, with a row or two in each table: an upgrade is tested with
rows in its way. For PostgreSQL: pg_dump --no-owner --inserts > releases/0.1.postgresql.sql
"""

import sqlite3
import sys
from contextlib import closing

with closing(sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)) as database:
    for line in database.iterdump():
        print(line)
