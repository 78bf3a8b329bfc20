"""The process that trains: `python -m core.training RUN_FOLDER`.

Reads run.toml and control.jsonl, writes everything else in the run's folder. Must not know the terminal; how a row
becomes ids is `core.examples`' matter.
"""
