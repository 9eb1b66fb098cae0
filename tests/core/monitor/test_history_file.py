"""A record is read again bit for bit, and what is none is refused in words."""

import json
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gradwidgets.core.monitor import GradientHistory, GradientMonitor
from gradwidgets.core.monitor.quantities import QUANTITIES

ANY = st.floats(width=64)


@st.composite
def histories(draw):
    samples, layers = draw(st.integers(0, 4)), draw(st.integers(0, 4))

    def numbers(*shape):
        count = int(np.prod(shape))
        held = draw(st.lists(ANY, min_size=count, max_size=count))
        return torch.tensor(held, dtype=torch.float64).reshape(shape)

    held = {name: numbers(samples, layers) if not one.needs or draw(st.booleans()) else None
            for name, one in QUANTITIES.items()}  # fmt: skip
    names = tuple(draw(st.lists(st.text(), min_size=layers, max_size=layers)))
    steps = torch.tensor(draw(st.lists(st.integers(1, 2**62), min_size=samples, max_size=samples)), dtype=torch.int64)
    notes = tuple(draw(st.lists(st.text(), max_size=2)))
    return GradientHistory(names, names, (3,) * layers, notes, **held, steps=steps, seconds=numbers(samples),
                           loss=numbers(samples))  # fmt: skip


@given(history=histories())
@settings(max_examples=60)
def test_a_record_is_read_again_bit_for_bit(history, tmp_path_factory):
    path = tmp_path_factory.mktemp("records") / "record"
    assert history.save(path) == path and [one.name for one in path.parent.iterdir()] == ["record"]
    assert GradientHistory.load(path) == history


def recorded(path):
    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with GradientMonitor(model, optimizer, every=1) as monitor:
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.ones(4, 3)).square().mean().backward()
            optimizer.step()
    history = monitor.history
    history.save(path)
    return history


def test_what_a_monitor_recorded_is_kept(tmp_path):
    path = tmp_path / "run.npz"
    history = recorded(path)
    again = GradientHistory.load(str(path))
    assert again == history and len(again.steps) == 3
    assert again.to_frame().equals(history.to_frame())


def test_what_is_no_record_is_refused_in_words(tmp_path):
    path = tmp_path / "run.npz"
    recorded(path)
    whole = path.read_bytes()
    for end in (0, 1, 50, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match="is no whole record of a training"):
            GradientHistory.load(path)
    np.savez(path, a=np.ones(3))
    with pytest.raises(ValueError, match="is no whole record"):
        GradientHistory.load(path)
    np.savez(path, a=np.array([{}], dtype=object))  # a pickle, which is not opened
    with pytest.raises(ValueError, match="is no whole record"):
        GradientHistory.load(path)
    with pytest.raises(FileNotFoundError):
        GradientHistory.load(tmp_path / "none")


def test_a_newer_version_and_missing_parts_are_told(tmp_path):
    path = tmp_path / "run.npz"
    recorded(path)
    with zipfile.ZipFile(path) as held:
        members = {name: held.read(name) for name in held.namelist()}

    def rewritten(changed):
        with zipfile.ZipFile(path, "w") as held:
            for name, content in changed.items():
                held.writestr(name, content)

    about = json.loads(members["about.json"])
    rewritten({**members, "about.json": json.dumps({**about, "version": 2})})
    with pytest.raises(ValueError, match="has version 2 of the format, and this gradwidgets reads up to 1"):
        GradientHistory.load(path)
    rewritten({name: content for name, content in members.items() if name != "rms.npy"})
    with pytest.raises(ValueError, match="parts of it are missing"):
        GradientHistory.load(path)


def test_numpy_reads_the_arrays(tmp_path):
    history = recorded(tmp_path / "run.npz")
    with np.load(tmp_path / "run.npz", allow_pickle=False) as held:
        np.testing.assert_array_equal(held["norm"], history.norm)
        np.testing.assert_array_equal(held["steps"], history.steps)


def test_what_was_there_stays_where_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    history = recorded(path)

    def full(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(OSError, match="disk full"):
        history.save(path)
    monkeypatch.undo()
    assert GradientHistory.load(path) == history and list(tmp_path.iterdir()) == [path]
