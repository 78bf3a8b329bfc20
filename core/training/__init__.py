"""The process that trains: `python -m core.training RUN_FOLDER`. Reads run.toml and control.jsonl, writes everything
else in the folder."""
