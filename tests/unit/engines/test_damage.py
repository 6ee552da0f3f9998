"""What a server says of damage, told apart from what may pass."""

import pytest

from covet.engines import damage, relay


@pytest.mark.parametrize(
    "line",
    [
        "XX000 [7] PANIC:  could not locate a valid checkpoint record",
        "XX000 [7] FATAL:  incorrect checksum in control file",
        "XX001 [7] FATAL:  invalid page in block 3 of relation base/5/16384",
        "XX000 [7] PANIC:  WAL contains references to invalid pages",
        "XX000 [7] FATAL:  WAL ends before consistent recovery point",
        'XX000 [7] FATAL:  could not open directory "pg_xact": No such file or directory',
        '58P01 [7] FATAL:  could not open file "global/pg_filenode.map": No such file or directory',
        'XX001 [7] PANIC:  could not read file "global/pg_control": read 0 of 296',
        "22023 [7] FATAL:  requested timeline 9 is not a child of this server's history",
    ],
)
def test_damage_is_heard(line: str) -> None:
    """Words of the server's own processes that name damaged data or a damaged log."""
    relayed = relay.Relay()
    relayed.take(line)
    assert line.split("] ", 1)[1] == relayed.damage


@pytest.mark.parametrize(
    "line",
    [
        '53100 [7] PANIC:  could not write to file "pg_wal/xlogtemp.7": No space left on device',
        '58030 [7] PANIC:  could not fsync file "pg_wal/000000010000000000000001": Input/output error',
        '25006 [7] FATAL:  could not open file "postmaster.pid": Read-only file system',
        "53200 [7] FATAL:  out of memory",
        '53100 [7] FATAL:  could not resize shared memory segment "/PostgreSQL.7" to 8 bytes: No space left on device',
        "XX000 [7] FATAL:  could not connect to the primary server: timeout expired",
        "08P01 [7] FATAL:  could not receive data from WAL stream: requested WAL segment 7 has already been removed",
        "57P03 [7] covet@postgres FATAL:  the database system is starting up",
        "XX001 [7] app@app ERROR:  invalid page in block 3 of relation base/5/16384",
        "F0000 [7] FATAL:  configuration file contains errors",
        '58P01 [7] FATAL:  could not load server certificate file "tls.crt": No such file or directory',
        "00000 [7] LOG:  could not locate a valid checkpoint record",
    ],
)
def test_what_may_pass_is_no_damage(line: str) -> None:
    """No room, no memory, no network, wrong settings, and what a session of a client ran into."""
    relayed = relay.Relay()
    relayed.take(line)
    assert "" == relayed.damage
    assert not damage.told_by("00000", "LOG:  ready")
