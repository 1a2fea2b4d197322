#!/usr/bin/env python3
"""A real Apache Kafka for tests and benchmarks: jars by Maven, one KRaft node on loopback, gone at the end.

    python scripts/kafka.py fetch        bring the jars, print their folder
    python scripts/kafka.py run          run a broker until Ctrl-C, print its address

Needs Java 17 or newer and Maven. Jars are kept in $TWINSTREAM_KAFKA_JARS, or ~/.cache/twinstream/kafka-<version>.
Only the standard library is used, so that a benchmark's own environment can import it too.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from time import monotonic
from types import TracebackType

VERSION = "4.1.1"
SCALA = "2.13"
HEAP = "512m"
FETCH_SECONDS = 300.0
FETCH_PAUSES = (5.0, 20.0)  # s, before the second try and the third: a repository may refuse for a moment
START_SECONDS = 60.0
STOP_SECONDS = 20.0

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>twinstream</groupId><artifactId>kafka-jars</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_{SCALA}</artifactId><version>{VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"""

_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
num.partitions=8
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.retention.hours=24
"""


class KafkaUnavailableError(Exception):
    """Kafka cannot be had here; the message says what is missing."""


def missing() -> str:
    """Say what is missing to run Kafka; nothing if all is there."""
    tools = [tool for tool in ("java", "mvn") if shutil.which(tool) is None]
    if "mvn" in tools and any(jar_folder().glob("kafka_*.jar")):
        tools.remove("mvn")
    return " and ".join(tools)


def jar_folder() -> Path:
    """Say where the jars are kept."""
    named = os.environ.get("TWINSTREAM_KAFKA_JARS")
    return Path(named) if named else Path.home() / ".cache" / "twinstream" / f"kafka-{VERSION}"


def fetch() -> Path:
    """Bring the jars with Maven, unless they are here.

    Raises
    ------
    KafkaUnavailableError
        If there is no Maven, or it fails.
    """
    folder = jar_folder()
    if any(folder.glob("kafka_*.jar")):
        return folder
    if shutil.which("mvn") is None:
        raise KafkaUnavailableError("expected Maven (mvn) to bring Kafka's jars, found none; install maven")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        Path(scratch, "pom.xml").write_text(_POM)
        jars = Path(scratch, "jars")
        command = [
            "mvn",
            "-q",
            "-B",
            "dependency:copy-dependencies",
            f"-DoutputDirectory={jars}",
            "-DincludeScope=runtime",
        ]
        for pause in (*FETCH_PAUSES, None):
            try:
                done = subprocess.run(
                    command, cwd=scratch, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False
                )
            except subprocess.TimeoutExpired:
                failure = f"expected Maven to end within {FETCH_SECONDS:g} s; try again"
            else:
                if not done.returncode:
                    break
                failure = f"Maven could not bring Kafka's jars:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            if pause is None:
                raise KafkaUnavailableError(failure)
            print(failure, f"trying again in {pause:g} s", sep="\n", file=sys.stderr, flush=True)
            threading.Event().wait(pause)
        try:
            jars.rename(folder)
        except OSError:  # another process was quicker
            if not any(folder.glob("kafka_*.jar")):
                raise
    return folder


class KafkaServer:
    """One KRaft node, broker and controller in one, on free ports of loopback. A context manager.

    Parameters
    ----------
    quick : bool
        Start faster and run slower (no optimising compiler): for tests, not for benchmarks.

    Raises
    ------
    KafkaUnavailableError
        If Java or the jars are missing, or the broker does not come up in time.
    """

    def __init__(self, *, quick: bool = True, heap: str = HEAP) -> None:
        self._quick = quick
        self._heap = heap
        self._home = Path(tempfile.mkdtemp(prefix="twinstream-kafka-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.port, self._controller = _free_ports(2)

    @property
    def url(self) -> str:
        """The broker's address, as twinstream takes it."""
        return f"kafka://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The broker's process."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> KafkaServer:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the broker, on the data of its last run if there was one, and wait until it answers."""
        if shutil.which("java") is None:
            raise KafkaUnavailableError("expected Java 17 or newer, found none; install a JRE")
        properties = self._home / "server.properties"
        if not properties.exists():
            data = self._home / "data"
            properties.write_text(_PROPERTIES.format(port=self.port, controller=self._controller, data=data))
            cluster = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
            self._java("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(properties))
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                [*self._command(), "kafka.Kafka", str(properties)],
                cwd=self._home,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._await_answer()

    def stop(self) -> None:
        """Stop the broker; its data stays, for another `start`."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)

    def close(self) -> None:
        """Stop the broker and remove its data."""
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)

    @property
    def _log(self) -> Path:
        return self._home / "kafka.log"

    def _command(self) -> list[str]:
        quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"] if self._quick else []
        return [
            "java",
            f"-Xmx{self._heap}",
            f"-Xms{self._heap}",
            *quick,
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp",
            f"{fetch()}/*",
        ]

    def _java(self, *arguments: str) -> None:
        done = subprocess.run(
            [*self._command(), *arguments],
            cwd=self._home,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
        if done.returncode:
            raise KafkaUnavailableError(
                f"{' '.join(arguments[:2])} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )

    def _await_answer(self) -> None:
        until = monotonic() + START_SECONDS
        while monotonic() < until:
            assert self._process is not None
            if self._process.poll() is not None:
                raise KafkaUnavailableError(f"the broker ended at once:\n{self._log.read_text()[-2000:]}")
            if _answers(self.port):
                return
            threading.Event().wait(0.1)
        raise KafkaUnavailableError(
            f"the broker gave no answer in {START_SECONDS:g} s:\n{self._log.read_text()[-2000:]}"
        )


def _answers(port: int) -> bool:
    """Ask ApiVersions, the one request that any broker answers."""
    request = struct.pack(">hhih", 18, 0, 1, -1)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as conn:
            conn.sendall(struct.pack(">i", len(request)) + request)
            return len(conn.recv(4)) == 4
    except OSError:
        return False


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def main() -> int:
    """Serve the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["fetch", "run"])
    verb = parser.parse_args().verb
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        if verb == "fetch":
            print(fetch())
            return 0
        with KafkaServer(quick=False) as server:
            print(server.url, flush=True)
            signal.pause()
    except KafkaUnavailableError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
