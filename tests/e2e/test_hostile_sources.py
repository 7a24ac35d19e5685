"""Downloads are not trusted: they can only write to their own directory on the volume."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from e2e.git_server import TOKEN, USER, GitServer
from e2e.instead import instead
from e2e.pod_scripts import VOLCANO, Ended, PodScripts, pod_scripts
from e2e.waiting import SOON

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.e2e

LOGIN = {"GIT_USER": USER, "GIT_TOKEN": TOKEN}
# Also for sources whose clients do not create links: the check does not rely on the client.
LINKING = 'cp -R "$MADE/." "$DOWNLOAD_DIR"\necho 1 >"$REVISION_FILE"\n'


@pytest.fixture
def scripts(tmp_path: Path) -> PodScripts:
    """The scripts of a pod whose volume has the result of another run."""
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume" / "results").write_text("results", encoding="utf-8")
    made = pod_scripts(
        tmp_path / "ftc",
        VOLCANO,
        SOURCE="any://source",
        TARGET_DIR=str(tmp_path / "volume" / "a cache" / "source-1f0c2a9e"),
        NNODES="1",
        SHARED_CACHE="true",
        FETCH_TIMEOUT="600",
        MADE=str(tmp_path / "made"),
    )
    made.write("linking.sh", LINKING)
    return made


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The directory of the source, with a blank in its path."""
    return tmp_path / "volume" / "a cache" / "source-1f0c2a9e"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """The files of a source that each test makes."""
    directory = tmp_path / "made"
    directory.mkdir()
    (directory / "config.json").write_text("{}", encoding="utf-8")
    return directory


def fetch_by(kind: str, scripts: PodScripts, server: GitServer, made: Path, name: str) -> Ended:
    """Fetch the source of a test, from a git server or with a client that creates links."""
    if kind == "client":
        return scripts.run("fetch.sh", "bash", "linking.sh")
    url = server.create(f"org/{name}")
    server.push(f"org/{name}", made)
    return scripts.run("fetch.sh", "bash", "download_git.sh", SOURCE=url, **LOGIN)


def link(name: str, to: str) -> Callable[[Path], None]:
    """A link of a source."""

    def make(directory: Path) -> None:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).symlink_to(to.replace("VOLUME", str(directory.parent / "volume")))

    return make


def up_through_another(directory: Path) -> None:
    """As text, a/b/up/../../x is a/x, which is inside; but a/b/up is a link to a."""
    link("a/b/up", "..")(directory)
    link("out", "a/b/up/../../x")(directory)


LINKS = {
    "marker": link(".ftc-revision", "VOLUME/results"),
    "name-of-a-file": link("files", "VOLUME/results"),
    "absolute": link("tokenizer.json", "/etc/passwd"),
    "root": link("everything", "/"),
    "parent": link("up", ".."),
    "other-source": link("deep/er/model.bin", "../../../other-00000000/files/model.bin"),
    "through-another": up_through_another,
    "name-with-a-newline": link("a\nftc: error: b", "/etc/passwd"),
}


@pytest.mark.parametrize("kind", ["git", "client"])
@pytest.mark.parametrize("case", LINKS)
def test_a_link_that_leads_out_is_refused_before_anything_goes_through_it(
    scripts: PodScripts, git_server: GitServer, made: Path, case: str, kind: str
) -> None:
    LINKS[case](made)
    start = time.monotonic()
    done = fetch_by(kind, scripts, git_server, made, f"links-{case}")
    assert done.status == 1, done.log
    assert len([line for line in done.log.splitlines() if line.startswith("ftc: error: ")]) == 1, done.log
    assert "link" in done.log
    volume = made.parent / "volume"
    assert (volume / "results").read_text() == "results"
    assert list((volume / "a cache").iterdir()) == []
    assert time.monotonic() - start < SOON


@pytest.mark.parametrize("kind", ["git", "client"])
def test_links_inside_a_source_stay(
    scripts: PodScripts, git_server: GitServer, made: Path, target: Path, kind: str
) -> None:
    for name, to in (("latest.json", "config.json"), ("deep/er/c.json", "../../config.json"), ("gone", "not/there")):
        link(name, to)(made)
    done = fetch_by(kind, scripts, git_server, made, "inner-links")
    assert done.status == 0, done.log
    assert (target / "files" / "deep/er/c.json").read_text() == "{}"
    assert (target / "files" / "latest.json").readlink() == Path("config.json")


