import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.report import Report

ROOT = Path(__file__).parents[2]


def test_the_core_runs_without_a_framework_and_writes_json(tmp_path):
    target = tmp_path / "core.json"
    program = (
        "import sys; from benchmarks.__main__ import main; "
        f"status = main(['--only', 'core', '--rounds', '1', '--threads', '1', '--json', {str(target)!r}]); "
        "assert not {'torch', 'tensorflow', 'libcpab', 'difw', 'kornia'} & set(sys.modules); sys.exit(status)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, capture_output=True)
    rows = json.loads(target.read_text())["rows"]
    assert len(rows) == 5 * 3 * 3
    assert all(row["ours"]["values"][0] > 0 for row in rows)


def test_a_workload_that_fails_is_a_row_and_the_run_goes_on(capsys):
    report = Report({}, rounds=1)
    command.run(report, "broken", "no_such_module.rows", command.Options())
    command.run(report, "broken", "settings.no_such_function", command.Options())
    assert [row.problem.partition(":")[0] for row in report.rows] == ["ModuleNotFoundError", "AttributeError"]
    assert not report.complete


@pytest.mark.parametrize(
    "arguments", [["--only", "nothing"], ["--rounds", "0"], ["--json", "no/such/folder/x.json"], ["--json", "."]]
)
def test_impossible_requests_end_at_once(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_named_and_what_was_there_stays(tmp_path, monkeypatch, capsys):
    target = tmp_path / "core.json"
    target.write_text("before")
    monkeypatch.setattr(command, "WORKLOADS", {"core": "no_such_module.rows"})

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert command.main(["--only", "core", "--rounds", "1", "--json", str(target)]) == 1
    assert f"{target} must be written; got No space left on device" in capsys.readouterr().err
    assert target.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["core.json"]
