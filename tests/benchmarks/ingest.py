"""Ingest against DuckDB reading the same file into Parquet with no mapping at all: rows a second, and peak memory.

Of access logs DuckDB reads lines, which is the least it can do, and in a further case the fields of the lines.

Run it from the checkout: ``python -m tests.benchmarks.ingest [LINES] [--rounds N]`` (default 1,000,000 lines, 3 rounds;
10,000,000 need 5 GB of disk). Prints a line per format and round: seconds of the whole pull (landing, mapping,
identifiers, tables) and of DuckDB, as wall time and as time of processors, with their ratios, and the peak memory of
the process that ingested. Read the ratios, of processor time where the machine does other work too. Nothing is
asserted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

BLOCK = 10_000

INGEST = r"""
import json, re, resource, sys, time
from pathlib import Path
import duckdb, journeymining.ingest.streams as streams
# pyarrow does so when it makes its first array; libraries are loaded before the clock starts, here as for DuckDB.
import pandas
from journeymining.ingest.pull import ingest_sources
from journeymining.ingest.sources import SourceConfig
def spent():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), used.ru_utime + used.ru_stime
begun = spent()
config = {"source": SourceConfig.model_validate(json.loads(sys.argv[1]))}
quality = ingest_sources(config, timezone="UTC", region="DE", key=b"0123456789abcdef", out=sys.argv[2])
whole = [now - before for now, before in zip(spent(), begun)]
peak = int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])
print(json.dumps([whole, quality["events"], peak / 1024]))
"""

PLAIN = """
import duckdb, json, resource, sys, time
def spent():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), used.ru_utime + used.ru_stime
begun = spent()
with duckdb.connect(config={"memory_limit": "600MB", "temp_directory": sys.argv[2] + "/spill"}) as db:
    db.execute("SET enable_progress_bar = false")
    db.execute(f"COPY (SELECT * FROM read_csv('{sys.argv[1]}', all_varchar = true, {sys.argv[3]})) "
               f"TO '{sys.argv[2]}/plain.parquet' (COMPRESSION zstd)")
print(json.dumps([now - before for now, before in zip(spent(), begun)]))
"""


def access_log(number: int) -> str:
    day, second = divmod(number // 20, 86_400)
    clock = f"{1 + day % 28:02d}/Mar/2026:{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d} +0100"
    user = f"c{number % 50_000}@example.org" if number % 3 else "-"
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
    return f'203.0.113.{number % 250} - {user} [{clock}] "GET /p/{number % 997} HTTP/1.1" 200 5120 "-" "{agent}"\n'


def table(number: int) -> str:
    day, second = divmod(number // 20, 86_400)
    clock = f"2026-03-{1 + day % 28:02d}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z"
    return f"{number},{clock},visit,web,/p/{number % 997},c{number % 50_000}@example.org\n"


def quoted(number: int) -> str:
    return ",".join(f'"{field}"' for field in table(number).rstrip("\n").split(",")) + "\n"


def different(number: int) -> str:
    """Return a line of which nearly every field is another: no text comes twice, but for the browser."""
    line = access_log(number).replace(f"/p/{number % 997} ", f"/p/{number}?q={number * 7} ")
    return line.replace(f"c{number % 50_000}@", f"c{number}@").replace("203.0.113.", f"10.{number % 199}.7.")


LINES = "header = false, columns = {'line': 'VARCHAR'}, delim = '\\x01', quote = ''"
NAMES = ("host", "identity", "login", "clock", "zone", "request", "status", "bytes", "referer", "agent")
FIELDS = f"header = false, columns = {dict.fromkeys(NAMES, 'VARCHAR')}, delim = ' ', quote = '\"'"
LOG = {"connector": "access_log", "identifiers": {"user": "email"}}

CASES = {
    "access log": (
        "access.log",
        "",
        access_log,
        LOG,
        LINES,
    ),
    "access log, DuckDB reading its fields": (
        "access.log",
        "",
        access_log,
        LOG,
        FIELDS,
    ),
    "csv": (
        "visits.csv",
        "id,time,activity,channel,topic,email\n",
        table,
        {"connector": "csv"},
        "header = true",
    ),
    "csv, every field quoted": (
        "visits.csv",
        "id,time,activity,channel,topic,email\n",
        quoted,
        {"connector": "csv"},
        "header = true",
    ),
    "access log, every path and user once": (
        "access.log",
        "",
        different,
        LOG,
        LINES,
    ),
}


def answer(*arguments: str) -> str:
    return subprocess.run([sys.executable, "-c", *arguments], capture_output=True, text=True, check=True).stdout


def main(lines: int, rounds: int, cases: list[str]) -> None:
    for name in cases:
        file_name, header, line, source, options = CASES[name]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / file_name
            with file.open("w", encoding="utf-8") as out:
                out.write(header)
                for first in range(0, lines, BLOCK):
                    out.write("".join(map(line, range(first, min(first + BLOCK, lines)))))
            for _ in range(rounds):
                plain = json.loads(answer(PLAIN, str(file), folder, options))
                given = json.dumps({**source, "path": str(file)})
                whole, events, peak = json.loads(answer(INGEST, given, f"{folder}/out"))
                wall, used = (f"{ours / theirs:.1f}" for ours, theirs in zip(whole, plain, strict=True))
                print(
                    f"{name}: {lines:,} lines, {events:,} events, {lines / whole[0]:,.0f} rows/s; "
                    f"wall {whole[0]:.1f} s, DuckDB {plain[0]:.1f} s: {wall} times; "
                    f"processors {whole[1]:.1f} s, {plain[1]:.1f} s: {used} times; peak {peak:,.0f} MB",
                    flush=True,
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case", action="append", choices=list(CASES), help="default: all")
    given = parser.parse_args()
    main(given.lines, given.rounds, given.case or list(CASES))
