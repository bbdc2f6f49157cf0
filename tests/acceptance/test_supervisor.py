"""The supervisor with real processes and real signals."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from contextlib import suppress

import psutil
import pytest

from hookline.errors import HooklineError
from hookline.supervisor import Port, control, http_ready, only_one, require_free

HEAD = """
import asyncio, os, signal, sys
from pathlib import Path
from hookline.errors import HooklineError
from hookline.supervisor import Port, Process, only_one, supervise

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # anyone who runs the tests may have said nohup

SLEEP = "import os, time; print('pid', os.getpid()); time.sleep(600)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEP
PARENT = (
    "import subprocess, sys; [subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
    " start_new_session=new) for new in (True, False)]; " + SLEEP
)

def child(name, code, **more):
    return Process(name=name, command=[sys.executable, "-c", code], **more)

def tell(troubles):
    print("not ready:" if troubles else "all ready", *troubles.items(), flush=True)

def run(*processes, home=None):
    try:
        supervise(processes, on_change=tell, home=home)
    except HooklineError as error:
        sys.exit(str(error))
"""


class Running:
    """A supervisor in a process of its own, whose descendants can be found by a mark in their environment."""

    def __init__(self, script, folder):
        self.mark = uuid.uuid4().hex
        self.folder = folder
        self.log = folder / f"{self.mark}.log"
        with self.log.open("w") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-W", "error", "-c", HEAD + textwrap.dedent(script)],
                cwd=folder,
                env=os.environ | {"TEST_MARK": self.mark},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def text(self):
        return self.log.read_text()

    def until(self, pattern, times=1):
        """Wait until a pattern is in the output; the last of its groups, if it has any."""
        until(
            lambda: len(re.findall(pattern, self.text)) >= times, lambda: f"{pattern!r} not in:\n{self.text}"
        )
        return re.findall(pattern, self.text)[-1]

    def ended(self):
        return self.popen.wait(30)

    def left(self):
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process):
        with suppress(psutil.Error):
            marked = process.environ().get("TEST_MARK") == self.mark
            return marked and process.status() != psutil.STATUS_ZOMBIE
        return False


def until(condition, complaint=lambda: "it never came"):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, complaint()
        time.sleep(0.02)


@pytest.fixture
def up(tmp_path):
    started = []

    def start(script):
        started.append(Running(script, tmp_path))
        return started[-1]

    yield start
    for running in started:
        running.popen.kill()
        running.popen.communicate()
        for process in running.left():
            process.kill()


def test_a_process_starts_once_what_it_needs_is_ready(up):
    running = up("""
        async def there():
            return Path("there").exists()

        run(
            child("last", SLEEP, after=["middle", "first"]),
            child("middle", SLEEP, after=["first"]),
            child("first", "import time; time.sleep(0.5); open('there', 'w'); time.sleep(600)", ready=there),
        )
    """)

    running.until("all ready")

    events = re.findall(r"(\w+) (starting|ready) ?", running.text)
    steps = [(name, step) for name in ("first", "middle", "last") for step in ("starting", "ready")]
    assert [*steps, ("all", "ready")] == events


def test_a_process_loads_its_code_while_it_waits_for_others_also_when_it_is_started_again(up):
    running = up(
        """
        until = "import time; from pathlib import Path\\nwhile not Path('go').exists(): time.sleep(0.01)"
        code = (
            "from hookline.supervisor import wait_for_turn; print('second has loaded', flush=True); "
            "wait_for_turn(); print('second works', flush=True); "
        )
        run(
            child("first", until, restart=False),
            child("second", code + SLEEP, begins_after=["first"]),
        )
        """
    )
    running.until("second has loaded")
    time.sleep(1.3)  # what has no probe is ready after a second
    early = re.findall("second works|second ready", running.text)
    (running.folder / "go").touch()
    running.until("second works")
    before = running.text.index("first done") < running.text.index("second works")

    os.kill(int(running.until(r"pid (\d+)")), signal.SIGKILL)
    running.until("second works", times=2)

    assert ([], True) == (early, before)


def test_what_waits_for_others_ends_when_it_is_told_to(up):
    running = up(
        """
        async def never():
            return False

        wait = "from hookline.supervisor import wait_for_turn; print('it waits', flush=True); wait_for_turn()"
        run(child("first", SLEEP, ready=never), child("second", wait, begins_after=["first"]))
        """
    )
    running.until("it waits")

    running.popen.send_signal(signal.SIGTERM)

    assert (0, []) == (running.ended(), running.left())


def test_a_killed_process_is_started_again_and_the_log_says_so(up):
    running = up("""run(child("engine", SLEEP), child("other", SLEEP))""")
    first = running.until(r"engine   │ pid (\d+)")
    running.until("all ready")

    os.kill(int(first), signal.SIGKILL)
    running.until(re.escape("engine died (signal 9), restarting in 0.5 s"))
    running.until("engine ready", times=2)
    second = running.until(r"engine   │ pid (\d+)", times=2)

    assert first != second
    assert 1 == running.text.count("all ready")
    assert 1 == len(re.findall("other starting", running.text))


def test_what_a_killed_process_had_started_goes_with_it(up):
    running = up("""run(child("worker", PARENT))""")
    worker = psutil.Process(int(running.until(r"pid (\d+)")))
    grandchildren = {process.pid for process in worker.children()}

    worker.kill()
    running.until("worker starting", times=2)

    assert 2 == len(grandchildren)
    assert grandchildren.isdisjoint(process.pid for process in running.left())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_leaves_no_process_and_ends_well(up, number):
    running = up("""run(child("base", PARENT), child("user", PARENT, after=["base"]))""")
    running.until("all ready")
    before = len(running.left())

    running.popen.send_signal(number)

    assert 0 == running.ended()
    assert 2 + 2 * 3 == before  # the supervisor and its guard; each child and what it started
    assert [] == running.left()
    assert ["user", "base"] == re.findall(r"(\w+) stopped", running.text)


def test_a_hangup_is_passed_on_to_those_that_read_files_again_and_ends_nothing(up):
    running = up("""
        HEARS = (
            "import signal, time; signal.signal(signal.SIGHUP, lambda *_: print('heard', flush=True)); print('up');"
            "[time.sleep(60) for _ in range(10)]"
        )
        run(child("gateway", HEARS, reload_signal=signal.SIGHUP), child("worker", SLEEP))
    """)
    running.until("all ready")

    running.popen.send_signal(signal.SIGHUP)
    running.until(r"gateway +│ heard")
    running.popen.terminate()

    assert 0 == running.ended()
    assert ([], ["gateway"]) == (
        re.findall("died", running.text),
        re.findall(r"(\w+) reads its files", running.text),
    )


def test_a_process_that_dies_again_and_again_takes_ready_back_until_it_lives(up):
    running = up("""
        import hookline.supervisor.supervisor as module
        from hookline.supervisor.process import Backoff as module_backoff
        module.Backoff = lambda **_: module_backoff(first=0.01)
        module._UPTIME_SECONDS, module._STABLE_SECONDS = 0.3, 0.5

        FRAIL = (
            "import os, sys, time; from pathlib import Path; time.sleep(0.6);"
            "print('no table'); sys.stdout.flush(); time.sleep(0 if not Path('fixed').exists() else 600); os._exit(3)"
        )
        run(child("good", SLEEP), child("worker", FRAIL))
    """)
    running.until("all ready")

    running.until("not ready:")
    (running.folder / "fixed").touch()
    running.until("all ready", times=2)

    told = re.findall(r"not ready: \('(\w+)', '(died \d+ times: [^']*)'\)", running.text)
    assert ("worker", "died 3 times: no table") == told[0]


def test_a_process_is_stopped_before_those_it_uses_though_it_starts_beside_them(up):
    running = up("""
        SLOW = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.5), sys.exit())); "

        async def there():
            return Path("there").exists()

        run(
            child("user", SLOW + "open('there', 'w'); print('up', flush=True); time.sleep(600)", depends_on=["server"]),
            child("server", SLEEP, ready=there),
        )
    """)
    running.until("all ready")
    running.popen.send_signal(signal.SIGTERM)
    running.ended()

    stopped = re.findall(r"(\w+) stopped", running.text)
    assert ["user", "server"] == stopped


def test_a_stop_in_the_middle_of_the_start_leaves_no_process(up):
    running = up("""
        async def never():
            return False

        run(child("base", SLEEP, ready=never), child("user", SLEEP, after=["base"]))
    """)
    running.until("pid")

    running.popen.terminate()

    assert 0 == running.ended()
    assert [] == running.left()
    assert "all ready" not in running.text


def test_nothing_outlives_a_killed_supervisor(up):
    running = up("""run(child("deaf", DEAF), child("worker", PARENT))""")
    running.until("all ready")

    running.popen.kill()

    until(lambda: not running.left(), lambda: str(running.left()))


def test_a_process_that_does_not_stop_is_killed_when_its_time_is_over(up):
    running = up("""run(child("deaf", DEAF, stop_seconds=0.2))""")
    running.until("all ready")

    running.popen.terminate()

    assert 0 == running.ended()
    assert "deaf did not stop within 0.2 s: killed" in running.text


def test_a_second_ctrl_c_ends_everything_at_once(up):
    running = up(
        """run(child("base", DEAF, stop_seconds=600), child("user", DEAF, stop_seconds=600, after=["base"]))"""
    )
    running.until("all ready")

    running.popen.send_signal(signal.SIGINT)
    running.until("stopping")
    running.popen.send_signal(signal.SIGINT)

    assert 0 == running.ended()
    assert [] == running.left()


def test_a_process_that_never_starts_ends_everything_with_its_last_lines(up):
    running = up("""
        import hookline.supervisor.supervisor as module
        module.Backoff = lambda **_: module_backoff(first=0.01)
        from hookline.supervisor.process import Backoff as module_backoff

        run(child("good", SLEEP), child("bad", "print('no such table'); raise SystemExit(3)"))
    """)

    assert 1 == running.ended()
    assert running.text.endswith(
        "bad ended before it was ready 5 times, at last (exit code 3). Its last lines:"
        + "\n  no such table" * 5
        + "\n"
    )
    assert [] == running.left()


def test_a_program_that_is_not_there_is_named(up):
    running = up("""run(Process(name="bad", command=["/no/such/program"], restart=False))""")

    assert 1 == running.ended()
    assert running.text.endswith(
        "bad failed (cannot be executed). Its last lines:\n  No such file or directory: /no/such/program\n"
    )


def test_what_needs_a_job_waits_until_it_is_done(up):
    running = up("""
        run(
            child("migrate", "import time; time.sleep(0.3); print('migrated')", restart=False),
            child("engine", SLEEP, after=["migrate"]),
        )
    """)

    running.until("all ready")

    assert re.search(r"migrated\n.*migrate done.*\n.*engine starting", running.text)


def test_a_job_that_fails_ends_everything(up):
    running = up("""
        run(child("good", SLEEP), child("migrate", "import os; os.write(1, b'no database'); os._exit(1)", restart=False))
    """)

    assert 1 == running.ended()
    assert running.text.endswith("migrate failed (exit code 1). Its last lines:\n  no database\n")
    assert [] == running.left()


def test_the_terminal_s_ctrl_c_and_keys_do_not_reach_the_children(up):
    running = up("""
        run(child("child", "import os; print('leader', os.getsid(0) == os.getpid(), repr(open(0).read()));" + SLEEP))
    """)

    assert "True ''" == running.until("leader (.*)")


def test_lines_of_many_processes_are_never_mixed(up):
    running = up("""
        code = "import sys, time\\nfor _ in range(300): sys.stdout.write('{0}' * 1000); sys.stdout.write('{0}\\\\n')\\n"
        jobs = [child(name, code.format(name), restart=False) for name in "abc"]
        run(*jobs)
    """)
    running.until("all ready")

    lines = [line for line in running.text.splitlines() if re.match("[abc] ", line)]
    whole = [line for line in lines if re.fullmatch(r"([abc]) +│ \1{1001}", line)]
    assert 900 == len(whole)
    assert lines == whole


def test_a_second_supervisor_on_a_home_is_refused(tmp_path, up):
    running = up("""
        with only_one(Path("home")):
            run(child("engine", SLEEP))
    """)
    running.until("all ready")
    home = tmp_path / "home"

    with pytest.raises(HooklineError) as caught, only_one(home):
        pass

    begin = f"Hookline is already running on this home (pid {running.popen.pid}): {home}."
    assert str(caught.value).startswith(begin)


def test_a_killed_supervisor_lets_go_of_its_home(tmp_path, up):
    running = up("""
        with only_one(Path("home")):
            run(child("engine", SLEEP))
    """)
    running.until("all ready")
    running.popen.kill()
    running.popen.wait()

    with only_one(tmp_path / "home"):
        holder = (tmp_path / "home" / "up.lock").read_text()

    assert f"{os.getpid()}\n" == holder


def test_a_taken_port_is_told_with_its_holder_and_its_variable():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]

        with pytest.raises(HooklineError) as caught:
            require_free([Port(number, "the gateway", "HOOKLINE_GATEWAY_PORT")])

    name = psutil.Process().name()
    assert (
        f"Port {number}, for the gateway, is used by {name} (pid {os.getpid()}). "
        "Stop it, or set HOOKLINE_GATEWAY_PORT to another port."
    ) == str(caught.value)


def test_a_free_port_is_fine_even_just_after_its_last_use():
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", number)):
            server.accept()[0].close()  # leaves the port in TIME_WAIT

    require_free([Port(number, "the gateway", "HOOKLINE_GATEWAY_PORT")])


def test_a_port_wanted_twice_is_told():
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]

    with pytest.raises(HooklineError) as caught:
        require_free([Port(number, "the gateway", "A_PORT"), Port(number, "Prefect", "B_PORT")])

    assert f"Port {number} is used twice: for the gateway (A_PORT) and for Prefect (B_PORT)." == str(
        caught.value
    )


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", False),
        (b"SSH-2.0-OpenSSH_9.9\r\n", False),
        (b"", False),
    ],
)
async def test_an_http_server_is_ready_when_it_answers_well(answer, expected):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        ready = await http_ready(f"http://127.0.0.1:{port}/readyz")()

    assert expected == ready
    assert not await http_ready(f"http://127.0.0.1:{port}/readyz")()  # nobody listens any more


SERVER = """
    SERVER = (
        "import os, socket; listener = socket.socket(fileno=int(os.environ['HOOKLINE_LISTEN_FD']));\\n"
        "while True:\\n  connection, _ = listener.accept(); connection.sendall(b'%d' % os.getpid()); connection.close()"
    )
    home = Path("home")
    with only_one(home):
        run(
            child("server", SERVER, listens=Port(PORT, "the test", "PORT")),
            child("job", "pass", restart=False),
            child("deaf", DEAF, stop_seconds=0.2),
            home=home,
        )
