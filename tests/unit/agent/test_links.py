"""What a voter asks of the kernel for its lines."""

import socket
import ssl

from covet.agent.links import Link

THIN_LINEAR_TIMEOUTS = 16


def test_a_lost_heartbeat_is_sent_again_at_a_steady_pace() -> None:
    """Ever longer pauses between retransmissions would make a stall of half a second one of 1.4 s: an election."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as sock:
        sock.settimeout(0.0)
        Link(sock, ssl.create_default_context(), "peer", frozenset({"peer"}), 0.0)
        assert 1 == sock.getsockopt(socket.IPPROTO_TCP, THIN_LINEAR_TIMEOUTS)
        assert 3000 == sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
