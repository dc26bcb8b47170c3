"""Whoever asks for the metrics and does not wait for the answer."""

import socket
import struct
import threading
from contextlib import ExitStack

from prometheus_client import CollectorRegistry

from streamer.stream.health import Health
from tests.stream.live import get


def asking():
    return [thread for thread in threading.enumerate() if "process_request_thread" in thread.name]


def test_clients_that_say_half_a_line_take_neither_threads_nor_handles_from_whoever_asks(capfd):
    health = Health("127.0.0.1", 0, CollectorRegistry(), dict, dict)
    with ExitStack() as held:
        for _ in range(150):
            client = held.enter_context(socket.create_connection(("127.0.0.1", health.port)))
            client.sendall(b"GET /met")
            assert get(health.port, "/livez")[0] == 200
        assert len(asking()) < 100
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    for thread in asking():
        thread.join(10)
    health.close()
    assert capfd.readouterr().err == ""


def test_a_client_that_hangs_up_is_no_error(capfd):
    gone = threading.Event()
    health = Health("127.0.0.1", 0, CollectorRegistry(), lambda: {} if gone.wait(10) else {"gone": "no"}, dict)
    with socket.create_connection(("127.0.0.1", health.port)) as client:
        client.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    gone.set()

    status, _ = get(health.port, "/readyz")

    for thread in asking():
        thread.join(10)
    health.close()
    assert status == 200
    assert capfd.readouterr().err == ""
