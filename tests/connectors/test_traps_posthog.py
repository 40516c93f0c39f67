"""PostHog writes the same as JSON lines and as Parquet, where properties are a text: both must read alike."""

from __future__ import annotations

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq

from journeymining.ingest.library import connector_folder
from journeymining.testing.connectors import sample_rows


def test_parquet_reads_like_json_lines(tmp_path):
    shipped = connector_folder("posthog")
    shutil.copytree(shipped, tmp_path / "posthog")
    sample = tmp_path / "posthog/sample"
    for name in ("events", "persons"):
        records = [json.loads(line) for line in (sample / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
        for record in records:
            if not isinstance(record["properties"], str):
                record["properties"] = json.dumps(record["properties"])
        # What compressed files are called, though Parquet packs inside.
        pq.write_table(pa.Table.from_pylist(records), sample / f"{name}.parquet.zst", compression="zstd")
        (sample / f"{name}.jsonl").unlink()

    found = sample_rows(tmp_path / "posthog")

    expected = [row | {"stream": "events_parquet" if row["stream"] else ""} for row in sample_rows(shipped)]
    assert len(found) == 7
    assert found == expected
