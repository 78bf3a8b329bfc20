"""Memory that was released reads the same afterwards, whether it is in a file or nowhere else."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from core.quality.release_memory import release_batch_memory


def test_what_was_released_reads_the_same(tmp_path: Path) -> None:
    texts = [f"row {n} " * 20 for n in range(5000)]
    batch = pa.record_batch({"text": pa.array(texts), "row": pa.array(range(5000))})
    release_batch_memory(batch)
    assert batch.column("text").to_pylist() == texts
    with pa.ipc.new_file(tmp_path / "rows.arrow", batch.schema) as file:
        file.write_batch(batch)
    mapped = pa.ipc.open_file(pa.memory_map(str(tmp_path / "rows.arrow"))).get_batch(0)
    release_batch_memory(mapped)
    release_batch_memory(mapped.slice(10, 20))
    assert mapped.column("text").to_pylist() == texts
