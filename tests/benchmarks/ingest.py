"""Ingest against DuckDB reading the same file into Parquet with no mapping at all: rows a second, and peak memory.

Run it from the checkout: ``python tests/benchmarks/ingest.py [LINES]`` (default 1,000,000; 10,000,000 needs 5 GB of
disk). Prints a line per format: our rows a second, DuckDB's, the ratio, and the peak memory of the process that
ingested. Read the ratios: seconds depend on the machine and on what else it does. Nothing is asserted.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

BLOCK = 10_000

INGEST = r"""
import json, re, sys, time
from pathlib import Path
from journeymining.ingest.pull import ingest_sources
from journeymining.ingest.sources import SourceConfig
begun = time.perf_counter()
config = {"source": SourceConfig.model_validate(json.loads(sys.argv[1]))}
quality = ingest_sources(config, timezone="UTC", region="DE", key=b"0123456789abcdef", out=sys.argv[2])
peak = int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])
print(json.dumps([time.perf_counter() - begun, quality["events"], peak / 1024]))
"""

PLAIN = """
import duckdb, sys, time
begun = time.perf_counter()
with duckdb.connect(config={"memory_limit": "600MB", "temp_directory": sys.argv[2] + "/spill"}) as db:
    db.execute("SET enable_progress_bar = false")
    db.execute(f"COPY (SELECT * FROM read_csv('{sys.argv[1]}', all_varchar = true, {sys.argv[3]})) "
               f"TO '{sys.argv[2]}/plain.parquet' (COMPRESSION zstd)")
print(time.perf_counter() - begun)
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


CASES = {
    "access log": (
        "access.log",
        "",
        access_log,
        {"connector": "access_log", "identifiers": {"user": "email"}},
        "header = false, columns = {'line': 'VARCHAR'}, delim = '\\x01', quote = ''",
    ),
    "csv": (
        "visits.csv",
        "id,time,activity,channel,topic,email\n",
        table,
        {"connector": "csv"},
        "header = true",
    ),
}


def answer(*arguments: str) -> str:
    return subprocess.run([sys.executable, "-c", *arguments], capture_output=True, text=True, check=True).stdout


def main(lines: int) -> None:
    for name, (file_name, header, line, source, options) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / file_name
            with file.open("w", encoding="utf-8") as out:
                out.write(header)
                for first in range(0, lines, BLOCK):
                    out.write("".join(map(line, range(first, min(first + BLOCK, lines)))))
            plain = float(answer(PLAIN, str(file), folder, options))
            given = json.dumps({**source, "path": str(file)})
            seconds, events, peak = json.loads(answer(INGEST, given, f"{folder}/out"))
            print(
                f"{name}: {lines:,} lines, {events:,} events; {lines / seconds:,.0f} rows/s, DuckDB without mapping "
                f"{lines / plain:,.0f} rows/s ({seconds / plain:.1f} times as long); peak {peak:,.0f} MB"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
