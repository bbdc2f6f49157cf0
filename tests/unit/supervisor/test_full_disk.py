"""A disk without room for a while keeps no supervisor, engine or command from going on."""

import asyncio
import errno
import os

import pytest

from hookline.cli import engine
from hookline.errors import HooklineError
from hookline.supervisor import control, only_one, supervisor
from hookline.supervisor.supervisor import Supervisor

NO_SPACE = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Times:
    """Fails for the first times that it is called, as on a full disk."""

    def __init__(self, failing, do=lambda *_: None):
        self.failing, self.do, self.calls = failing, do, 0

    def __call__(self, *arguments, **named):
        self.calls += 1
        if self.calls <= self.failing:
            raise NO_SPACE
        return self.do(*arguments, **named)


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(supervisor, "_REPORT_SECONDS", 0.01)
    monkeypatch.setattr(engine, "REPORT_SECONDS", 0.01)
    monkeypatch.setattr(control, "POLL_SECONDS", 0.01)


async def test_that_all_is_ready_is_reported_once_it_can_be_written(short):
    reported = Times(2)
    supervising = Supervisor([], on_change=reported)
    supervising._reported_ready = True

    supervising._report()
    async with asyncio.timeout(10):
        while reported.calls < 3:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)

    assert 3 == reported.calls


async def test_an_engine_reports_that_it_is_ready_once_it_can_be_written(short, monkeypatch):
    reported, ready = Times(2), asyncio.Event()
    monkeypatch.setattr(engine, "report_ready", reported)
    ready.set()

    await asyncio.wait_for(engine._report_when(ready), 10)

    assert 3 == reported.calls


async def test_a_request_whose_answer_cannot_be_written_leaves_the_next_one_answered(
    short, monkeypatch, tmp_path
):
    async def handle(request):
        return f"did {request}"

    with only_one(tmp_path):
        answering = asyncio.create_task(control.answer_requests(tmp_path, handle))
        await asyncio.sleep(0.05)
        write = control._write
        monkeypatch.setattr(control, "_write", Times(0, write))
        assert "did this" == await asyncio.to_thread(control.ask, tmp_path, "this", 10)
        lost = tmp_path / "control" / "lost.request"
        monkeypatch.setattr(control, "_write", Times(1, write))
        lost.write_text('{"request": "that"}')
        async with asyncio.timeout(10):
            while lost.exists() or control._write.calls < 1:
                await asyncio.sleep(0.01)
        answer = await asyncio.to_thread(control.ask, tmp_path, "once more", 10)
        answering.cancel()

    assert "did once more" == answer


def test_a_command_says_so_where_its_request_cannot_be_written(monkeypatch, tmp_path):
    with only_one(tmp_path):
        monkeypatch.setattr(control, "_write", Times(1))

        with pytest.raises(HooklineError, match=r"Cannot write a request to .*: No space left on device"):
            control.ask(tmp_path, "restart engine", 1)
