"""A stand-in for Trackio that keeps what it gets in `mirrored.jsonl`, in the folder where the process works."""

TRACKIO = """
import json

class Run:
    def __init__(self, **about):
        self.file = open("mirrored.jsonl", "a")
        self.keep(about)
    def keep(self, value):
        self.file.write(json.dumps(value) + "\\n")
    def log(self, numbers, step):
        self.keep({"step": step, **numbers})
    def finish(self):
        self.file.close()

init = Run
"""
"""The source of its module."""
