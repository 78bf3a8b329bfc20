"""Recognises files without rows that people take for data: pointers, web pages, archives, workbooks. Says what to do.

Judged by the first bytes of a file, whatever its name is.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import NamedTuple

_DOWNLOAD = "Download the file itself"
_LFS = re.compile(rb"version https://git-lfs\.github\.com/spec/\S*\s.*?size (\d+)", re.DOTALL)
_PAGE = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script")
_HUB_ANSWERS = (
    b"Entry not found",
    b"Repository not found",
    b"Invalid username or password",
    b"Invalid credentials",
    b"Access to ",
    b"404: Not Found",
)
_HEADS = (
    (b"\xfd7zXZ\0", "it is compressed with xz", "Unpack it: unxz FILE"),
    (b"7z\xbc\xaf\x27\x1c", "it is a 7z archive", "Unpack it: 7z x FILE"),
    (b"Rar!", "it is a RAR archive", "Unpack it: unrar x FILE"),
    (b"\xd0\xcf\x11\xe0", "it is an old Excel workbook or another Office file", "Save it as CSV (UTF-8) there"),
    (b"%PDF-", "it is a PDF document, not rows", "Name a file with rows"),
    (b"SQLite format 3\0", "it is an SQLite database", "Write a table as CSV: sqlite3 -header -csv FILE 'SELECT …'"),
    (b"\x89HDF", "it is an HDF5 file", "Save its table as Parquet or JSON Lines"),
    (b"\x93NUMPY", "it is a NumPy array", "Save it as JSON Lines"),
    (b"\x80\x02", "it is a Python pickle, which can run code and is never opened", "Save it as JSON Lines"),
    (b"\x80\x03", "it is a Python pickle, which can run code and is never opened", "Save it as JSON Lines"),
    (b"\x80\x04", "it is a Python pickle, which can run code and is never opened", "Save it as JSON Lines"),
    (b"\x80\x05", "it is a Python pickle, which can run code and is never opened", "Save it as JSON Lines"),
    (b"FEA1\0", "it is a Feather file of version 1", "Save it again with a current pandas or as Parquet"),
    (b"Obj\x01", "it is an Avro file", "Save it as Parquet or JSON Lines"),
)
_LISTED = 5  # names of an archive in a message


class ForeignFile(NamedTuple):
    """Why a file has no rows that can be read."""

    what: str
    """What the file is, as a sentence without its full stop."""
    do: str
    """What to do, likewise."""


def foreign_file(path: Path, head: bytes) -> ForeignFile | None:
    """What the file is where it certainly is no data file. head: its first bytes, decompressed, at least 512 where the
    file has so many. Raises OSError."""
    if not head:
        return ForeignFile("the file is empty", "Name a file with at least one row")
    if pointer := _LFS.match(head):
        size = _size_words(int(pointer[1]))
        return ForeignFile(f"this is a Git LFS pointer to a file of {size}, not the file itself", "Run git lfs pull")
    if head.startswith((b"/annex/objects/", b"../.git/annex/objects/", b".git/annex/objects/")):
        return ForeignFile("this is a git-annex pointer, not the file itself", "Run git annex get")
    if head.startswith(b"PK\x03\x04"):
        return _zip(path)
    if head.startswith(b"BZh") and head[4:10] == b"1AY&SY":
        return ForeignFile("it is compressed with bzip2", "Unpack it: bunzip2 FILE")
    if head[257:262] == b"ustar":
        return ForeignFile("it is a tar archive", "Unpack it (tar -xf FILE) and name the folder or a file in it")
    for magic, what, do in _HEADS:
        if head.startswith(magic):
            return ForeignFile(what, do)
    return _text(head)


def _text(head: bytes) -> ForeignFile | None:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start[:20].lower().startswith(_PAGE):
        return ForeignFile("this is an HTML page, not data", f"Log in where that is needed. {_DOWNLOAD} (raw)")
    if start.startswith(b"<?xml"):
        page = b"<html" in head.lower()
        what = "this is an HTML page, not data" if page else "this is an XML document"
        return ForeignFile(what, _DOWNLOAD if page else "Save its records as JSON Lines")
    if len(head) < 512 and start.count(b"\n") < 2 and start.startswith(_HUB_ANSWERS):
        answer = start.split(b"\n")[0].decode("utf-8", "replace")[:100].rstrip(".")
        return ForeignFile(f"this is a server's answer ({answer}), not data", f"Check name and access. {_DOWNLOAD}")
    return None


def _zip(path: Path) -> ForeignFile:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX")]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return ForeignFile("it is a damaged or incomplete zip archive", "Copy or download it again")
    if "xl/workbook.xml" in names:
        return ForeignFile("it is an Excel workbook", "Save its sheet as CSV (UTF-8) or .tsv there")
    if "[Content_Types].xml" in names:
        return ForeignFile("it is an Office document, not rows", "Name a file with rows")
    listed = ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
    return ForeignFile(f"it is a zip archive of {listed or 'nothing'}", "Unpack it (unzip FILE) and name a file of it")


def _size_words(size: int) -> str:
    if size < 10_000:
        return f"{size:,} bytes"
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.1f} GB"
