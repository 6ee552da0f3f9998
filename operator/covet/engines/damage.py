"""What a server says when its data or its log are damaged, told apart from everything that may pass.

A full disk, a refused connection, missing memory and a wrong setting end a server too; none of them is damage.
The texts are PostgreSQL 15's; `lc_messages` is the cluster's C.UTF-8, so they are never translated.
"""

import re
from typing import Final

_OWN: Final = ("FATAL:  ", "PANIC:  ")
"""How words of the server's own processes begin; those of sessions begin with user and database."""
_CODES: Final = frozenset({"XX001", "XX002"})
"""SQLSTATEs: data corrupted, index corrupted."""
_FOLDERS: Final = "base|global|pg_multixact|pg_subtrans|pg_twophase|pg_wal|pg_xact"
_TEXTS: Final = re.compile(
    "|".join(
        (
            r"could not locate (a valid|required) checkpoint record",
            r"could not find redo location",
            r"invalid redo in checkpoint record",
            r"invalid next transaction ID",
            r"incorrect checksum in control file",
            r"control file contains invalid",
            r"WAL contains references to invalid pages",
            r"WAL ends before (consistent recovery point|end of online backup)",
            r"requested timeline \d+ (is not a child of this server's history|does not contain minimum recovery)",
            r"invalid page in block \d+ of relation",
            r"could not access status of transaction",
            rf"could not (open|read|access) (file|directory) \"({_FOLDERS})[/\"].*: (No such file|read \d+ of)",
        )
    )
)


def told_by(code: str, words: str) -> bool:
    """Tell whether a line of the log, without its prefix, says that a server ended for damage.

    Args:
        code: the line's SQLSTATE.
        words: the line from its level on, `PANIC:  could not ...`.
    """
    return words.startswith(_OWN) and (code in _CODES or _TEXTS.search(words) is not None)
