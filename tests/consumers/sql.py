"""Runs each SQL block of a Markdown page, in order, and prints what it answers as JSON, by the block's heading.

    sql.py EVENTS SENDS PAGE

The page's SQL reads events.jsonl and sends.csv in the working directory; EVENTS and SENDS are linked there.
"""

import json
import os
import re
import sys
import tempfile

import duckdb

PIECES = re.compile(r"(^#+ [^\n]+$|^```sql\n.*?^```$)", re.MULTILINE | re.DOTALL)


def main(events: str, sends: str, page: str) -> None:
    with open(page, encoding="utf-8") as file:
        pieces = PIECES.split(file.read())
    sources = {"events.jsonl": os.path.abspath(events), "sends.csv": os.path.abspath(sends)}
    answers: dict[str, list[dict]] = {}
    heading = ""
    with tempfile.TemporaryDirectory() as folder:
        for name, path in sources.items():
            os.symlink(path, os.path.join(folder, name))
        os.chdir(folder)
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
        for piece in pieces:
            if piece.startswith("#"):
                heading = piece.lstrip("# ")
            elif piece.startswith("```sql\n"):
                cursor = connection.execute(piece.removeprefix("```sql\n").removesuffix("```"))
                names = [column[0] for column in cursor.description]
                answers[heading] = [dict(zip(names, row)) for row in cursor.fetchall()]
        os.chdir("/")
    json.dump(answers, sys.stdout, default=str)


if __name__ == "__main__":
    main(*sys.argv[1:])
