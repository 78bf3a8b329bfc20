"""The process that trains: `python -m core.training RUN_FOLDER`.

Reads run.toml and control.jsonl, and writes all other files in the run's folder. Must not know the terminal;
`core.examples` makes ids of rows.
"""
