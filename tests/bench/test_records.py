"""bench/records.py and bench/report.py: runs that go on where they were, and what is told of them."""

import json
from pathlib import Path
from typing import Any

import pytest
import report
import rows
from records import Entry, Record, Store

SETTINGS = {"rounds": 9, "seconds": 3, "ours": "abc"}
ROW = rows.chosen(["asgi-hello"])[0]


def sample(cost: float) -> dict[str, float]:
    return {"answers": 1000, "seconds": 1, "server": cost, "machine": 20, "client": 5, "p50_ms": 1, "p99_ms": 2}


def record_of(store: Store) -> Record:
    record = store.open(ROW)
    ours = Entry("serai", "abc", "1", screened=sample(8), rounds=[sample(8)] * 9)
    peer = Entry("peregrine", "1.2", "1", screened=sample(10), rounds=[sample(10)] * 9)
    screened = Entry("uvicorn", "0.54", "1", screened=sample(25))
    wrong = Entry("odd", "1", "1", reason="answered 500: b'<b>'")
    record.entries = [peer, wrong, ours, screened, Entry("bjoern", "3.2", reason="has no asgi")]
    record.limits = [{"bare": 5.5, "app": 0.5}] * 9
    return record


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results", SETTINGS)


def test_a_record_is_read_back_as_it_was_saved(store: Store) -> None:
    record = record_of(store)
    store.save(record)
    assert store.open(ROW) == record


@pytest.mark.parametrize("change", [{"rounds": 5}, {"ours": "def"}])
def test_a_record_of_other_settings_or_another_version_is_not_gone_on_with(
    tmp_path: Path, store: Store, change: dict[str, Any]
) -> None:
    store.save(record_of(store))
    assert Store(tmp_path / "results", {**SETTINGS, **change}).open(ROW).entries == []


def test_a_damaged_record_is_measured_anew(tmp_path: Path, store: Store) -> None:
    (tmp_path / "results" / "asgi-hello.json").write_text('{"row": ')
    assert store.open(ROW).entries == []


def test_lines_stand_by_cost_with_those_without_figures_last(store: Store) -> None:
    part = report.part_of(ROW, record_of(store))
    assert [line.name for line in part.lines] == ["serai", "peregrine", "uvicorn", "odd", "bjoern"]


def test_limit_ratio_and_goal_follow_from_the_rounds(store: Store) -> None:
    part = report.part_of(ROW, record_of(store))
    assert part.limit == 6.0
    assert part.ours and part.ours.of_limit == pytest.approx(8 / 6)
    assert part.goal == "goal 1.35 × limit: met"
    assert part.lines[1].ratio and part.lines[1].ratio.median == pytest.approx(0.8)
    assert part.lines[1].verdict == "ahead"


def test_a_server_without_figures_is_told_with_the_reason(store: Store) -> None:
    said = report.text([report.part_of(ROW, record_of(store))])
    assert "odd 1" in said and "answered 500" in said
    assert "not for: bjoern (has no asgi)" in said


def test_the_page_escapes_what_servers_said(store: Store) -> None:
    page = report.page([report.part_of(ROW, record_of(store))])
    assert "&lt;b&gt;" in page and "<b>" not in page


def test_all_three_forms_are_written(tmp_path: Path, store: Store) -> None:
    store.save(record_of(store))
    report.write(tmp_path, store)
    assert "peregrine" in (tmp_path / "table.txt").read_text()
    assert "peregrine" in (tmp_path / "table.html").read_text()
    assert json.loads((tmp_path / "table.json").read_text())[0]["servers"][1]["ratio"]["verdict"] == "ahead"


def test_rows_are_chosen_by_pattern_in_the_table_s_order() -> None:
    names = [row.name for row in rows.chosen(["wsgi-hello*", "flask"])]
    assert names == ["wsgi-hello", "flask", "wsgi-hello@1", "wsgi-hello@256"]


def test_an_unknown_row_is_refused() -> None:
    with pytest.raises(SystemExit, match="no row is called nope"):
        rows.chosen(["nope"])


def test_names_of_rows_are_unique() -> None:
    assert len({row.name for row in rows.ROWS}) == len(rows.ROWS)