@pytest.mark.parametrize("name", [".ftc-revision", "files", "files/.ftc-revision", ".ftc-tmp.x", "whole", "revision"])
def test_a_name_that_ftc_uses_itself_is_a_file_like_others(
    scripts: PodScripts, git_server: GitServer, made: Path, target: Path, name: str
) -> None:
    (made / name).parent.mkdir(exist_ok=True)
    (made / name).write_text("of the repository", encoding="utf-8")
    done = fetch_by("git", scripts, git_server, made, f"own-name-{name.replace('/', '-')}")
    assert done.status == 0, done.log
    assert (target / "files" / name).read_text() == "of the repository"
    assert "of the repository" not in (target / ".ftc-revision").read_text()


def test_a_pipe_or_a_socket_is_refused(scripts: PodScripts, target: Path) -> None:
    scripts.write("pipe.sh", 'mkfifo "$DOWNLOAD_DIR/dataset_info.json"\necho 1 >"$REVISION_FILE"\n')
    done = scripts.run("fetch.sh", "bash", "pipe.sh")
    assert (done.status, done.says("dataset_info.json is not a file, a directory or a link")) == (1, True), done.log
    assert not target.exists()


ODD_NAMES = (
    *("two  blanks.safetensors", " blank.safetensors", "new\nline.safetensors", "back\\slash.safetensors"),
    *("[a]*?.safetensors", "quo\"te'.safetensors", "-n.safetensors", "模型.safetensors", "$(id).safetensors"),
    *("dir \n/x.safetensors", os.fsdecode(b"\xff.safetensors"), "tab\t.safetensors", " * .safetensors"),
)


def test_lfs_files_of_any_name_arrive(scripts: PodScripts, git_server: GitServer, made: Path, target: Path) -> None:
    for name in ODD_NAMES:
        (made / name).parent.mkdir(exist_ok=True)
        (made / name).write_bytes(os.urandom(2000))
    done = fetch_by("git", scripts, git_server, made, "odd-names")
    assert done.status == 0, done.log
    found = {name: (target / "files" / name).read_bytes() for name in ODD_NAMES}
    assert found == {name: (made / name).read_bytes() for name in ODD_NAMES}


def test_a_text_that_quotes_a_pointer_is_not_one(
    scripts: PodScripts, git_server: GitServer, made: Path, target: Path
) -> None:
    text = f"A pointer:\nversion https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 5\n"
    (made / "README.md").write_text(text, encoding="utf-8")
    (made / "weights.safetensors").write_bytes(b"w" * 2000)
    done = fetch_by("git", scripts, git_server, made, "quoted-pointer")
    assert done.status == 0, done.log
    assert (target / "files" / "README.md").read_text() == text


def test_a_link_whose_text_is_a_pointer_is_not_followed_nor_replaced(
    scripts: PodScripts, git_server: GitServer, made: Path, target: Path
) -> None:
    link("weights", f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 5\n")(made)
    done = fetch_by("git", scripts, git_server, made, "link-as-pointer")
    assert done.status == 1, done.log
    assert not target.exists()


def test_attributes_of_a_repository_choose_no_program(
    scripts: PodScripts, git_server: GitServer, made: Path, target: Path, tmp_path: Path
) -> None:
    config = f'[filter "any"]\n\tsmudge = "touch {tmp_path}/ran; cat"\n'
    (tmp_path / ".gitconfig").write_text(config, encoding="utf-8")
    (made / "sub").mkdir()
    (made / "sub" / "a.txt").write_text("a\n", encoding="utf-8")
    (made / "sub" / ".gitattributes").write_text("* filter=any eol=crlf\n", encoding="utf-8")
    done = fetch_by("git", scripts, git_server, made, "attributes")
    assert done.status == 0, done.log
    assert (target / "files" / "sub" / "a.txt").read_bytes() == b"a\n"
    assert not (tmp_path / "ran").exists()


def test_the_check_has_a_time_limit_too(scripts: PodScripts, made: Path, target: Path, tmp_path: Path) -> None:
    path = instead(tmp_path, "realpath", "exec sleep 3600")
    link("latest.json", "config.json")(made)
    start = time.monotonic()
    done = scripts.run("fetch.sh", "bash", "linking.sh", FETCH_TIMEOUT="2", PATH=path)
    assert (done.status, done.says("took longer than 2 seconds")) == (1, True), done.log
    assert time.monotonic() - start < SOON
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("kind", ["git", "client"])
def test_a_tree_that_cannot_be_listed_whole_is_an_error(
    scripts: PodScripts, git_server: GitServer, made: Path, tmp_path: Path, kind: str
) -> None:
    """A find that fails after a part of the files, as in a damaged directory."""
    find = 'case " $* " in *" -print0 "*) /usr/bin/find "$@"; exit 1 ;; *) exec /usr/bin/find "$@" ;; esac'
    scripts.environment["PATH"] = instead(tmp_path, "find", find)
    done = fetch_by(kind, scripts, git_server, made, "unreadable")
    assert done.status == 1, done.log
    assert done.says("cannot be read") or done.says("cannot read the files"), done.log
