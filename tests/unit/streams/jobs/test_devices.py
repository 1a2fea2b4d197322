"""Devices of a worker: what is found, what is named, what an engine process is let know."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from schemas.errors import SettingsError
from streams.jobs.devices import Gpu, clean_environment, find_gpus, places, read_gpus

CARDS = [Gpu(0, "NVIDIA L4", 24 << 30, "GPU-aa"), Gpu(1, "NVIDIA L4", 24 << 30, "GPU-bb")]


def named(devices: str, slots: int | None = 1, **environment: str) -> list[str]:
    return [one.name for one in places(devices, slots, environment=environment, find=lambda: CARDS)]


@pytest.mark.parametrize(
    ("devices", "slots", "environment", "expected"),
    [
        ("auto", 2, {}, ["cuda:0 NVIDIA L4", "cuda:1 NVIDIA L4", "cpu", "cpu"]),
        ("auto", 0, {}, ["cuda:0 NVIDIA L4", "cuda:1 NVIDIA L4"]),
        ("cpu", 2, {}, ["cpu", "cpu"]),
        ("cuda:1", 1, {}, ["cuda:1 NVIDIA L4", "cpu"]),
        ("auto", 1, {"CUDA_VISIBLE_DEVICES": "1"}, ["cuda:1 NVIDIA L4", "cpu"]),
        ("auto", 1, {"CUDA_VISIBLE_DEVICES": "GPU-bb,GPU-aa"}, ["cuda:1 NVIDIA L4", "cuda:0 NVIDIA L4", "cpu"]),
        ("auto", 1, {"CUDA_VISIBLE_DEVICES": ""}, ["cpu"]),
        ("auto", 1, {"CUDA_VISIBLE_DEVICES": "-1,0"}, ["cpu"]),
        ("auto", 1, {"CUDA_VISIBLE_DEVICES": "MIG-7f"}, ["cuda:0 a slice of a GPU", "cpu"]),
    ],
)
def test_places_are_what_is_asked_for_and_there(
    devices: str, slots: int, environment: dict[str, str], expected: list[str]
) -> None:
    assert named(devices, slots, **environment) == expected


@pytest.mark.parametrize("devices", ["cuda:7", "gpu", "cuda:0,", "auto,cpu"])
def test_a_device_that_is_not_there_is_refused(devices: str) -> None:
    with pytest.raises(SettingsError, match="cuda:0, cuda:1"):
        named(devices)


def test_a_worker_without_any_place_is_refused() -> None:
    with pytest.raises(SettingsError, match="give one slot"):
        named("cpu", 0)


def test_without_a_number_there_is_a_slot_for_each_core() -> None:
    assert len(named("cpu", None)) == len(os.sched_getaffinity(0))


def test_an_engine_process_sees_its_own_card_alone_and_a_cpu_one_none() -> None:
    first, second, cpu = places("auto", 1, environment={}, find=lambda: CARDS)
    assert (first.device.kind, first.device.index, first.device.memory_bytes) == ("cuda", 0, 24 << 30)
    assert (second.device.index, second.environment["CUDA_VISIBLE_DEVICES"]) == (0, "GPU-bb")
    assert cpu.environment["CUDA_VISIBLE_DEVICES"] == ""
    assert cpu.environment["JAX_PLATFORMS"] == "cpu"


def test_lines_that_are_none_are_passed_over() -> None:
    text = "0, NVIDIA H200, 143771, GPU-1\n\nNVIDIA-SMI has failed\n1, NVIDIA H200, [N/A], GPU-2\n2, short\n"
    assert [(gpu.index, gpu.memory_bytes) for gpu in read_gpus(text)] == [(0, 143771 << 20), (1, 0)]


def test_a_tool_that_fails_finds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho '0, NVIDIA L4, 23034, GPU-1f'\nexit ${FAILS:-0}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [gpu.uuid for gpu in find_gpus()] == ["GPU-1f"]
    monkeypatch.setenv("FAILS", "9")
    assert find_gpus() == []
    tool.unlink()
    assert find_gpus() == []


def test_no_secret_reaches_an_engine_process() -> None:
    given = {"PATH": "/bin", "PGPASSWORD": "x", "TWINSTREAM_BROKER": "kafka://u:p@h", "AWS_SECRET_ACCESS_KEY": "x"}
    given |= {"CUDA_VISIBLE_DEVICES": "0", "XPATH": "x", "LC_ALL": "C"}
    assert clean_environment(given, {"CUDA_VISIBLE_DEVICES": ""}) == {
        "PATH": "/bin",
        "LC_ALL": "C",
        "CUDA_VISIBLE_DEVICES": "",
    }
