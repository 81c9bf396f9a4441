"""Loads a CSV file with dlt: Arrow batches, Parquet files written by ADBC, merged by an enforced key; prints seconds."""

import sys
import time

import dlt
import pyarrow as pa
import pyarrow.csv as pv

path, dataset, table, key = sys.argv[1:]


@dlt.resource(
    name=table,
    write_disposition={"disposition": "merge", "strategy": "upsert"},
    primary_key=key,
    columns={key: {"unique": True, "nullable": False}},
)
def log():
    for batch in pv.open_csv(path, read_options=pv.ReadOptions(block_size=32 << 20)):
        yield pa.Table.from_batches([batch])


started_at = time.monotonic()
pipeline = dlt.pipeline("bench", destination="postgres", dataset_name=dataset)
pipeline.run(log(), loader_file_format="parquet").raise_on_failed_jobs()
print(time.monotonic() - started_at)
