"""What an export has written and how it agrees with its run: results/export.json of the job."""

from __future__ import annotations

from pathlib import Path

import msgspec

from core.base.files import private_dir, replace_file
from core.base.plural import counted

RESULT_FILE = Path("results") / "export.json"


class Agreement(msgspec.Struct, frozen=True):
    """How the answers of one model agree with those of the run, greedily decoded."""

    asked: int
    """Questions."""
    equal: int
    """Answers with the same ids."""
    first_difference: int | None = None
    """The first row whose answer has other ids, by its number in the source, as everywhere."""
    tokens: int = 0
    """Tokens of the run's answers, over which the distances are taken."""
    mean_kl: float | None = None
    """Mean distance of the next token's probabilities from the run's, in nats (Kullback-Leibler, over the run's 1,024
    likeliest tokens and the rest as one); None where the model gives no probabilities."""
    largest_kl: float | None = None
    """The largest of them."""

    @property
    def words(self) -> str:
        """`48 of 50 answers equal; first difference in row 12`."""
        words = f"{self.equal} of {counted(self.asked, 'answer')} equal"
        return words if self.first_difference is None else f"{words}; first difference in row {self.first_difference}"


class ExportResult(msgspec.Struct, frozen=True, kw_only=True):
    """All about an export that was written."""

    run: str
    """The training run's id."""
    to: str
    """What was written, see `ExportTarget`."""
    type: str
    """The number format of the weights."""
    folder: str
    """Where."""
    files: dict[str, int]
    """Each file's path in the folder, and its bytes."""
    base_weights: str = "original"
    """The weights into which the adapter was merged: `original` or `dequantised`."""
    agreements: dict[str, Agreement] = {}
    """How the answers agree with the run's, by who was asked: `exported` is what was written, loaded again; `original`
    and `dequantised` are both ways of a 4-bit run; `llama-server` and `ollama` the
    programs of these names."""
    texts: int = 0
    """Texts whose token ids were compared."""
    texts_equal: int = 0
    """Those with the same ids."""
    questions_from: str = ""
    """Which rows were asked, in words."""
    computed_in: str = ""
    """Where and in which number format the models were asked."""
    not_checked: str = ""
    """Why the export was not asked, as a clause; empty where it was."""
    remarks: tuple[str, ...] = ()
    """What other programs do differently, as clauses."""
    commands: tuple[str, ...] = ()
    """Lines that load it, or make more of it."""
    seconds: float = 0.0
    """Time of the whole export."""
    write_seconds: float = 0.0
    """Time to write the weights."""
    peak_bytes: int = 0
    """The most memory the process has had until the weights were written."""

    @property
    def words(self) -> str:
        """The proof in one line, for the screen."""
        if "exported" not in self.agreements:
            return f"written, not asked: {self.not_checked or 'no question was wanted'}"
        words = self.agreements["exported"].words
        return words if self.texts_equal == self.texts else f"{words}; {self.texts - self.texts_equal} texts differ"


def write_result(job: Path, result: ExportResult) -> None:
    """Write the result of the job in the folder `job`. Raises OSError."""
    private_dir((job / RESULT_FILE).parent)
    replace_file(job / RESULT_FILE, msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")


def read_result(job: Path) -> ExportResult | None:
    """The result of the job in the folder `job`; None before there is one, or where it cannot be read."""
    try:
        return msgspec.json.decode((job / RESULT_FILE).read_bytes(), type=ExportResult)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