"""


@pytest.fixture
def server(up, tmp_path):
    """A supervisor with a process that says its number to anyone who connects; ask it for things by its home."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = up(SERVER.replace("PORT,", f"{port},"))
    running.until("all ready")
    return port, tmp_path / "home"


def answer(port):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        return connection.makefile().read()


def test_a_process_is_restarted_on_request_and_nobody_is_refused_meanwhile(server):
    port, home = server
    before = answer(port)
    refused, over = [], threading.Event()

    def knock():
        while not over.is_set():
            try:
                refused.extend([] if answer(port) else ["no answer"])
            except OSError as error:
                refused.append(repr(error))

    knocking = threading.Thread(target=knock)
    knocking.start()
    told = control.ask(home, "restart server", 30)
    over.set()
    knocking.join()

    assert re.match(r"server restarted, ready after \d", told)
    assert before != answer(port)
    assert len(refused) <= 1  # the one that the old process was answering when it was told to end
    assert [] == list((home / "control").iterdir())


def test_one_that_does_not_stop_is_killed_and_restarted(server):
    _, home = server

    assert "deaf restarted" in control.ask(home, "restart deaf", 30)


@pytest.mark.parametrize("request_", ["restart job", "restart nobody", "dance", "restart"])
def test_what_cannot_be_restarted_is_refused(server, request_):
    _, home = server

    with pytest.raises(HooklineError, match="runs no process"):
        control.ask(home, request_, 30)


def test_a_request_that_nobody_can_read_harms_nothing(server):
    _, home = server
    (home / "control" / "x.request").write_text("{")

    assert "deaf restarted" in control.ask(home, "restart deaf", 30)
    assert 0o700 == (home / "control").stat().st_mode & 0o777


def test_one_that_does_not_start_again_is_told_with_its_last_lines(up, tmp_path):
    running = up("""
        home = Path("home")
        code = "import os, sys, time; os.path.exists('broken') and sys.exit('it is broken'); time.sleep(600)"
        with only_one(home):
            run(child("once", code), home=home)
    """)
    running.until("all ready")
    (tmp_path / "broken").touch()

    with pytest.raises(HooklineError, match=r"once does not start\. Its last lines:\n  it is broken"):
        control.ask(tmp_path / "home", "restart once", 30)
