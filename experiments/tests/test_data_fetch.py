"""Downloads, from a server of this process: whole files with their names, or an error and no file."""

import hashlib
import http.server
import threading

import pytest

from cpabx.errors import OptionError
from cpabx_experiments.data import fetch as module
from cpabx_experiments.data.fetch import fetch, fetch_source
from cpabx_experiments.data.sources import SOURCES, File, Source
from cpabx_experiments.errors import DataError

CONTENT = {"/a.gz": b"first" * 200_000, "/b.gz": b"second"}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path == "/hang":
            self.server.stop.wait(20)
            return
        if self.path not in ("/short", "/unsized", *CONTENT):
            self.send_error(404)
            return
        content = CONTENT.get(self.path, b"content")
        self.send_response(200)
        if self.path != "/unsized":
            self.send_header("Content-Length", str(len(content) + (self.path == "/short")))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked, server.stop, server.daemon_threads = [], threading.Event(), True
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.stop.set()
        server.shutdown()
        thread.join()


def source(server, *names, content=None, algorithm="sha256"):
    def digest(name):
        return f"{algorithm}:{hashlib.new(algorithm, content or CONTENT.get('/' + name, b'content')).hexdigest()}"

    files = tuple(File(name, f"{server.url}/{name}", digest(name)) for name in names)
    return Source("toy", "https://home.example", files, "the files by hand")


def left(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_files_are_downloaded(server, tmp_path, algorithm):
    folder = tmp_path / "new" / "toy"
    heard = []
    got = fetch_source(
        source(server, "a.gz", "b.gz", algorithm=algorithm), folder, lambda *progress: heard.append(progress)
    )
    assert got == [folder / "a.gz", folder / "b.gz"]
    assert left(folder) == ["a.gz", "b.gz"]
    assert [path.read_bytes() for path in got] == list(CONTENT.values())
    for name, content in zip(("a.gz", "b.gz"), CONTENT.values(), strict=True):
        done = [d for n, d, total in heard if n == name and total == len(content)]
        assert done == sorted(done)
        assert done[-1] == len(content)
    assert len(heard) > 3  # a megabyte comes in blocks


def test_what_is_there_is_left_alone(server, tmp_path):
    (tmp_path / "a.gz").write_bytes(b"mine")
    assert fetch_source(source(server, "a.gz", "b.gz"), tmp_path) == [tmp_path / "b.gz"]
    assert server.asked == ["/b.gz"]
    assert (tmp_path / "a.gz").read_bytes() == b"mine"
    assert fetch_source(source(server, "a.gz", "b.gz"), tmp_path) == []


def test_a_server_that_tells_no_size(server, tmp_path):
    totals = []
    fetch_source(source(server, "unsized"), tmp_path, lambda name, done, total: totals.append(total))
    assert totals == [None]
    assert (tmp_path / "unsized").read_bytes() == b"content"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.gz", {"content": b"other"}, "with checksum sha256:[0-9a-f]{64}; got sha256:[0-9a-f]{64}"),
        ("missing", {}, "404"),
        ("short", {}, "ended after 7 of 8 bytes|IncompleteRead"),
        ("hang", {}, "timed out"),
    ],
)
def test_a_failure_leaves_no_file(server, tmp_path, monkeypatch, name, options, message):
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    with pytest.raises(DataError, match=message) as caught:
        fetch_source(source(server, name, **options), tmp_path)
    assert left(tmp_path) == []
    assert f"{server.url}/{name}" in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)
    assert caught.value.remedy == "Get the files by hand from https://home.example."


def test_interruption_leaves_no_file(server, tmp_path):
    def interrupt(*progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_source(source(server, "a.gz"), tmp_path, interrupt)
    assert left(tmp_path) == []


def test_no_server(server, tmp_path):
    gone = source(server, "a.gz")
    server.shutdown()
    server.server_close()
    with pytest.raises(DataError, match="must be downloaded"):
        fetch_source(gone, tmp_path)


def test_a_folder_that_is_a_file(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="File exists"):
        fetch_source(source(server, "a.gz"), tmp_path / "file")


def test_celeba_needs_a_browser(tmp_path):
    with pytest.raises(DataError, match=r"celeba must be filled by hand.*img_align_celeba\.zip.*mmlab"):
        fetch("celeba", tmp_path)
    with pytest.raises(OptionError, match="got 'imagenet'"):
        fetch("imagenet", tmp_path)


def test_checksums_are_of_known_kinds():
    for file in (file for known in SOURCES.values() for file in known.files):
        algorithm, _, digest = file.checksum.partition(":")
        assert len(bytes.fromhex(digest)) == hashlib.new(algorithm).digest_size
